"""Probabilities of grey levels: the common scale on which densities and masses of images compare.

A byte v stands for the bin [(v − ½)/255, (v + ½)/255] around x = v/255; the first and last bin reach to the ends of the
family's support. A family without such bins (a Bernoulli, whose values are 0 and 1) gives None.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch
from math import log

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution, Laplace, Normal

from .continuous_bernoulli import ContinuousBernoulli, log_normalizer
from .discrete import Levels, LogisticLevels
from .stretched_beta import SHIFT, STRETCH, StretchedBeta

__all__ = ["central_interval", "log_bin_mass"]

HALF_BIN = 0.5 / 255  # half the width of a grey level


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
def _(p: Normal, x: Tensor) -> Tensor:
    return _symmetric(p.loc, p.scale, x, torch.special.log_ndtr)


@log_bin_mass.register
def _(p: Laplace, x: Tensor) -> Tensor:
    return _symmetric(p.loc, p.scale, x, _log_laplace_cdf)


@log_bin_mass.register
def _(p: ContinuousBernoulli, x: Tensor) -> Tensor:
    """∫ exp(ηx − A(η)) from l to l + w is exp(ηl + log w + A(ηw) − A(η))."""
    low, high = (x.double() - HALF_BIN).clamp(min=0), (x.double() + HALF_BIN).clamp(max=1)
    logits, width = p.logits.double(), high - low
    return logits * low + width.log() + log_normalizer(logits * width) - log_normalizer(logits)


@log_bin_mass.register
def _(p: StretchedBeta, x: Tensor) -> Tensor:
    """By scipy's incomplete beta function; where that cancels, the density at the middle times the width."""
    from scipy.special import betainc

    a, b, values = (tensor.double().cpu().numpy() for tensor in torch.broadcast_tensors(p.a, p.b, x))
    low, high = ((values + end - SHIFT) / STRETCH for end in (-HALF_BIN, HALF_BIN))
    mass = betainc(a, b, np.clip(high, 0, 1)) - betainc(a, b, np.clip(low, 0, 1))
    exact = torch.from_numpy(mass).to(x.device)
    middle = StretchedBeta(p.a.double(), p.b.double(), validate_args=False).log_prob(x.double()) + log(2 * HALF_BIN)
    return torch.where(exact > 1e-10, exact.clamp(min=1e-10).log(), middle)


@log_bin_mass.register(Levels)
@log_bin_mass.register(LogisticLevels)
def _(p: Levels | LogisticLevels, x: Tensor) -> Tensor:
    return p.log_prob(x).double()


@singledispatch
def central_interval(p: Distribution, share: float) -> tuple[Tensor, Tensor] | None:
    """The quantiles between which the central ``share`` of the mass lies; None for a family without quantiles."""
    try:
        return tuple(p.icdf(torch.full_like(p.mean, end)) for end in ((1 - share) / 2, (1 + share) / 2))  # type: ignore[return-value]
    except NotImplementedError:
        return None


@central_interval.register
def _(p: torch.distributions.Bernoulli, share: float) -> None:  # noqa: ARG001
    return None


@central_interval.register
def _(p: StretchedBeta, share: float) -> tuple[Tensor, Tensor]:
    from scipy.special import betaincinv

    a, b = p.a.double().cpu().numpy(), p.b.double().cpu().numpy()
    ends = (STRETCH * betaincinv(a, b, end) + SHIFT for end in ((1 - share) / 2, (1 + share) / 2))
    return tuple(torch.from_numpy(end).to(p.a) for end in ends)  # type: ignore[return-value]


def _symmetric(loc: Tensor, scale: Tensor, x: Tensor, log_cdf: Callable[[Tensor], Tensor]) -> Tensor:
    """Log (F(b) − F(a)) of the standardised ends of the bin, taken in the tail where nothing cancels."""
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
