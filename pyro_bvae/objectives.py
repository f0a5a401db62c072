"""What is asked of training beside a fixed β."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp
from typing import Any

from pyro.infer import ELBO
from torch import Tensor

__all__ = ["PerImage", "RateController"]

LEAST, MOST = 1e-6, 1e6  # of β


@dataclass(frozen=True)
class PerImage:
    """A Pyro ELBO, which sums over a batch, as a mean over its images."""

    elbo: ELBO

    def differentiable_loss(self, model: Any, guide: Any, x: Tensor) -> Tensor:
        """The loss of a batch, in nats an image."""
        return self.elbo.differentiable_loss(model, guide, x) / len(x)


@dataclass(frozen=True)
class RateController:
    """Hold the rate at a set point by moving β: after each step, log β ← log β + gain · (R/target − 1).

    R is the rate of the step's batch; its excess is cut to [−1, 1], so that β moves by at most a factor exp(gain) a
    step. All the state there is is β itself, which every checkpoint holds.

    Source: an integral controller, as in Shao et al., ControlVAE, https://arxiv.org/abs/2004.05988

    Args:
        target: The rate to hold, in nats an image.
        gain: How fast β moves.

    Raises:
        ValueError: The target is not positive.

    >>> RateController(target=20.0, gain=0.01)(beta=1.0, rate=20.0)
    1.0
    """

    target: float
    gain: float = 0.02

    def __post_init__(self) -> None:
        if not self.target > 0:
            raise ValueError(f"the rate to hold must be positive, got {self.target}")

    def __call__(self, beta: float, rate: float) -> float:
        """The next β, after a batch of that rate."""
        excess = min(max(rate / self.target - 1, -1.0), 1.0)
        return min(max(beta * exp(self.gain * excess), LEAST), MOST)

    def on_device(self, beta: Tensor, rate: Tensor) -> Tensor:
        """The same for scalars that stay on their device."""
        excess = (rate.double() / self.target - 1).clamp(-1.0, 1.0)
        return (beta.double() * (self.gain * excess).exp()).clamp(LEAST, MOST).to(beta.dtype)
