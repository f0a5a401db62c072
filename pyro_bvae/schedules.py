"""A number as a function of the step.

A schedule is any function from the number of steps taken so far, 0 before the first, to a float. It holds no state, so
that a resumed run sees the values that an uninterrupted one does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from math import cos, pi

__all__ = ["SCHEDULES", "Constant", "Cosine", "Cyclic", "LinearWarmup", "Ramp", "Schedule", "end_of", "start_of"]

Schedule = Callable[[int], float]


@dataclass(frozen=True)
class Constant:
    """The same value at every step.

    >>> Constant(4.0)(1000)
    4.0
    """

    value: float

    def __call__(self, step: int) -> float:  # noqa: ARG002
        """The value after ``step`` steps."""
        return self.value


@dataclass(frozen=True)
class Ramp(ABC):
    """A way from ``start`` before the first step to ``value`` after ``steps``, constant from there.

    Args:
        value: The value reached.
        steps: How many steps it takes; with 0 the value is there from the beginning.
        start: The value before the first step.
    """

    value: float
    steps: int
    start: float = 0.0

    def __call__(self, step: int) -> float:
        """The value after ``step`` steps."""
        return self.value if step >= self.steps else self.start + self.rise(step)

    @abstractmethod
    def rise(self, step: int) -> float:
        """How far the value is from ``start`` after ``step`` steps, fewer than ``steps``."""


@dataclass(frozen=True)
class LinearWarmup(Ramp):
    """A ramp along a straight line.

    >>> [LinearWarmup(4.0, steps=4)(step) for step in (0, 1, 4, 9)]
    [0.0, 1.0, 4.0, 4.0]
    """

    def rise(self, step: int) -> float:
        """(value − start) step/steps."""
        return (self.value - self.start) * step / self.steps


@dataclass(frozen=True)
class Cosine(Ramp):
    """A ramp along half a cosine, slow at both ends.

    Source: Loshchilov and Hutter, SGDR, https://arxiv.org/abs/1608.03983

    >>> [round(Cosine(4.0, steps=4)(step), 3) for step in (0, 1, 2, 4, 9)]
    [0.0, 0.586, 2.0, 4.0, 4.0]
    """

    def rise(self, step: int) -> float:
        """(value − start) (1 − cos(π step/steps))/2."""
        return (self.value - self.start) * (1 - cos(pi * step / self.steps)) / 2


@dataclass(frozen=True)
class Cyclic:
    """In each cycle a line from ``start`` to ``value``, and then ``value`` for the rest of the cycle.

    Source: Fu et al., Cyclical annealing schedule, https://arxiv.org/abs/1903.10145

    Args:
        value: The value reached in each cycle.
        steps: How many steps a cycle takes.
        start: The value at the start of each cycle.
        rise: The share of a cycle that the line takes, in (0, 1].

    Raises:
        ValueError: A cycle is shorter than a step, or ``rise`` out of range.

    >>> [Cyclic(4.0, steps=8)(step) for step in (0, 2, 4, 7, 8, 10)]
    [0.0, 2.0, 4.0, 4.0, 0.0, 2.0]
    """

    value: float
    steps: int
    start: float = 0.0
    rise: float = 0.5

    def __post_init__(self) -> None:
        if self.steps < 1 or not 0 < self.rise <= 1:
            raise ValueError(f"a cycle takes at least 1 step and rises in (0, 1] of it, got {self.steps}, {self.rise}")

    def __call__(self, step: int) -> float:
        """The value after ``step`` steps."""
        share = min(step % self.steps / (self.rise * self.steps), 1.0)
        return self.start + (self.value - self.start) * share


SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "constant": Constant,
    "linear": LinearWarmup,
    "cyclic": Cyclic,
    "cosine": Cosine,
}


def start_of(schedule: Schedule) -> float:
    """The value before the first step."""
    return schedule(0)


def end_of(schedule: Schedule) -> float:
    """The value that a schedule of this file goes to; of any other function that before the first step.

    >>> end_of(LinearWarmup(4.0, steps=10, start=1.0))
    4.0
    """
    return schedule.value if isinstance(schedule, Constant | Ramp | Cyclic) else schedule(0)
