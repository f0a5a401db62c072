"""A comparison of twelve fits, whose workers are killed at random every few seconds.

    python tests/rough_workers.py                              all crews, some ten minutes
    python tests/rough_workers.py --crew jobs --compile --steps 1000 --every 30

The crews are two processes of this machine, a dask cluster of two workers, and one in two network namespaces, for which
one is root on Linux. Each run must end as the same fit does alone, bit for bit; one that does not is printed.
"""

from __future__ import annotations

import contextlib
import random
import sys
import tempfile
import time
from collections import Counter

import click
from rough.workers import CREWS, NotPermitted, workers


@click.command()
@click.option("--crew", "crews", type=click.Choice(list(CREWS)), multiple=True, default=list(CREWS), show_default=True)
@click.option("--steps", type=int, default=2000, show_default=True)
@click.option("--seeds", default="0,1,2", show_default=True, help="Of each of four β.")
@click.option("--every", type=float, default=4.0, show_default=True, help="Seconds between two kills.")
@click.option("--compile/--no-compile", "is_compiled", default=False, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the killer.")
def main(crews: tuple[str, ...], steps: int, seeds: str, every: float, is_compiled: bool, seed: int) -> None:
    """Try the law with each crew."""
    broken = 0
    settings = ["--steps", str(steps), "--compile" if is_compiled else "--no-compile"]
    for crew in crews:
        figures: Counter[str] = Counter()
        start, problems = time.monotonic(), 0
        with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
            try:
                for problem in workers(crew, settings, seeds, every, random.Random(seed), figures):
                    problems += 1
                    click.echo(f"  {problem}")
            except NotPermitted as reason:
                click.echo(f"{crew}: skipped, {reason}")
                continue
        counts = ", ".join(f"{key}: {number}" for key, number in figures.items())
        click.echo(f"{crew}: {problems} broke the law ({counts}; with the fits alone {time.monotonic() - start:.0f} s)")
        broken += problems
    sys.exit(broken > 0)


if __name__ == "__main__":
    main()
