"""What the parts of a rate are of, and how exact it is where it is an estimate."""

from __future__ import annotations

import torch
from torch import Tensor

from ..datasets import Rows
from ..model import BetaVAE
from ..terms import batches, evaluation_mode, of_batches, terms, traces, units_of

__all__ = ["rate_standard_error", "units"]

FEW = 7  # data at whose draws an estimate shows
ROUNDING = 1e-5  # relative, by which a rate that is exact may differ between two draws


def units(vae: BetaVAE, rows: Rows) -> list[str]:
    """What each KL of `terms.terms` is of, see `terms.units_of`."""
    with evaluation_mode(vae, seed=0):
        _, x, given = next(batches(vae, rows[:2], 2))
        return units_of(*traces(vae.model, vae.guide, x, **given))


def rate_standard_error(vae: BetaVAE, rows: Rows, *, batch_size: int, seed: int) -> float | None:
    """The standard error of the rate of a data set, by its draws, in nats a datum; None where the rate is exact.

    A second draw of each datum gives it: √(Σ (r − r')²/2)/N. What other data would give is not in it.

    Args:
        vae: The programs.
        rows: The data, N.
        batch_size: How many are evaluated at once.
        seed: Seed of the draws.
    """
    with evaluation_mode(vae, seed):
        _, x, given = next(batches(vae, rows[:FEW], FEW))
        one, other = (terms(vae, x, **given).rate for _ in range(2))
        if torch.allclose(one, other, rtol=ROUNDING, atol=ROUNDING):
            return None

    def square(_: Tensor, x: Tensor, **given: Tensor) -> float:
        one, other = (terms(vae, x, **given).rate.double() for _ in range(2))
        return (one - other).square().sum().item()

    with evaluation_mode(vae, seed):
        squares = sum(of_batches(vae, rows, batch_size, square, draws=2))
    return float((squares / 2) ** 0.5 / len(rows))
