"""A worker of this machine, seen from within: it takes one task after another out of a pipe.

It ends with the process that started it, however that ended. SIGTERM tells it to stop: the fit that it is in finishes
its step, saves, and ends. Ctrl-C, which a terminal sends to all of them, is for the first process to pass on.
"""

from __future__ import annotations

import os
import pickle
import signal
import threading
import warnings
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from time import monotonic, sleep
from typing import Any

import torch

from ..settings.names import threads_are_named
from ..training.interrupts import interrupt_fits

__all__ = ["answer", "let_fits_save", "serve"]

SECONDS_TO_SAVE = 5.0  # that a fit has when the process that wanted it is gone


def serve(connection: Connection, threads: int) -> None:
    """Work until the pipe is closed.

    Args:
        connection: The worker's end of the pipe.
        threads: Its share of the processor, unless the environment names another.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # which was blocked until here
    signal.signal(signal.SIGTERM, _stop)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if not threads_are_named():
        torch.set_num_threads(threads)
    while True:
        try:
            order = connection.recv_bytes()
        except EOFError:
            return
        try:
            outcome = answer(order)
        except KeyboardInterrupt:  # SIGTERM during a fit, which has saved
            os._exit(128 + signal.SIGTERM)
        connection.send_bytes(outcome)


def answer(order: bytes) -> bytes:
    """Work on one task, in a form that another process can read.

    An exception that cannot go there is replaced by one of the nearest kind that says the same.

    Args:
        order: A function, the task, and a tuple of further arguments, pickled.

    Returns:
        The result, or the exception, and the warnings that came up, pickled.

    Raises:
        KeyboardInterrupt: A fit was interrupted, and has saved.
    """
    with warnings.catch_warnings(record=True) as caught:
        try:
            work, task, arguments = pickle.loads(order)
            outcome = work(task, *arguments)
        except Exception as error:  # reported, and the others go on
            outcome = _that_travels(error)
    return pickle.dumps((outcome, list(dict.fromkeys(str(warning.message) for warning in caught))))


def _that_travels(error: Exception) -> Exception:
    """The exception, or another that says the same, if it does not come whole out of a pickle."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # whatever a class of the user's does when it is copied
        kind = next((kind for kind in (ValueError, FloatingPointError, OSError) if isinstance(error, kind)), None)
        return RuntimeError(f"{type(error).__name__}: {error}") if kind is None else kind(str(error))
    return error


def let_fits_save(number: int, seconds: float) -> None:
    """Interrupt the fits of this process, as that signal would, and wait until they have ended, for so long at most."""
    deadline = monotonic() + seconds
    while interrupt_fits(number) and monotonic() < deadline:
        sleep(0.1)


def _stop(number: int, frame: Any) -> None:  # noqa: ARG001
    """SIGTERM where no fit defers it."""
    os._exit(128 + number)


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    let_fits_save(signal.SIGTERM, SECONDS_TO_SAVE)
    os._exit(1)
