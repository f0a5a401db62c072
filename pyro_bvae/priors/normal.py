"""The standard normal, the prior of the β-VAE."""

from __future__ import annotations

import torch
from pyro import distributions as dist
from torch import Tensor

from .prior import Prior

__all__ = ["StandardNormal"]


class StandardNormal(Prior):
    """p(z) = Π_k N(z_k; 0, 1).

    Args:
        latent_dim: Number of latents, K.
    """

    loc: Tensor
    scale: Tensor

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.register_buffer("loc", torch.zeros(latent_dim), persistent=False)
        self.register_buffer("scale", torch.ones(latent_dim), persistent=False)

    def forward(self) -> dist.TorchDistribution:
        """The prior, event shape ``(K,)``."""
        return dist.Normal(self.loc, self.scale).to_event(1)
