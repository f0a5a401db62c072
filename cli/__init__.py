"""The command line: ``pyro-bvae COMMAND``, one command a file, no maths."""

from __future__ import annotations

from . import (
    compare,
    datasets,
    encode,
    evaluate,
    explore,
    export,
    fit,
    info,
    recipes,
    reconstruct,
    report,
    sample,
    score,
    traverse,
)
from .group import main

__all__ = ["main"]

LOOK, JUDGE = (traverse, explore, reconstruct, sample, encode), (evaluate, score, compare, report)
for module in (fit, *LOOK, *JUDGE, export, info, datasets, recipes):
    main.add_command(module.command)
