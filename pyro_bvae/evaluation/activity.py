"""Which latents are in use: those with a KL, or where none has one of its own, those whose posterior mean varies."""

from __future__ import annotations

from torch import Tensor

from ..codes import encode
from ..datasets import Rows
from ..metrics import active_units_variance
from ..model import BetaVAE
from ..terms import MeanTerms

__all__ = ["active_units"]


def active_units(vae: BetaVAE, data: Tensor | Rows, means: MeanTerms, *, batch_size: int) -> int | None:
    """How many latents are active.

    Args:
        vae: The programs.
        data: What the means are of.
        means: Its terms; where they hold a KL a latent, it is compared with 0.01 nats.
        batch_size: How many data are encoded at once.

    Returns:
        Otherwise the number of latents whose posterior mean has a variance above 0.01 over the data; None of one datum.

    Source: Burda et al., Importance weighted autoencoders, https://arxiv.org/abs/1509.00519
    """
    if means.kl_per_latent is not None or len(data) < 2:
        return means.active_units
    return int(active_units_variance(encode(vae, data, batch_size=batch_size).loc).sum())
