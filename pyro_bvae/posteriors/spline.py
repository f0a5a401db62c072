"""The neural spline flow: autoregressive monotonic splines of rational quadratics."""

from __future__ import annotations

from typing import ClassVar

import torch
from pyro import distributions as dist
from pyro.distributions import constraints
from torch import Tensor
from torch.distributions import AffineTransform, Transform
from torch.nn.functional import softplus

from .flow import Conditioned, Flow, Transformed
from .rational_quadratic import rational_quadratic

__all__ = ["AutoregressiveSpline", "Spline"]

BINS = 8
BOUND = 4.0  # in deviations of the base: outside, a transform is the identity
OF_SLOPE_ONE = 0.5413  # log(e − 1), whose softplus is 1


class Spline(Flow):
    """z = m + s · f_N(… f_1(ε)) for ε from N(0, 1), with splines f_n,k whose knots depend on the latents before k.

    They depend on the encoder's context too. A spline is monotonic, has 8 bins on [−4, 4], and is the identity outside.
    It can make one mode into several, which an affine transform of each latent cannot.

    Source: Durkan et al., Neural spline flows, https://arxiv.org/abs/1906.04032

    Args:
        latent_dim: Number of latents, K.
        count: Number of transforms, N.
    """

    outputs = (BINS, BINS, BINS - 1)

    def forward(self, loc: Tensor, log_variance: Tensor, *context: Tensor) -> dist.TorchDistribution:
        """The distribution, batch shape ``(B,)`` and event shape ``(K,)``."""
        scale = torch.exp(0.5 * log_variance)
        base = dist.Normal(torch.zeros_like(loc), torch.ones_like(scale)).to_event(1)
        splines = [AutoregressiveSpline(network) for network in self.conditioned(*context)]
        return Transformed(base, [*splines, AffineTransform(loc, scale, event_dim=1, cache_size=1)])


class AutoregressiveSpline(Transform):
    """A spline of each latent, whose knots depend on the latents before it.

    Pyro has one of the same form. This one is made of operations that a graph can hold: nothing is read back to Python.

    Args:
        network: Gives widths, heights and slopes of the bins at latents ``(..., K)``, before they are normalised.
    """

    domain = constraints.real_vector
    codomain = constraints.real_vector
    bijective = True
    sign: ClassVar[int] = +1

    def __init__(self, network: Conditioned) -> None:
        super().__init__(cache_size=1)
        self.network = network

    def _call(self, x: Tensor) -> Tensor:
        y, self._log_slope = rational_quadratic(x, *self._knots(x), bound=BOUND)
        return y

    def _inverse(self, y: Tensor) -> Tensor:
        x = torch.zeros_like(y)
        for _ in range(y.shape[-1]):  # each pass makes one more latent right
            x, log_slope = rational_quadratic(y, *self._knots(x), bound=BOUND, inverse=True)
        self._log_slope = -log_slope
        return x

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Σ_k log ∂y_k/∂x_k, ``(...)``, of latents ``(..., K)``."""
        known_x, known_y = self._cached_x_y
        if x is not known_x or y is not known_y:
            self(x)
        return self._log_slope.sum(-1)

    def _knots(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        widths, heights, slopes = (group.transpose(-1, -2) for group in self.network(x))  # (..., K, group)
        return widths.softmax(-1), heights.softmax(-1), softplus(slopes + OF_SLOPE_ONE)
