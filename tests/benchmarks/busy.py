"""What commands take on an idle machine and on a busy one: `python tests/benchmarks/busy.py [OTHER_TREE]`.

Busy means a loop without end a core, each single-threaded, of equal priority and in a session of its own, as another
user's program would be, so that half of the machine is left. Idle and busy, here and in another checkout, take turns;
what is printed are medians of the seconds, and of the ratios within a turn.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from statistics import median
from time import perf_counter, sleep

ROOT = Path(__file__).parents[2]
COMMANDS = {
    "fit": "fit --beta 6 --overwrite --out run",
    "compare --jobs 2": "compare --beta 1 --beta 4 --epochs 20 --jobs 2 --out {new}",
    "score": "score run",
    "traverse": "traverse run",
}
LONGEST = 150


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("other", type=Path, nargs="?", help="another checkout")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--command", choices=COMMANDS, action="append", help="by default all")
    arguments = parser.parse_args()
    trees = [ROOT] if arguments.other is None else [ROOT, arguments.other.resolve()]
    with tempfile.TemporaryDirectory() as name:
        places = [_prepare(Path(name) / str(number), tree) for number, tree in enumerate(trees)]
        for command in arguments.command or COMMANDS:
            _compare(command, places, arguments.turns)


def _prepare(place: Path, tree: Path) -> Path:
    """A folder in which the command line of a tree runs, with a run in it."""
    place.mkdir()
    (place / "pyro_bvae_cli").symlink_to(tree / "cli")
    (place / "pyro_bvae").symlink_to(tree / "pyro_bvae")
    _seconds(place, COMMANDS["fit"], 0)
    return place


def _compare(command: str, places: list[Path], turns: int) -> None:
    times: dict[tuple[int, bool], list[float]] = {key: [] for key in product(range(len(places)), (False, True))}
    for turn in range(turns):
        for busy in (False, True):
            with _loops(os.cpu_count() or 1 if busy else 0):
                for number, place in enumerate(places):
                    times[number, busy].append(_seconds(place, COMMANDS[command], turn))
    for number, tree in enumerate(("here", "there")[: len(places)]):
        idle, busy = times[number, False], times[number, True]
        ratio = median(slow / quick for slow, quick in zip(busy, idle, strict=True))
        print(
            f"{command:17} {tree:5} idle {median(idle):6.1f} s, busy {median(busy):6.1f} s, ratio {ratio:.2f}",
            flush=True,
        )
    if len(places) == 2:
        ratio = median(here / there for here, there in zip(times[0, False], times[1, False], strict=True))
        print(f"{command:17} idle, here to there: {ratio:.3f}", flush=True)


def _seconds(place: Path, command: str, turn: int) -> float:
    argv = command.format(new=f"new{turn}-{perf_counter()}").split()
    start = perf_counter()
    try:
        subprocess.run(
            [sys.executable, "-m", "pyro_bvae_cli", *argv],
            cwd=place, env={**os.environ, "PYTHONPATH": str(place)}, capture_output=True, timeout=LONGEST, check=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return float(LONGEST)
    return perf_counter() - start


@contextmanager
def _loops(count: int) -> Iterator[None]:
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True) for _ in range(count)]
    sleep(1.0 if count else 0.0)
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


if __name__ == "__main__":
    main()
