"""A learned mixture of normals, for data that fall into groups."""

from __future__ import annotations

import torch
from pyro import distributions as dist
from torch import nn

from .mixed import Mixed
from .prior import Prior

__all__ = ["Mixture"]


class Mixture(Prior):
    """p(z) = Σ_c π_c N(z; m_c, diag s_c²), with weights, means and deviations learned.

    It starts with equal weights, deviations of 1, and means drawn from a standard normal.

    Source: Dilokthanakul et al., Deep unsupervised clustering with Gaussian mixture variational autoencoders,
    https://arxiv.org/abs/1611.02648, with the class summed out

    Args:
        latent_dim: Number of latents, K.
        count: Number of components.
    """

    def __init__(self, latent_dim: int, count: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(count))
        self.loc = nn.Parameter(torch.randn(count, latent_dim))
        self.log_scale = nn.Parameter(torch.zeros(count, latent_dim))

    def forward(self) -> dist.TorchDistribution:
        """The prior, event shape ``(K,)``; its log-density is a log-sum-exp over the components."""
        components = dist.Normal(self.loc, self.log_scale.exp()).to_event(1)
        return Mixed(dist.Categorical(logits=self.logits), components)
