"""Kills, mutated configs and odd command lines: what a rough world does to a run, tried many times.

    python tests/rough_world.py                                   all of it, some ten minutes
    python tests/rough_world.py --kills 20 --configs 0 --lines 0

Three laws are tried, each in a file of ``rough/``, and whatever breaks one is printed with what repeats it.
"""

from __future__ import annotations

import contextlib
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from rough.configs import configs
from rough.kills import kills
from rough.lines import lines
from rough.world import make_world


@click.command()
@click.option("--kills", "kill_count", type=int, default=104, show_default=True)
@click.option("--configs", "config_count", type=int, default=200, show_default=True)
@click.option("--lines", "line_count", type=int, default=1000, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
def main(kill_count: int, config_count: int, line_count: int, seed: int) -> None:
    """Try the three laws."""
    trials: list[tuple[str, Callable[..., Iterator[str]], int]] = [
        ("kills", kills, kill_count),
        ("mutated configs", configs, config_count),
        ("odd command lines", lines, line_count),
    ]
    broken = 0
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        world = Path(name) / "world"
        world.mkdir()
        with contextlib.chdir(world):
            make_world(world)
        for what, trial, count in trials:
            figures: Counter[str] = Counter()
            problems = 0
            for problem in trial(world, count, random.Random(seed), figures):
                problems += 1
                click.echo(f"  {problem}")
            ends = ", ".join(f"{key}: {number}" for key, number in sorted(figures.items()))
            click.echo(f"{count} {what}: {problems} broke a law ({ends})")
            broken += problems
    sys.exit(broken > 0)


if __name__ == "__main__":
    main()
