"""Probabilities of grey levels: the common scale on which densities and masses of images compare.

A byte v stands for the bin [(v − ½)/255, (v + ½)/255] around x = v/255; the first and last bin reach to the ends of the
family's support. A distribution of this package inherits from `PixelDistribution` and gives the masses of the bins
itself; those of torch are handled here. A family without bins, such as a Bernoulli, whose values are 0 and 1, gives
None.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch
from math import log

import torch
from pyro.distributions import TorchDistribution
from torch import Tensor
from torch.distributions import Bernoulli, Distribution, Laplace, Normal

__all__ = ["HALF_BIN", "PixelDistribution", "central_interval", "log_bin_mass", "quantiles"]

HALF_BIN = 0.5 / 255  # half the width of a grey level


class PixelDistribution(TorchDistribution):
    """A distribution of single pixel values that knows the probabilities of grey levels."""

    def log_bin_mass(self, x: Tensor) -> Tensor:
        """Log probability, in nats, of the bin around each value, in double precision; see `log_bin_mass`."""
        raise NotImplementedError(f"{type(self).__name__} must say the mass of a grey level: write log_bin_mass")

    def central_interval(self, share: float) -> tuple[Tensor, Tensor]:
        """The quantiles between which the central ``share`` of the mass lies."""
        return quantiles(self, share)


@singledispatch
def log_bin_mass(p: Distribution, x: Tensor) -> Tensor | None:  # noqa: ARG001
    """Log probability, in nats, of the bin around each value.

    Args:
        p: The distribution of single values, batch shape that of ``x``.
        x: Values v/255, for whole numbers v from 0 to 255.

    Returns:
        A tensor like ``x``, in double precision; None for a family without bins.
    """
    return None


@log_bin_mass.register
def _(p: PixelDistribution, x: Tensor) -> Tensor:
    return p.log_bin_mass(x)


@log_bin_mass.register
def _(p: Normal, x: Tensor) -> Tensor:
    return _symmetric(p.loc, p.scale, x, torch.special.log_ndtr)


@log_bin_mass.register
def _(p: Laplace, x: Tensor) -> Tensor:
    return _symmetric(p.loc, p.scale, x, _log_laplace_cdf)


@singledispatch
def central_interval(p: Distribution, share: float) -> tuple[Tensor, Tensor] | None:
    """The quantiles between which the central ``share`` of the mass lies; None for a family without quantiles."""
    try:
        return quantiles(p, share)
    except NotImplementedError:
        return None


@central_interval.register
def _(p: PixelDistribution, share: float) -> tuple[Tensor, Tensor]:
    return p.central_interval(share)


@central_interval.register
def _(p: Bernoulli, share: float) -> None:  # noqa: ARG001
    return None


def quantiles(p: Distribution, share: float) -> tuple[Tensor, Tensor]:
    """The ends of the central interval by the inverse of the distribution function.

    Raises:
        NotImplementedError: The distribution has none.
    """
    low, high = (p.icdf(torch.full_like(p.mean, end)) for end in ((1 - share) / 2, (1 + share) / 2))
    return low, high


def _symmetric(loc: Tensor, scale: Tensor, x: Tensor, log_cdf: Callable[[Tensor], Tensor]) -> Tensor:
    """Log (F(b) − F(a)) of the standardised ends of the bin, taken in the tail where no digits cancel."""
    x, loc, scale = torch.broadcast_tensors(x.double(), loc.double(), scale.double())
    infinity = torch.full_like(x, torch.inf)
    a = torch.where(x <= 0, -infinity, (x - HALF_BIN - loc) / scale)
    b = torch.where(x >= 1, infinity, (x + HALF_BIN - loc) / scale)
    right = a > 0
    a, b = torch.where(right, -b, a), torch.where(right, -a, b)
    upper, lower = log_cdf(b), log_cdf(a)
    return upper + torch.log(-torch.expm1(lower - upper))


def _log_laplace_cdf(t: Tensor) -> Tensor:
    return torch.where(t < 0, t - log(2), torch.log1p(-0.5 * torch.exp(-t.clamp(min=0))))
