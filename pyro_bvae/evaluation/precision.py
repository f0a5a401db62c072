"""How exact estimates are: standard errors by the draws of the latents, for the data as they are.

A mean over N data, each of which has one draw, has the standard error √(σ²/N), where σ² is the variance of a datum's
value over its draws, averaged over data. A second draw of each gives 2σ² as the mean square of the difference. What
other data would give is no part of it.
"""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

import torch
from torch import Tensor

from ..datasets import Rows
from ..model import BetaVAE
from ..terms import evaluation_mode, of_batches, terms

__all__ = ["StandardErrors", "standard_errors"]

MOST_DATA = 1000  # that are drawn from twice: the deviation is known to 3% then
ROUNDING = 1e-5  # relative, by which a rate that is exact may differ between two draws


class StandardErrors(NamedTuple):
    """Of means over data, in nats a datum.

    Attributes:
        elbo: Of −(distortion + rate).
        rate: Of the rate; None where it is exact.
    """

    elbo: float
    rate: float | None


def standard_errors(vae: BetaVAE, rows: Rows, *, batch_size: int, seed: int) -> StandardErrors:
    """How exact ELBO and rate of a data set are, with one draw of each datum's latents.

    Args:
        vae: The programs.
        rows: The data, of which a thousand are drawn from, evenly spread.
        batch_size: How many are evaluated at once.
        seed: Seed of the draws.
    """
    some = rows[:: ceil(len(rows) / MOST_DATA)]

    def squares(_: Tensor, x: Tensor, **given: Tensor) -> tuple[float, float]:
        one, other = (terms(vae, x, **given) for _ in range(2))
        is_exact = torch.allclose(one.rate, other.rate, rtol=ROUNDING, atol=ROUNDING)
        by_rate = (one.rate - other.rate).double() * (not is_exact)
        by_elbo = by_rate + (one.distortion - other.distortion).double()
        return by_elbo.square().sum().item(), by_rate.square().sum().item()

    with evaluation_mode(vae, seed):
        sums = of_batches(vae, some, batch_size, squares, draws=2)
    elbo, rate = ((sum(parts) / (2 * len(some) * len(rows))) ** 0.5 for parts in zip(*sums, strict=True))
    return StandardErrors(elbo, rate or None)
