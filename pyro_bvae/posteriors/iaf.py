"""The inverse autoregressive flow."""

from __future__ import annotations

import torch
from pyro import distributions as dist
from pyro.distributions.transforms import AffineAutoregressive
from torch import Tensor

from .flow import Flow, Transformed

__all__ = ["InverseAutoregressive"]


class InverseAutoregressive(Flow):
    """N transforms z'_k = a_k(z_<k, h) + exp(b_k(z_<k, h)) z_k of a draw of N(m, diag s²), with context h.

    Source: Kingma et al., Improving variational inference with inverse autoregressive flow,
    https://arxiv.org/abs/1606.04934

    Args:
        latent_dim: Number of latents, K.
        count: Number of transforms, N.
    """

    outputs = (1, 1)

    def forward(self, loc: Tensor, log_variance: Tensor, *context: Tensor) -> dist.TorchDistribution:
        """The distribution, batch shape ``(B,)`` and event shape ``(K,)``."""
        base = dist.Normal(loc, torch.exp(0.5 * log_variance)).to_event(1)
        transforms = [AffineAutoregressive(network) for network in self.conditioned(*context)]
        return Transformed(base, transforms)
