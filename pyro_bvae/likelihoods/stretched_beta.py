"""The beta density, stretched so that pixels may be exactly 0 or 1.

At 0 and 1 the density of a beta is zero or infinite. So not x but y = (255x + ½)/256 has the beta distribution: the
middle of the pixel's bin if [0, 1] is cut into 256 bins. Then x has the density

    p(x) = Beta(y) · 255/256    on  [−½/255, 1 + ½/255].

Source: Smithson and Verkuilen, A better lemon squeezer? (for the shift), https://doi.org/10.1037/1082-989X.11.1.54
"""

from __future__ import annotations

from math import log
from typing import Any, ClassVar

import numpy as np
import torch
from pyro import distributions as dist
from pyro.distributions import TorchDistribution, constraints
from torch import Tensor
from torch.nn.functional import softplus

from .grey_levels import HALF_BIN, PixelDistribution
from .likelihood import Likelihood, parts

__all__ = ["Beta", "StretchedBeta"]

STRETCH = 256 / 255
SHIFT = -0.5 / 255
LEAST_EXACT_MASS = 1e-290  # of a bin: smaller ones are at the end of double precision
LEAST_CONCENTRATION, GREATEST_CONCENTRATION = 0.01, 1e4  # at the greatest it is narrower than a grey level


class StretchedBeta(PixelDistribution):
    """x = STRETCH · y + SHIFT with y ~ Beta(a, b).

    Args:
        a: First concentration, any shape.
        b: Second concentration, of the same shape.
    """

    arg_constraints: ClassVar = {"a": constraints.positive, "b": constraints.positive}
    support = constraints.interval(SHIFT, STRETCH + SHIFT)
    has_rsample = True

    def __init__(self, a: Tensor, b: Tensor, validate_args: bool | None = None) -> None:
        self.a, self.b = torch.broadcast_tensors(a, b)
        self.beta = dist.Beta(self.a, self.b, validate_args=False)
        super().__init__(self.a.shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> StretchedBeta:
        """The same distribution over a larger batch."""
        return StretchedBeta(self.a.expand(batch_shape), self.b.expand(batch_shape), validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density of x in nats."""
        return self.beta.log_prob((value - SHIFT) / STRETCH) - log(STRETCH)

    def log_bin_mass(self, x: Tensor) -> Tensor:
        """By scipy's incomplete beta function, in the tail where no digits cancel.

        Where even that is too small, it is the density at the middle times the width.
        """
        from scipy.special import betainc

        a, b, values = (tensor.double().cpu().numpy() for tensor in torch.broadcast_tensors(self.a, self.b, x))
        low, high = ((values + end - SHIFT) / STRETCH for end in (-HALF_BIN, HALF_BIN))
        low, high = np.clip(low, 0, 1), np.clip(high, 0, 1)
        right = low > a / (a + b)  # mirrored: y ~ Beta(a, b) is to say that 1 − y ~ Beta(b, a)
        a, b = np.where(right, b, a), np.where(right, a, b)
        low, high = np.where(right, 1 - high, low), np.where(right, 1 - low, high)
        mass = betainc(a, b, high) - betainc(a, b, low)
        exact = torch.from_numpy(mass).to(x.device)
        precise = StretchedBeta(self.a.double(), self.b.double(), validate_args=False)
        middle = precise.log_prob(x.double()) + log(2 * HALF_BIN)
        return torch.where(exact > LEAST_EXACT_MASS, exact.clamp(min=LEAST_EXACT_MASS).log(), middle)

    def central_interval(self, share: float) -> tuple[Tensor, Tensor]:
        """By scipy's inverse of the incomplete beta function."""
        from scipy.special import betaincinv

        a, b = self.a.double().cpu().numpy(), self.b.double().cpu().numpy()
        ends = (STRETCH * betaincinv(a, b, end) + SHIFT for end in ((1 - share) / 2, (1 + share) / 2))
        low, high = (torch.from_numpy(end).to(self.a) for end in ends)
        return low, high

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008
        """Draws of x."""
        return STRETCH * self.beta.rsample(sample_shape) + SHIFT

    @property
    def mean(self) -> Tensor:
        """STRETCH · a/(a + b) + SHIFT."""
        return STRETCH * self.beta.mean + SHIFT

    @property
    def variance(self) -> Tensor:
        """STRETCH² times that of the beta."""
        return STRETCH**2 * self.beta.variance


class Beta(Likelihood):
    """A beta density a pixel, both concentrations from the decoder through a softplus, between 0.01 and 10,000."""

    outputs_per_value = 2
    support = constraints.unit_interval

    def forward(self, parameters: Tensor) -> TorchDistribution:
        """Stretched betas; each half of the parameters gives one of the two concentrations."""
        above = (softplus(part).clamp(max=GREATEST_CONCENTRATION) for part in parts(parameters, self))
        a, b = (LEAST_CONCENTRATION + part for part in above)
        return StretchedBeta(a, b).to_event(len(self.shape))
