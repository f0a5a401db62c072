"""The β-VAE's objective with a controller that holds the rate at a target by moving β."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, inf
from typing import ClassVar, TypeVar

import torch
from torch import Tensor

from .regularised import NUMBER, WEIGHT, WHOLE_NUMBER, Option, Regularised, Sites

__all__ = ["Controlled", "RateController"]

LEAST_BETA, GREATEST_BETA = 1e-6, 1e6  # between which a controller moves β

Number = TypeVar("Number", float, Tensor)


@dataclass(frozen=True)
class RateController:
    """Hold the rate at a target by moving β: after each step, log β ← log β + gain · (R/target − 1).

    R is the rate of the step's batch. The relative error R/target − 1 is clipped to [−1, 1], so that β changes by at
    most a factor exp(gain) a step. The controller's only state is β itself, which every checkpoint holds.

    This is integral control of log β, a rule that multiplies. The ControlVAE's adds, and is proportional and integral:
    β = K_p/(1 + exp(e)) − K_i Σ e + β_min with e = target − R. Ours has one number to choose, and β stays positive.

    Source: the aim is that of Shao et al., ControlVAE, https://arxiv.org/abs/2004.05988; the rule is this project's

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
        if not 0 < self.target < inf:
            raise ValueError(f"the rate to hold must be positive, got {self.target}")

    def __call__(self, beta: float, rate: float) -> float:
        """The next β, after a batch of that rate."""
        return self._next(beta, rate, exp, _clamp)

    def on_device(self, beta: Tensor, rate: Tensor) -> Tensor:
        """The next β as a scalar on the device of its arguments, which may differ from `__call__` in the last digit."""
        return self._next(beta.double(), rate.double(), torch.exp, torch.clamp).to(beta.dtype)

    def _next(
        self, beta: Number, rate: Number, exp: Callable[[Number], Number], clamp: Callable[..., Number]
    ) -> Number:
        excess = clamp(rate / self.target - 1, -1.0, 1.0)
        return clamp(beta * exp(self.gain * excess), LEAST_BETA, GREATEST_BETA)


def _clamp(value: float, least: float, greatest: float) -> float:
    return min(max(value, least), greatest)


class Controlled(Regularised):
    """D + β R, where after each step a `RateController` moves β so that the rate approaches its target.

    This β is a buffer of the objective, part of its state; the programs' β is ignored. Neutral at β = 1 and gain 0.

    Source: after Shao et al., ControlVAE, https://arxiv.org/abs/2004.05988, by another rule

    Args:
        target: The rate to hold, in nats an image.
        gain: How fast β moves.
        beta: Where β starts.
        free_bits: λ of the rate in the loss, in nats a latent; see `Regularised.mean_rate`. The controller holds the
            rate without free bits.
        num_particles: Draws of z a step.

    Raises:
        ValueError: The target is not positive.
    """

    OPTIONS: ClassVar = {
        "target": Option("number", is_required=True),
        "gain": NUMBER,
        "beta": WEIGHT,
        "free_bits": NUMBER,
        "num_particles": WHOLE_NUMBER,
    }
    learns = True
    beta: Tensor

    def __init__(
        self,
        target: float,
        gain: float = 0.02,
        *,
        beta: float = 1.0,
        free_bits: float = 0.0,
        num_particles: int = 1,
    ) -> None:
        others = {"target": target, "gain": gain}
        super().__init__({"beta": beta}, free_bits=free_bits, num_particles=num_particles, **others)
        self.controller = RateController(target, gain)

    def regulariser(self, sites: Sites) -> Tensor:
        """β R."""
        return self.beta * self.mean_rate(sites)

    def update_inputs(self, sites: Sites) -> tuple[Tensor, ...]:
        """The batch's mean rate, a scalar."""
        return (sites.rate.mean(),)

    def update(self, *inputs: Tensor) -> None:
        """Move β by one step of the controller."""
        (rate,) = inputs
        self.beta.copy_(self.controller.on_device(self.beta, rate))
