"""Data sets as codes: the mean and standard deviation of q(z | x) for each datum."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .model import BetaVAE
from .terms import at_rest, batches

__all__ = ["Codes", "encode"]


@dataclass(frozen=True)
class Codes:
    """Posterior means ``loc`` and standard deviations ``scale``, each ``(N, K)``, on the CPU."""

    loc: Tensor
    scale: Tensor


def encode(vae: BetaVAE, data: Tensor, *, batch_size: int = 1000) -> Codes:
    """The codes of a data set.

    Args:
        vae: The programs; its device is used.
        data: Images or vectors ``(N, *shape)``, uint8 or float, on any device.
        batch_size: How many are encoded at once.
    """
    loc, scale = [], []
    with at_rest(vae, seed=0):
        for _, x in batches(vae, data, batch_size):
            q = vae.encode(x)
            loc.append(q.mean.cpu())
            scale.append(q.stddev.cpu())
    return Codes(torch.cat(loc), torch.cat(scale))
