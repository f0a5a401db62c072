"""A normal whose variance is the mean squared error of the values whose density is asked for."""

from __future__ import annotations

from collections.abc import Callable
from math import log, pi
from typing import Any, ClassVar

import torch
from pyro.distributions import TorchDistribution, constraints
from torch import Tensor

from .. import ranks

__all__ = ["OptimalNormal"]


class OptimalNormal(TorchDistribution):
    """−log p(x) = (x − m)²/2s² + log s + ½ log 2π with s² the mean of (x − m)² over all of x.

    This is a profile likelihood and no density, so it is used in training only. Where several ranks share a batch, s²
    is that of all of it. It needs no derivative there, since −log p has its least value in s².

    Args:
        loc: Mean m, any shape.
        scale: Standard deviation of draws, for which there is no x.
        least_variance: Lower bound of s².
        note: Called with s² whenever a log-probability is taken with gradients, which is once a training step.
    """

    arg_constraints: ClassVar = {"loc": constraints.real}
    support = constraints.real
    has_rsample = True

    def __init__(self, loc: Tensor, scale: Tensor, least_variance: float, note: Callable[[Tensor], None]) -> None:
        self.loc, self.scale, self.least_variance, self.note = loc, scale, least_variance, note
        super().__init__(loc.shape, validate_args=False)

    def expand(self, batch_shape: Any, _instance: Any = None) -> OptimalNormal:
        """The same distribution over a larger batch."""
        return OptimalNormal(self.loc.expand(batch_shape), self.scale, self.least_variance, self.note)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density in nats, with the variance that maximises that of all values together."""
        squares = (value - self.loc).square()
        variance = ranks.mean(squares).clamp(min=self.least_variance)
        if torch.is_grad_enabled():
            self.note(variance.detach())
        return -0.5 * (squares / variance + variance.log() + log(2 * pi))

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008
        """Draws around the mean."""
        shape = self._extended_shape(sample_shape)
        return self.loc + self.scale * torch.randn(shape, dtype=self.loc.dtype, device=self.loc.device)

    @property
    def mean(self) -> Tensor:
        """The mean m."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """The variance of draws."""
        return self.scale.square().expand_as(self.loc)
