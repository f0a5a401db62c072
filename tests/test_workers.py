"""Workers end when they are told to, and when the process that started them is gone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import suppress
from pathlib import Path

import pytest
from small_fits import within

from pyro_bvae import load_run
from pyro_bvae.files import HeldError
from pyro_bvae.runs.folder import RunFolder
from pyro_bvae.sweeps import Here, work_through

SLEEP = """
    import time
    from pyro_bvae.sweeps import Here, work_through
    if __name__ == "__main__":
        with Here(2) as crew:
            for task, result in work_through(time.sleep, [0.0, 100.0, 100.0, 100.0], crew):
                print(task, result, flush=True)
"""
COMPARE = ["compare", "--hidden", "8", "--latent-dim", "2", "--image-size", "8", "--no-compile", "--no-figures"]
COMPARE += ["--checkpoint-every", "20", "--eval-every", "20", "--seeds", "0,1", "--jobs", "2", "--out", "c"]


def descendants(process: int) -> set[int]:
    children: set[int] = set()
    with suppress(OSError):
        for thread in Path(f"/proc/{process}/task").iterdir():
            children |= {int(child) for child in (thread / "children").read_text().split()}
    return children.union(*map(descendants, children))


def is_alive(process: int) -> bool:
    with suppress(OSError):
        return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    return False


def test_a_closed_generator_stops_the_workers() -> None:
    with Here(2) as crew:
        results = work_through(time.sleep, [0.0, 100.0, 100.0], crew)
        assert next(results) == (0.0, None)
        start = time.monotonic()
        results.close()
    assert time.monotonic() - start < 20


def test_an_error_takes_the_place_of_a_result() -> None:
    with Here() as crew:
        ((task, result),) = work_through(time.sleep, ["a"], crew)
    assert task == "a"
    assert isinstance(result, TypeError)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="the children of a process are looked up in /proc")
def test_workers_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SLEEP))
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout.readline() == "0.0 None\n"
        workers = descendants(parent.pid)
        assert len(workers) >= 2
        parent.kill()
    assert within(10, lambda: not any(map(is_alive, workers)))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_comparison_that_was_killed_goes_on(number: signal.Signals, here: Path) -> None:
    command = [sys.executable, "-m", "pyro_bvae_cli", *COMPARE, "--steps"]
    parent = subprocess.Popen([*command, "20000"], stderr=subprocess.PIPE, text=True)
    assert within(120, lambda: len(list(here.glob("c/*/checkpoint.pt"))) == 2)
    parent.send_signal(number)
    said = parent.communicate()[1]
    if number != signal.SIGKILL:
        assert parent.returncode == 128 + number
        assert said.splitlines()[-1].startswith("stopped, all saved; go on with: pyro-bvae compare --hidden 8")

    def is_free(path: Path) -> bool:
        try:
            with RunFolder(path).held():
                return True
        except HeldError:
            return False

    paths = sorted(path.parent for path in here.glob("c/*/checkpoint.pt"))
    assert within(10, lambda: all(map(is_free, paths)))
    reached = max(load_run(path).step for path in paths)
    config = json.loads((here / "c" / "comparison.json").read_text())
    config["experiment"]["steps"] = [reached + 20]  # as if the command had asked for so many
    (here / "c" / "comparison.json").write_text(json.dumps(config))
    subprocess.run([*command, str(reached + 20)], check=True, env=os.environ)
    for path in paths:
        steps = [record["step"] for record in load_run(path).history]
        assert steps == sorted({*steps})
        assert steps[-1] == reached + 20
