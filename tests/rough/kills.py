"""Kills.

A command that is killed, at a random moment or just before one of its writes, leaves no half-written file under a final
name and no run that is two runs, and typed again it ends with what it ends with undisturbed.

The commands run in forks of one process that has loaded PyTorch.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import random
import signal
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from pyro_bvae_cli import main as pyro_bvae

from .world import FAST, LONGEST, fresh

OF_THE_MOMENT = {"seconds", "since", "images_per_second", "command", "resumed", "compile_because"}
FIT = ["fit", "--dataset", "npz:d.npz", *FAST, "--eval-every", "10", "--checkpoint-every", "7", "--keep", "2", "--out"]
COMPARE = ["compare", "--dataset", "npz:d.npz", *FAST, "--steps", "10", "--beta", "1", "--beta", "4", "--no-figures"]
WRITERS: dict[str, list[str]] = {
    "fit": [*FIT, "new", "--steps", "40", "--no-figures"],
    "fit, with figures": [*FIT, "new", "--steps", "20", "--figures-every", "10"],
    "fit --resume": ["fit", "--resume", "--out", "run", "--steps", "60"],
    "fit --overwrite": [*FIT, "run", "--steps", "20", "--beta", "6", "--overwrite", "--no-figures"],
    "compare": [*COMPARE, "--out", "both"],
    "compare --jobs": [*COMPARE, "--out", "both", "--jobs", "2"],
    "compare RUN": ["compare", "run", "--out", "one", "--no-figures"],
    "score": ["score", "run", "--metric", "mig", "--metric", "dci", "--repeats", "1"],
    "encode": ["encode", "run"],
    "traverse": ["traverse", "run", "--columns", "3"],
    "sample": ["sample", "run", "--count", "4"],
    "sample, as csv": ["sample", "vectors", "--out", "drawn.csv"],
    "reconstruct": ["reconstruct", "run", "--count", "4"],
    "report": ["report", "run"],
}  # fmt: skip


def forked(
    argv: list[str], before_write: int | None = None, after: float | None = None
) -> tuple[int | None, float, int]:
    """A command in a process of its own, killed before one of its writes or after some seconds.

    Returns:
        Its exit code, None where it was killed; the seconds that it took; how many writes were counted.
    """
    count = torch.zeros(1, dtype=torch.int64).share_memory_()
    start = time.monotonic()
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException), open(".log", "w") as log:
            os.dup2(log.fileno(), 1), os.dup2(log.fileno(), 2)
            here = os.getcwd()

            def look(event: str, details: tuple[Any, ...]) -> None:
                writes = event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate")
                writes |= event == "open" and bool(details[2] & (os.O_WRONLY | os.O_RDWR))
                is_path = not isinstance(details[0], int) if details else False
                if writes and is_path and os.path.abspath(os.fsdecode(details[0])).startswith(here):
                    count[0] += 1
                    if count[0] == before_write:
                        os.kill(os.getpid(), signal.SIGKILL)

            sys.addaudithook(look)
            try:
                pyro_bvae(argv, standalone_mode=True)
            except SystemExit as end:
                log.flush(), sys.stdout.flush(), sys.stderr.flush()
                os._exit(int(end.code or 0))
        os._exit(99)
    status: int | None = None
    while time.monotonic() - start < LONGEST:
        done, raw = os.waitpid(child, os.WNOHANG)
        if done:
            status = None if os.WIFSIGNALED(raw) else os.waitstatus_to_exitcode(raw)
            break
        if after is not None and time.monotonic() - start > after:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.002)
    return status, time.monotonic() - start, int(count)


def whole(file: Path) -> None:
    """Read a file to its end; raise if it is cut off."""
    match file.suffix:
        case ".json":
            json.loads(file.read_text(encoding="utf-8"))
        case ".jsonl":
            lines = file.read_text(encoding="utf-8").split("\n")
            for line in lines[:-1]:  # a line that a kill cut off has no end
                json.loads(line)
        case ".npz":
            with np.load(file) as arrays:
                list(map(arrays.__getitem__, arrays.files))
        case ".csv":
            with open(file, newline="", encoding="utf-8") as opened:
                widths = {len(row) for row in csv.reader(opened)}
            assert len(widths) == 1, "rows of unequal lengths"
        case ".pt":
            assert zipfile.ZipFile(file).testzip() is None
        case ".png" | ".gif":
            with Image.open(file) as picture:
                picture.load()


def content(folder: Path) -> dict[str, Any]:
    """What a folder holds, times and versions aside; of pictures that they are there."""
    held: dict[str, Any] = {}
    for file in sorted(folder.rglob("*")):
        name = str(file.relative_to(folder))
        if not file.is_file() or name.startswith(".") or "/." in name:
            continue
        if file.suffix == ".pt":
            held[name] = _lasting(torch.load(file))
        elif file.suffix == ".npz":
            with np.load(file) as arrays:
                held[name] = {key: arrays[key].tobytes() for key in arrays.files}
        elif file.suffix in (".json", ".jsonl"):
            text = file.read_text(encoding="utf-8")
            parts = text.split("\n")[:-1] if file.suffix == ".jsonl" else [text]
            held[name] = [_lasting(json.loads(part)) for part in parts]
        elif file.suffix == ".csv":
            held[name] = len(file.read_text(encoding="utf-8").splitlines())
        else:
            held[name] = None
    return held


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lasting(held) for key, held in value.items() if key not in OF_THE_MOMENT}
    if isinstance(value, torch.Tensor):
        return value.numpy().tobytes()
    return [_lasting(held) for held in value] if isinstance(value, list) else value


def differing(now: Any, expected: Any) -> str:
    if isinstance(now, list) and isinstance(expected, list) and now and isinstance(now[0], dict):
        pairs = [(one, other, one.keys() | other.keys()) for one, other in zip(now, expected, strict=False)]
        differ = [
            {key: (one.get(key), other.get(key)) for key in keys if one.get(key) != other.get(key)}
            for one, other, keys in pairs
        ]
        return str([each for each in differ if each])[:300]
    return "is missing" if now is None else "is more" if expected is None else ""


def one_run(folder: Path) -> None:
    """The β of a run folder's config is that of its weights."""
    config, checkpoint = folder / "config.json", folder / "checkpoint.pt"
    if config.is_file() and checkpoint.is_file():
        beta = json.loads(config.read_text(encoding="utf-8"))["beta"]
        assert beta == torch.load(checkpoint)["beta"], f"config.json says β {beta}, and the weights another"


