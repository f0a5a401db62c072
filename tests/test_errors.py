"""An error at the command line is one line, which says how to go on with the command at hand."""

from __future__ import annotations

import errno
import os
import re
import shutil
import warnings
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import click
import pytest
import torch
from conftest import Cli, without_timings
from pyro_bvae_cli import main
from pyro_bvae_cli.errors import said

from pyro_bvae import load_run
from pyro_bvae.runs import history
from pyro_bvae.runs.run import Run

MEMORY = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."),
    RuntimeError("Storage size calculation overflowed with sizes=[400, 1000000000000000000]"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory: you tried to allocate"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)"),
]


@pytest.mark.parametrize("name", main.commands)
@pytest.mark.parametrize("error", MEMORY, ids=range(len(MEMORY)))
def test_out_of_memory_names_options_of_the_command_at_hand(name: str, error: Exception) -> None:
    command = main.commands[name]
    text = said(error, command)
    assert text.startswith("out of memory")
    options = {option for param in command.params for option in param.opts}
    assert {*re.findall(r"--[\w-]+", text)} <= options
    assert ("--device cpu" in text) == ("cuda" in str(error).lower() and "--device" in options)


def test_what_nobody_foresaw_is_our_fault_and_says_so(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ZeroDivisionError("a\n\x1b[31m b" + "x" * 9999)

    monkeypatch.setitem(main.commands, "broken", click.Command("broken", callback=broken))
    result = cli("broken")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: this is a fault of pyro-bvae, please report it: ZeroDivisionError: a \\x1b")
    assert len(result.stderr) < 400
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "words",
    [
        ("fit", "--network", "x" * 9999), ("fit", "--objective", "tc:" + "x" * 9999), ("x" * 9999,),
        ("fit", "--" + "x" * 9999), ("fit", "--dataset", "npz:" + "x" * 300), ("fit", "--beta", "\x1b[31m"),
        ("fit", "--hidden", "1,\n" * 999),
        ("info", "x" * 9999), ("fit", "--match", "x" * 9999), ("fit", "--beta-schedule", "linear:" + "9" * 9999),
    ],
    ids=range(10),
)  # fmt: skip
def test_a_message_quotes_at_most_a_line_of_a_value(words: tuple[str, ...], cli: Cli) -> None:
    result = cli(*words)
    assert result.exit_code in (1, 2)
    (line,) = result.stderr.split("\n")[:-1]
    assert len(line) < 700
    assert line.isprintable()


FIT = ["--hidden", 4, "--latent-dim", 2, "--image-size", 4, "--no-compile", "--steps", 4, "--eval-every", 1]
FIT += ["--checkpoint-every", 1, "--keep", 2]


def fails_at(call: int, function: Callable[..., Any], number: int) -> Callable[..., Any]:
    """The function, which finds the disk full when it is called for the n-th time, and ever after."""
    calls = count()

    def failing(*arguments: Any, **options: Any) -> Any:
        if next(calls) >= call:
            raise OSError(number, os.strerror(number))
        return function(*arguments, **options)

    return failing


@pytest.mark.parametrize("before", [[], ["--overwrite"]], ids=["new", "overwriting"])
@pytest.mark.parametrize("what", ["fsync", "replace", "open"])
def test_a_disk_that_is_full_at_any_write_says_how_to_go_on(
    what: str, before: list[str], cli: Cli, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli("fit", *FIT, "--out", "whole").exit_code == 0
    whole = load_run("whole")
    for call in count(step=3):
        shutil.rmtree("run", ignore_errors=True)
        if before:
            shutil.copytree("whole", "run")
        with monkeypatch.context() as patched:
            owner = history if what == "open" else os
            patched.setattr(owner, what, fails_at(call, getattr(owner, what, open), errno.ENOSPC), raising=False)
            result = cli("fit", *FIT, *before, "--out", "run")
        if result.exit_code == 0:
            break
        (line,) = (line for line in result.stderr.splitlines() if not line.startswith("step "))
        assert line.startswith("Error: cannot write run/")
        assert ": No space left on device; " in line
        resume = "make room, and go on with: pyro-bvae fit --resume --out run"
        if line.endswith(resume):
            with warnings.catch_warnings(action="ignore"):  # the first numbered checkpoint may have no latest beside it
                resumed = cli("fit", "--resume", "--out", "run")
            assert resumed.exit_code == 0, resumed.stderr
        else:
            assert line.endswith("; what stood there is kept: make room, and type the command again")
            assert cli("fit", *FIT, *before, "--out", "run").exit_code == 0
        assert without_timings(load_run("run").history) == without_timings(whole.history)
    assert call > 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fit", *FIT, "--out", "a.txt"], "a.txt: it is a file, and a folder is wanted; name another place with --out"),
        (["fit", *FIT, "--out", "a.txt/b"], "a.txt/b: Not a directory; name another place with --out"),
        (["fit", *FIT, "--out", "n" * 300], "File name too long; name another place with --out"),
        (["compare", *FIT[:9], "--out", "n" * 300], "File name too long; name another place with --out"),
        (["encode", "run", "--out", "a.txt/b.npz"], "a.txt: it is a file, and a folder is wanted; name another place"),
        (["sample", "run", "--out", "n" * 300], "File name too long; name another place with --out"),
        (["reconstruct", "run", "--out", "a.txt/b"], "a.txt: it is a file, and a folder is wanted; name another place"),
    ],
    ids=range(7),
)
def test_a_place_that_cannot_be_written_is_named(
    words: list[object], message: str, cli: Cli, here: Path, digits_run: Run
) -> None:
    shutil.copytree(digits_run.path, "run")
    Path("a.txt").touch()
    result = cli(*words)
    assert result.exit_code == 1, result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("Error: cannot write ")
    assert message in result.stderr
    assert {path.name for path in here.iterdir()} == {"run", "a.txt"}


@pytest.mark.parametrize(
    "words",
    [
        ["encode", "run"],
        ["sample", "run", "--count", 4],
        ["reconstruct", "run", "--count", 4],
        ["traverse", "run", "--latents", "0", "--columns", 2, "--out", "a"],
        ["compare", *FIT[:9], "--seeds", "0", "--out", "c"],
    ],
    ids=lambda words: words[0],
)
def test_a_full_disk_leaves_what_stood_there_whatever_the_command(
    words: list[object], cli: Cli, here: Path, digits_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(digits_run.path, "run")
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fails_at(0, os.fsync, errno.ENOSPC))
        result = cli(*words)
    assert result.exit_code == 1
    how = "what stood there is kept: make room, and type the command again"
    assert re.fullmatch(rf"Error: cannot write \S+: No space left on device; {how}\n", result.stderr)
    assert {path: path.read_bytes() for path in here.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("words", [["score"], ["compare", "--out", "out"], ["evaluate"], ["fit", "--resume", "--out"]])
def test_a_damaged_checkpoint_names_an_option_that_there_is(words: list[str], cli: Cli, here: Path) -> None:
    small = ("--image-size", 8, "--hidden", 4, "--latent-dim", 2, "--no-compile")
    cli("fit", *small, "--steps", 2, "--checkpoint-every", 1, "--keep", "all", "--out", "run")
    Path("run/checkpoint.pt").write_bytes(b"PK")
    said = cli(*words, "run").stderr.splitlines()[-1]
    what = "--at STEP" if "at" in {param.name for param in main.commands[words[0]].params} else "fit --resume --at STEP"
    assert said.endswith(f"; {what} takes that of another step: [1, 2]")
