"""The command line under the real torchrun: signals, kills, mistakes, and how a run goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import pytest

from pyro_bvae.runs import RunFolder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="children are looked up in /proc"),
]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
PATIENCE = 300  # seconds, on a busy machine


@contextmanager
def begun(folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A command under torchrun, what it says in the file ``said``; its steps go on until it is ended."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    with open(folder / "said", "w", encoding="utf-8") as said:
        process = subprocess.Popen(
            [*TORCHRUN, "pyro_bvae_cli", *words], stdout=said, stderr=said, text=True, env=environment
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(PATIENCE)


def children(process: subprocess.Popen[str]) -> list[int]:
    return [int(word) for word in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def await_step(run: Path, beyond: int) -> None:
    """Wait until a run has saved more than so many steps."""
    start = monotonic()
    while monotonic() - start < PATIENCE:
        if (run / "checkpoint.pt").exists() and RunFolder(run).load()["step"] > beyond:
            return
        sleep(0.5)
    raise AssertionError("no step was saved")


def test_torchrun_stops_saves_and_goes_on(tmp_path: Path) -> None:
    run, said = tmp_path / "run", tmp_path / "said"
    options = ["--image-size", "8", "--hidden", "8", "--no-figures", "--no-compile", "--steps", "100000"]
    with begun(tmp_path, "fit", *options, "--checkpoint-every", "5", "--out", str(run)) as process:
        await_step(run, 0)
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
    stopped = RunFolder(run).load()["step"]
    assert f"stopped after step {stopped:,}, all saved" in said.read_text()
    assert f"torchrun --nproc-per-node 2 -m pyro_bvae_cli fit --resume --out {run}" in said.read_text()

    with begun(tmp_path, "fit", "--resume", "--out", str(run)) as process:
        await_step(run, stopped)
        start = monotonic()
        os.kill(children(process)[1], signal.SIGKILL)
        assert process.wait(PATIENCE) == 1
        assert monotonic() - start < 60
    assert said.read_text().count("has lost another one, which has ended or was killed") <= 1

    killed = RunFolder(run).load()["step"]
    with begun(tmp_path, "fit", "--resume", "--steps", str(killed + 3), "--out", str(run)) as process:
        assert process.wait(PATIENCE) == 0
    config = json.loads((run / "config.json").read_text())
    assert (RunFolder(run).load()["step"], config["ranks"]) == (killed + 3, 2)
    assert said.read_text().count("held out, nats an image") == 1


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["compare", "--beta", "1", "--beta", "2"], "start compare without it; it has --jobs and --cluster"),
        (["fit", "--out", "."], "holds other files"),
        (["fit", "--device", "cuda:7"], "cuda:7"),
        (["fit", "--objective", "tcc"], "did you mean"),
    ],
)
def test_a_mistake_is_said_once(words: list[str], line: str, tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with begun(tmp_path, *[str(tmp_path) if word == "." else word for word in words]) as process:
        assert process.wait(PATIENCE) != 0
    errors = [each for each in (tmp_path / "said").read_text().splitlines() if each.startswith("Error: ")]
    assert len(errors) == 1
    assert line in errors[0]
