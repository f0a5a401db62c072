"""What the parts of a rate are of."""

from __future__ import annotations

from ..datasets import Rows
from ..model import BetaVAE
from ..terms import batches, evaluation_mode, traces, units_of

__all__ = ["units"]


def units(vae: BetaVAE, rows: Rows) -> list[str]:
    """What each KL of `terms.terms` is of, see `terms.units_of`."""
    with evaluation_mode(vae, seed=0):
        _, x, given = next(batches(vae, rows[:2], 2))
        return units_of(*traces(vae.model, vae.guide, x, **given))
