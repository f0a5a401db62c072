"""An error at the command line is one line, which says how to go on with the command at hand."""

from __future__ import annotations

import re

import click
import pytest
import torch
from conftest import Cli
from pyro_bvae_cli import main
from pyro_bvae_cli.errors import said

MEMORY = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."),
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
