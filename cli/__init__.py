"""The command line: ``pyro-bvae COMMAND``, one command a file, no maths."""

from __future__ import annotations

from . import compare, datasets, encode, evaluate, explore, fit, info, recipes, reconstruct, sample, score, traverse
from .group import main

__all__ = ["main"]

for module in (fit, traverse, explore, reconstruct, sample, encode, evaluate, score, compare, info, datasets, recipes):
    main.add_command(module.command)
