"""Masses on the 256 grey levels v/255 of a byte. Other values are rounded to the nearest level."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from math import prod
from typing import Any, ClassVar

import torch
from pyro.distributions import TorchDistribution, constraints
from torch import Tensor
from torch.nn.functional import logsigmoid

from .grey_levels import PixelDistribution
from .likelihood import Likelihood, parts

__all__ = ["Categorical", "DiscretizedLogistic", "Levels", "LogisticLevels"]

LEVELS = 256  # of grey
STEP = 1 / (LEVELS - 1)  # from one level to the next
LEAST_LOGISTIC_SCALE = STEP / 10  # at which a level in the middle of the logistic holds 98.7% of the mass
WARN_ABOVE_OUTPUTS = 5_000_000


class _OfLevels(PixelDistribution):
    """A mass on the levels, so that the mass of a level's bin is that of the level."""

    support = constraints.unit_interval

    def log_bin_mass(self, x: Tensor) -> Tensor:
        """The log mass of the level."""
        return self.log_prob(x).double()


class LogisticLevels(_OfLevels):
    """A logistic density summed over the bin of each level; the first and last bin reach to infinity.

    P(v) = σ((x + ½·step − loc)/scale) − σ((x − ½·step − loc)/scale), x = v/255.

    Args:
        loc: Location, any shape.
        scale: Scale of the logistic, of the same shape.
    """

    arg_constraints: ClassVar = {"loc": constraints.real, "scale": constraints.positive}

    def __init__(self, loc: Tensor, scale: Tensor, validate_args: bool | None = None) -> None:
        self.loc, self.scale = torch.broadcast_tensors(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> LogisticLevels:
        """The same distribution over a larger batch."""
        return LogisticLevels(self.loc.expand(batch_shape), self.scale.expand(batch_shape), validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log mass in nats, by σ(a) − σ(b) = σ(a) σ(−b) (1 − exp(b − a)), which loses no digits."""
        x = _nearest(value)
        above = logsigmoid((x + STEP / 2 - self.loc) / self.scale)
        below = logsigmoid((self.loc - x + STEP / 2) / self.scale)
        middle = above + below + torch.log(-torch.expm1(-STEP / self.scale))
        return torch.where(x <= 0, above, torch.where(x >= 1, below, middle))

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008
        """Draws of levels."""
        shape = self._extended_shape(sample_shape)
        uniform = torch.rand(shape, dtype=self.loc.dtype, device=self.loc.device).clamp(1e-7, 1 - 1e-7)
        return self.icdf(uniform)

    def icdf(self, value: Tensor) -> Tensor:
        """The quantile of a share ``value``, rounded to the nearest level."""
        return _nearest(self.loc + self.scale * torch.logit(value))

    @property
    def mean(self) -> Tensor:
        """E x = step · Σ_v P(V ≥ v)."""
        return STEP * self._sum_at_least(lambda level: 1)  # noqa: ARG005

    @property
    def variance(self) -> Tensor:
        """E x² − (E x)², with E x² = step² · Σ_v (2v − 1) P(V ≥ v)."""
        return STEP**2 * self._sum_at_least(lambda level: 2 * level - 1) - self.mean.square()

    def _sum_at_least(self, weight: Callable[[int], float]) -> Tensor:
        """Σ_v weight(v) P(V ≥ v), one level at a time, so that it takes the memory of one image."""
        total = torch.zeros_like(self.loc)
        for level in range(1, LEVELS):
            total += weight(level) * torch.sigmoid((self.loc - (level - 0.5) * STEP) / self.scale)
        return total


class Levels(_OfLevels):
    """A mass of its own for each of the 256 levels.

    Args:
        logits: Unnormalised log-masses, ``(..., 256)``.
    """

    arg_constraints: ClassVar = {"logits": constraints.real_vector}

    def __init__(self, logits: Tensor, validate_args: bool | None = None) -> None:
        self.logits = logits
        super().__init__(logits.shape[:-1], validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Levels:
        """The same distribution over a larger batch."""
        return Levels(self.logits.expand(*batch_shape, LEVELS), validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log mass in nats."""
        level = (_nearest(value) / STEP).round().long().unsqueeze(-1)
        log_masses = self.logits.log_softmax(-1)
        shape = torch.broadcast_shapes(level.shape[:-1], log_masses.shape[:-1])
        return log_masses.expand(*shape, LEVELS).gather(-1, level.expand(*shape, 1)).squeeze(-1)

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:  # noqa: B008
        """Draws of levels."""
        return torch.distributions.Categorical(logits=self.logits).sample(sample_shape) * STEP

    def icdf(self, value: Tensor) -> Tensor:
        """The least level v for which P(V ≤ v) reaches a share ``value``."""
        reached = self.logits.softmax(-1).cumsum(-1) >= value.unsqueeze(-1) - 1e-6
        return reached.to(torch.uint8).argmax(-1) * STEP

    @property
    def mean(self) -> Tensor:
        """Σ_v P(v) v/255."""
        return self.logits.softmax(-1) @ self._values()

    @property
    def variance(self) -> Tensor:
        """Σ_v P(v) (v/255)² − mean²."""
        return self.logits.softmax(-1) @ self._values().square() - self.mean.square()

    def _values(self) -> Tensor:
        return torch.arange(LEVELS, dtype=self.logits.dtype, device=self.logits.device) * STEP


class DiscretizedLogistic(Likelihood):
    """The mass that a logistic density has in the bin of each of 256 levels; location and log-scale a pixel.

    Source: Salimans et al., PixelCNN++, https://arxiv.org/abs/1701.05517, with one component
    """

    outputs_per_value = 2
    support = constraints.unit_interval

    def forward(self, parameters: Tensor) -> TorchDistribution:
        """Logistic levels: locations are ½ + the first half of the parameters, the second half gives the scales."""
        loc, log_scale = parts(parameters, self)
        scale = LEAST_LOGISTIC_SCALE + (log_scale - 2).clamp(max=4).exp()  # 0.14 to start with
        return LogisticLevels(0.5 + loc, scale).to_event(len(self.shape))

    def nats(self, is_binary: bool) -> str:  # noqa: ARG002
        """A mass on 256 levels."""
        return "mass of 256 levels"


class Categorical(Likelihood):
    """A mass for each of 256 levels, by 256 logits a pixel, without any order of the levels.

    Source: van den Oord et al., Pixel recurrent neural networks, https://arxiv.org/abs/1601.06759

    Args:
        shape: Shape of one datum. Above 5 million outputs an image there is a warning.
    """

    outputs_per_value = LEVELS
    support = constraints.unit_interval

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__(shape)
        outputs = LEVELS * prod(shape)
        if outputs > WARN_ABOVE_OUTPUTS:
            warnings.warn(
                f"categorical has {outputs:,} outputs an image; discretized-logistic has 2 a pixel", stacklevel=2
            )

    def forward(self, parameters: Tensor) -> TorchDistribution:
        """Levels with the parameters as logits, channel by channel."""
        dim = -len(self.shape)
        logits = parameters.unflatten(dim, (LEVELS, self.shape[0])).movedim(dim - 1, -1)  # (..., *shape, 256)
        return Levels(logits).to_event(len(self.shape))

    def nats(self, is_binary: bool) -> str:  # noqa: ARG002
        """A mass on 256 levels."""
        return "mass of 256 levels"


def _nearest(x: Tensor) -> Tensor:
    """The level nearest to each value."""
    return (x.clamp(0, 1) / STEP).round() * STEP