def kills(world: Path, count: int, choose: random.Random, figures: Counter[str]) -> Iterator[str]:
    """Kill commands; yields a line for each that left something wrong."""
    undisturbed: dict[str, tuple[dict[str, Any], float, int]] = {}
    for number in range(count):
        name = list(WRITERS)[number % len(WRITERS)]
        argv = WRITERS[name]
        if name not in undisturbed:
            with fresh(world) as folder:
                status, seconds, writes = forked(argv)
                assert status == 0, (folder / ".log").read_text()
                undisturbed[name] = content(folder), seconds, writes
        expected, seconds, writes = undisturbed[name]
        at_a_write = number // len(WRITERS) % 2
        moment = {"before_write": choose.randint(1, writes)} if at_a_write else {"after": choose.uniform(0, seconds)}
        with fresh(world) as folder:
            status, _, _ = forked(argv, **moment)  # type: ignore[arg-type]
            figures["killed" if status is None else "done before the kill"] += 1
            problem = _what_is_wrong(folder, argv, expected)
            if problem:
                yield f"{name}, killed {moment}: {problem}"


def _what_is_wrong(folder: Path, argv: list[str], expected: dict[str, Any]) -> str | None:
    try:
        for file in folder.rglob("*"):
            if file.is_file() and "partial" not in file.name and not file.name.startswith("."):
                try:
                    whole(file)
                except Exception as error:
                    return f"{file.relative_to(folder)} is cut off: {error}"
        one_run(folder / "run")
        status, _, _ = forked(argv)
        if status and argv[0] == "fit":
            out, steps = (argv[argv.index(option) :][:2] for option in ("--out", "--steps"))
            status, _, _ = forked(["fit", "--resume", *out, *steps])
        if status:
            return f"typed again it ends with {status}: {(folder / '.log').read_text()[-300:]}"
        now = content(folder)
        if now != expected:
            other = sorted(key for key in now.keys() | expected.keys() if now.get(key, 0) != expected.get(key, 0))
            said = [f"{key} {differing(now.get(key), expected.get(key))}" for key in other]
            return f"typed again it ends otherwise: {', '.join(said)}"
    except AssertionError as error:
        return str(error)
    return None
