"""The planar flow, which has no inverse in closed form."""

from __future__ import annotations

from typing import NoReturn

import torch
from pyro import distributions as dist
from pyro.distributions.transforms.planar import ConditionedPlanar
from torch import Tensor

from .posterior import Posterior

__all__ = ["Planar"]


class Planar(Posterior):
    """N transforms z' = z + û tanh(w·z + b) of a draw of N(m, diag s²), with b, u and w of each from the encoder.

    û is u moved along w so that w·û > −1, and the transform can be inverted. The inverse is not known in closed form:
    there is a density at the posterior's own draws alone.

    Source: Rezende and Mohamed, Variational inference with normalizing flows, https://arxiv.org/abs/1505.05770

    Args:
        latent_dim: Number of latents, K.
        count: Number of transforms, N.
    """

    has_density = False

    def __init__(self, latent_dim: int, count: int) -> None:
        super().__init__()
        self.parts = [1, latent_dim, latent_dim]
        self.context = count * sum(self.parts)

    def forward(self, loc: Tensor, log_variance: Tensor, *context: Tensor) -> dist.TorchDistribution:
        """The distribution, batch shape ``(B,)`` and event shape ``(K,)``."""
        (parameters,) = context
        base = dist.Normal(loc, torch.exp(0.5 * log_variance)).to_event(1)
        transforms = [_Planar(each.split(self.parts, dim=-1)) for each in parameters.split(sum(self.parts), dim=-1)]
        return dist.TransformedDistribution(base, transforms)


class _Planar(ConditionedPlanar):
    """Pyro's, with a message that says what to do."""

    def _inverse(self, y: Tensor) -> NoReturn:  # noqa: ARG002
        raise ValueError(
            "a planar flow has a density at its own draws alone, and one is wanted elsewhere: take iaf or spline"
        )
