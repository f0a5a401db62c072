"""Ctrl-C and SIGTERM between two steps, never in the middle of one.

SIGTERM is how a scheduler warns that time is up, some seconds before it kills. Where a fit runs in another thread than
the main one, which no signal reaches, `interrupt_fits` does the same.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Interrupted", "Interruption", "deferred_interrupt", "interrupt_fits"]


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
    """Notes Ctrl-C or SIGTERM, in place of acting on it; a second Ctrl-C acts at once.

    Outside the main thread, where Python delivers no signals, and where a signal is ignored, `interrupt_fits` alone
    does.
    """
    interruption = Interruption()
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    is_main = threading.current_thread() is threading.main_thread()
    heeded = [number for number, handler in previous.items() if is_main and handler not in (signal.SIG_IGN, None)]

    def note(number: int, frame: Any) -> None:  # noqa: ARG001
        interruption.signal = interruption.signal or number
        if number == signal.SIGINT:
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
