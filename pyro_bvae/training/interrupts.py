"""Ctrl-C between two steps, never in the middle of one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Interrupted", "deferred_interrupt"]


class Interrupted(KeyboardInterrupt):
    """Training was interrupted after ``step`` complete steps, and saved where there is a run folder."""

    def __init__(self, step: int) -> None:
        super().__init__(f"interrupted after step {step}")
        self.step = step


@contextmanager
def deferred_interrupt() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets, in place of raising KeyboardInterrupt; a second one acts at once.

    Outside the main thread, where Python delivers no signals, and where the interrupt is ignored, nothing changes.
    """
    event = threading.Event()
    previous = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or previous in (signal.SIG_IGN, None):
        yield event
        return

    def note(signum: int, frame: Any) -> None:  # noqa: ARG001
        event.set()
        signal.signal(signal.SIGINT, previous)

    signal.signal(signal.SIGINT, note)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, previous)
