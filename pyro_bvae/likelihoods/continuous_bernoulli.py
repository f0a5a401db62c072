"""The continuous Bernoulli distribution, written in its logit so that it is exact at any confidence.

A density on [0, 1] that is exponential in x, with natural parameter η:

    p(x | η) = exp(ηx − A(η)),    A(η) = log ((exp η − 1)/η),    E x = A'(η) = 1/(1 − exp(−η)) − 1/η.

torch's own is parametrised by probabilities, clamps them near |η| = 16, and no longer integrates to one there.

Source: Loaiza-Ganem and Cunningham, The continuous Bernoulli, https://arxiv.org/abs/1907.06845
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from pyro.distributions import constraints
from torch import Tensor

from .grey_levels import HALF_BIN, PixelDistribution

__all__ = ["ContinuousBernoulli", "log_normalizer"]

SERIES_BELOW = 0.25  # |η| below which the formulas lose digits and a Taylor series, exact to float32, is used


class ContinuousBernoulli(PixelDistribution):
    """Density exp(ηx − A(η)) on [0, 1].

    Args:
        logits: Natural parameter η, any shape.
        validate_args: Whether values outside [0, 1] are refused; None for Pyro's setting.

    >>> ContinuousBernoulli(torch.tensor([0.0, 60.0])).mean
    tensor([0.5000, 0.9833])
    """

    arg_constraints: ClassVar = {"logits": constraints.real}
    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, logits: Tensor, validate_args: bool | None = None) -> None:
        self.logits = logits
        super().__init__(logits.shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> ContinuousBernoulli:
        """The same distribution over a larger batch."""
        new = self._get_checked_instance(ContinuousBernoulli, _instance)
        new.logits = self.logits.expand(batch_shape)
        super(ContinuousBernoulli, new).__init__(new.logits.shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density in nats."""
        if self._validate_args:
            self._validate_sample(value)
        return self.logits * value - log_normalizer(self.logits)

    def log_bin_mass(self, x: Tensor) -> Tensor:
        """Log ∫ exp(ηx − A(η)) over the bin, which from l to l + w is ηl + log w + A(ηw) − A(η)."""
        low, high = (x.double() - HALF_BIN).clamp(min=0), (x.double() + HALF_BIN).clamp(max=1)
        logits, width = self.logits.double(), high - low
        return logits * low + width.log() + log_normalizer(logits * width) - log_normalizer(logits)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008
        """Draws by the inverse of the distribution function, differentiable in the logits."""
        uniform = torch.rand(self._extended_shape(sample_shape), dtype=self.logits.dtype, device=self.logits.device)
        return self.icdf(uniform)

    def icdf(self, value: Tensor) -> Tensor:
        """The x below which a share ``value`` of the mass lies: log(1 + u (exp η − 1))/η."""
        size, safe = _split(self.logits)
        steep = torch.log(value + (1 - value) * torch.exp(-safe))  # keeps the digits of a small u
        flat = torch.log1p((1 - value) * torch.expm1(-safe))  # keeps those of a small η
        upper = 1 + torch.where(safe < 1, flat, steep) / safe  # η > 0, with exp η taken out
        lower = -torch.log1p(value * torch.expm1(-safe)) / safe
        series = value + self.logits * value * (1 - value) / 2  # the inverse of the series of `cdf`
        return torch.where(size < 1e-3, series, torch.where(self.logits < 0, lower, upper)).clamp(0, 1)

    def cdf(self, value: Tensor) -> Tensor:
        """The share of the mass below ``value``: (exp(ηx) − 1)/(exp η − 1)."""
        size, safe = _split(self.logits)
        lower = torch.expm1(-safe * value) / torch.expm1(-safe)
        upper = torch.exp(safe * (value - 1)) * lower  # both sides divided by exp η
        share = torch.where(self.logits < 0, lower, upper)
        series = value - self.logits * value * (1 - value) / 2  # to first order in η
        return torch.where(size < 1e-3, series, share).clamp(0, 1)

    @property
    def mean(self) -> Tensor:
        """A'(η) = 1/(1 − exp(−η)) − 1/η, in (0, 1)."""
        size, safe = _split(self.logits, SERIES_BELOW)
        above_half = torch.sign(self.logits) * (-1 / torch.expm1(-safe) - 1 / safe - 0.5)  # odd in η
        series = self.logits / 12 - self.logits**3 / 720 + self.logits**5 / 30240
        return 0.5 + torch.where(size < SERIES_BELOW, series, above_half)

    @property
    def variance(self) -> Tensor:
        """A''(η) = 1/η² − 1/(4 sinh²(η/2))."""
        size, safe = _split(self.logits, SERIES_BELOW)
        tail = torch.exp(-safe) / torch.expm1(-safe).square()  # 1/(4 sinh²(η/2)) without overflow
        series = 1 / 12 - size**2 / 240 + size**4 / 6048
        return torch.where(size < SERIES_BELOW, series, safe.square().reciprocal() - tail)


def _split(logits: Tensor, least: float = 1e-3) -> tuple[Tensor, Tensor]:
    """|η|, and |η| with what lies below ``least`` replaced, so that no branch of a `where` has a NaN gradient."""
    size = logits.abs()
    return size, torch.where(size < least, torch.ones_like(size), size)


def log_normalizer(logits: Tensor) -> Tensor:
    """A(η) = max(η, 0) + log((1 − exp(−|η|))/|η|)."""
    size, safe = _split(logits, SERIES_BELOW)
    exact = torch.log(-torch.expm1(-safe) / safe) + torch.relu(logits)
    square = logits.square()
    series = logits / 2 + square / 24 - square.square() / 2880 + square**3 / 181440
    return torch.where(size < SERIES_BELOW, series, exact)
