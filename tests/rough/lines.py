"""Odd command lines.

Whatever is typed, a command works or ends in plain words; no traceback, no name of an exception of Python.
"""

from __future__ import annotations

import random
import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click
from pyro_bvae_cli import main as pyro_bvae

from .world import FAST, files_in, fresh, judged, run_in_time

WORDS = """
    -1 0 1 2 1e308 1e-320 nan inf -inf x 999999999999 1,2 , 0,0 ٣ é $x_$ - -- run vectors d.npz v.csv .. /dev/null
    npz:d.npz csv:v.csv folder:. npz:none.npz csv:d.npz npy:v.csv npz:/dev/zero run/config.json run/checkpoint.pt
    gaussian bernoulli beta tc:beta=6 tc:beta=x capacity: linear:5 linear:-5 rate=3 rate= image prior all mig held-out
    cpu cuda:9
""".split()  # noqa: SIM905
WORDS += ["", " ", "2 3", "a\nb", "\x1b[31m", "9" * 40, "x" * 300]


def lines(world: Path, count: int, choose: random.Random, figures: Counter[str]) -> Iterator[str]:
    """Type odd things; yields a line for each that broke a law."""
    names = sorted({*pyro_bvae.commands} - {"recipes", "explore"})  # the last serves until it is stopped
    for number in range(count):
        command = names[number % len(names)]
        options = [option for option in pyro_bvae.commands[command].params if isinstance(option, click.Option)]
        argv = [command]
        if command == "fit":
            argv += ["--dataset", "npz:d.npz", *FAST, "--steps", "2", "--no-figures", "--out", "new"]
        elif command == "compare":
            argv += ["--dataset", "npz:d.npz", *FAST, "--steps", "2", "--no-figures", "--out", "both"]
        elif command != "datasets":
            argv += [choose.choice(["run", "run", "vectors", choose.choice(WORDS)])]
        for option in choose.sample(options, min(choose.choice([1, 1, 2, 3]), len(options))):
            argv.append(choose.choice([*option.opts, *option.secondary_opts]))
            if not option.is_flag:
                values = option.nargs if choose.random() < 0.95 else choose.randint(0, 3)
                argv += choose.choices(WORDS, k=max(values, 0))
        with fresh(world):
            before = files_in(Path("run"))
            status, output = run_in_time(argv)
            figures[f"exit {status}"] += 1
            damaged = status != 0 and command != "fit" and files_in(Path("run")) != before
            yield from judged(shlex.join(argv), status, output, "changed the run and failed" if damaged else "")
