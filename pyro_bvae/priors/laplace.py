"""A prior with a peak at zero and long tails, which asks for sparse codes and is not invariant to rotations."""

from __future__ import annotations

from math import sqrt

import torch
from pyro import distributions as dist
from torch import Tensor

from .prior import Prior

__all__ = ["Laplace"]


class Laplace(Prior):
    """p(z) = Π_k exp(−√2 |z_k|)/√2, of variance 1 as the standard normal.

    Its KL from a normal posterior is in closed form.

    Args:
        latent_dim: Number of latents, K.
    """

    loc: Tensor
    scale: Tensor

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.register_buffer("loc", torch.zeros(latent_dim), persistent=False)
        self.register_buffer("scale", torch.full((latent_dim,), sqrt(0.5)), persistent=False)

    def forward(self) -> dist.TorchDistribution:
        """The prior, event shape ``(K,)``."""
        return dist.Laplace(self.loc, self.scale).to_event(1)
