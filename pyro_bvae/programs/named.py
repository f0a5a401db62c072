"""The programs that have names."""

from __future__ import annotations

from ..model import BetaVAE

__all__ = ["PROGRAMS"]

PROGRAMS: dict[str, type[BetaVAE]] = {}
