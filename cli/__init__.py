"""The command line: ``pyro-bvae COMMAND``, one command a file, no maths."""

from __future__ import annotations

from .group import OnDemand, main

__all__ = ["main"]

LOOK, JUDGE = ("traverse", "explore", "reconstruct", "sample", "encode"), ("evaluate", "score", "compare", "report")
main.commands = OnDemand(["fit", *LOOK, *JUDGE, "export", "info", "datasets", "recipes"])
