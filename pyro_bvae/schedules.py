"""A number as a function of the step.

A schedule is any function from the number of steps taken so far, 0 before the first, to a float. It holds no state, so
that a resumed run sees the values that an uninterrupted one does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Constant", "LinearWarmup", "Schedule"]

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
class LinearWarmup:
    """A straight line from ``start`` before the first step to ``value`` after ``steps``, constant from there.

    Args:
        value: The value reached.
        steps: How many steps the line takes; 0 is no warm-up.
        start: The value before the first step.

    >>> [LinearWarmup(4.0, steps=4)(step) for step in (0, 1, 4, 9)]
    [0.0, 1.0, 4.0, 4.0]
    """

    value: float
    steps: int
    start: float = 0.0

    def __call__(self, step: int) -> float:
        """The value after ``step`` steps."""
        if step >= self.steps:
            return self.value
        return self.start + (self.value - self.start) * step / self.steps
