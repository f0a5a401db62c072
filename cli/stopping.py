"""How a command ends on Ctrl-C, and on SIGTERM, with which a scheduler warns that time is up."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["exit_code", "terminable"]


class Terminated(KeyboardInterrupt):
    """SIGTERM came: half-written files go, and other processes are told."""

    signal = signal.SIGTERM


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM raise an exception, as Ctrl-C does, unless it is ignored or somebody else handles it."""
    is_ours = threading.current_thread() is threading.main_thread()
    if not is_ours or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def stop(number: int, frame: Any) -> None:  # noqa: ARG001
        signal.signal(number, signal.SIG_IGN)  # another one does not end the tidying up
        raise Terminated

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def exit_code(stop: KeyboardInterrupt) -> int:
    """128 and the number of the signal, as shells have it: 130 for Ctrl-C, 143 for SIGTERM."""
    return 128 + int(getattr(stop, "signal", signal.SIGINT))
