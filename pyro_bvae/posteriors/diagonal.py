"""A normal of independent latents, the posterior of the β-VAE."""

from __future__ import annotations

import torch
from pyro import distributions as dist
from torch import Tensor

from .posterior import Posterior

__all__ = ["Diagonal"]


class Diagonal(Posterior):
    """q(z | x) = Π_k N(z_k; m_k, s_k²), with mean and log-variance from the encoder.

    Args:
        latent_dim: Number of latents, K.
    """

    def __init__(self, latent_dim: int) -> None:  # noqa: ARG002
        super().__init__()

    def forward(self, loc: Tensor, log_variance: Tensor, *_: Tensor) -> dist.TorchDistribution:
        """The distribution, batch shape ``(B,)`` and event shape ``(K,)``."""
        return dist.Normal(loc, torch.exp(0.5 * log_variance)).to_event(1)
