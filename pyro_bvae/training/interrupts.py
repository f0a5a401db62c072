"""Ctrl-C and SIGTERM between two steps, never in the middle of one.

SIGTERM is how a scheduler warns that time is up, some seconds before it kills. Where a fit runs in another thread than
the main one, which no signal reaches, `interrupt_fits` does the same. Ranks of one fit stop after the same step.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

from .. import ranks

__all__ = ["Agreement", "Interrupted", "Interruption", "deferred_interrupt", "interrupt_fits"]

SECONDS_BETWEEN_LOOKS = 0.2  # at what has come to the other ranks


class Interrupted(KeyboardInterrupt):
    """Training was interrupted after ``step`` complete steps, and saved where there is a run folder.

    Attributes:
        step: How many steps were taken.
        signal: The number of the signal that did it, SIGINT for Ctrl-C.
    """

    def __init__(self, step: int, number: int = signal.SIGINT) -> None:
        super().__init__(f"interrupted after step {step}")
        self.step = step
        self.signal = number

    def __reduce__(self) -> tuple[type[Interrupted], tuple[int, int]]:
        """Come whole out of another process."""
        return type(self), (self.step, self.signal)


class Interruption:
    """Whether a signal has come, and which: ``signal`` is its number, or None."""

    signal: int | None = None


class Agreement:
    """The signal that all ranks of a fit heed: whichever came to any of them, after the same step.

    They ask each other before the first step, and then about five times a second.

    Args:
        interruption: That of this rank.
    """

    def __init__(self, interruption: Interruption) -> None:
        self._interruption = interruption
        self._signal = 0
        self._last: tuple[int, float] | None = None
        self._next = 0

    def signal(self, step: int) -> int | None:
        """Its number, or None, after so many steps."""
        if ranks.size() == 1:
            return self._interruption.signal
        if step >= self._next:
            now = monotonic()
            of_a_step = SECONDS_BETWEEN_LOOKS if self._last is None else (now - self._last[1]) / (step - self._last[0])
            number, of_a_step = ranks.greatest(self._interruption.signal or 0, of_a_step)
            self._signal, self._last = int(number), (step, now)
            self._next = step + max(1, int(SECONDS_BETWEEN_LOOKS / max(of_a_step, 1e-6)))
        return self._signal or None


_heeded: list[Interruption] = []  # those of the fits of this process, in any thread


def interrupt_fits(number: int) -> bool:
    """Let the fits of this process end after the step that they take, as if that signal had come.

    Returns:
        Whether there are any.
    """
    for interruption in _heeded:
        interruption.signal = interruption.signal or number
    return bool(_heeded)


@contextmanager
def deferred_interrupt() -> Iterator[Interruption]:
    """Notes Ctrl-C or SIGTERM, in place of acting on it; a second Ctrl-C acts at once, but to one of several ranks.

    To those, torchrun sends each Ctrl-C a second time.

    Outside the main thread, where Python delivers no signals, and where a signal is ignored, `interrupt_fits` alone
    does.
    """
    interruption = Interruption()
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    is_main = threading.current_thread() is threading.main_thread()
    heeded = [number for number, handler in previous.items() if is_main and handler not in (signal.SIG_IGN, None)]

    def note(number: int, frame: Any) -> None:  # noqa: ARG001
        interruption.signal = interruption.signal or number
        if number == signal.SIGINT and ranks.size() == 1:
            signal.signal(number, previous[signal.SIGINT])

    for number in heeded:
        signal.signal(number, note)
    _heeded.append(interruption)
    try:
        yield interruption
    finally:
        _heeded.remove(interruption)
        for number in heeded:
            signal.signal(number, previous[number])
