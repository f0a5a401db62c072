"""A dask worker, seen from within: what it says of itself, and how it works on one task.

A fit runs in a thread there, which no signal reaches. It is told to save and end when its worker closes, when SIGTERM
comes (a scheduler of jobs takes the machine back), and when nobody waits for it any more.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import platform
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import chdir, contextmanager, nullcontext
from time import monotonic
from typing import Any

from joblib import cpu_count

from ..runs.versions import version_of
from ..training.interrupts import interrupt_fits
from .jobs import LostWorkerError
from .serving import answer, let_fits_save
from .shares import OF_LIBRARIES, own_share, usable_cores

__all__ = ["introduce", "versions", "work_for_client"]

PACKAGES = ("pyro-bvae", "pyro-ppl", "torch")
PLUGIN = "pyro-bvae saves at the end"
SECONDS_TO_SAVE = 30.0  # that a worker waits for a fit when it closes; who closes it may be less patient
SECONDS_BETWEEN_LOOKS = 1.0


def versions() -> dict[str, str]:
    """What client and workers must have in common."""
    minor = ".".join(platform.python_version_tuple()[:2])
    return {**{package: version_of(package) for package in PACKAGES}, "python": minor}


async def introduce(file: str | None, dask_worker: Any = None) -> dict[str, Any]:
    """What a client wants to know of a worker, which is made ready for fits.

    Args:
        file: One that the client has written.
        dask_worker: The worker, which dask puts here.

    Returns:
        Its host, the cores that it may use, versions, and whether it sees the file.
    """
    for name in OF_LIBRARIES:
        os.environ.setdefault(name, "1")
    if PLUGIN not in dask_worker.plugins:  # of another client, whose fits a second one would interrupt
        await dask_worker.plugin_add(_saving(), name=PLUGIN)
        _heed_sigterm()
    return {
        "host": socket.gethostname(),
        "cores": usable_cores(),
        "count": cpu_count(),  # fewer, where a container has a quota
        "versions": versions(),
        "sees": file is None or os.path.exists(file),
    }


def work_for_client(order: bytes, folder: str, threads: int) -> bytes:
    """Work on one task.

    Args:
        order: What `serving.answer` takes.
        folder: The client's, to which relative paths refer, if it is there.
        threads: The worker's share.
    """
    place = chdir(folder) if os.path.isdir(folder) else nullcontext()
    try:
        with place, own_share(threads), _while_wanted():
            return answer(order)
    except KeyboardInterrupt:  # of a fit, which has saved
        return pickle.dumps((LostWorkerError("its worker was told to end"), []))


def _saving() -> Any:
    """The plugin that lets a fit save before its worker closes."""
    from distributed import WorkerPlugin

    class Saving(WorkerPlugin):
        async def teardown(self, worker: Any) -> None:  # noqa: ARG002
            deadline = monotonic() + SECONDS_TO_SAVE
            while interrupt_fits(signal.SIGTERM) and monotonic() < deadline:
                await asyncio.sleep(0.1)

    return Saving()


def _heed_sigterm() -> None:
    """Let a fit save at SIGTERM, before that does what it did."""
    if threading.current_thread() is not threading.main_thread():
        return
    before = signal.getsignal(signal.SIGTERM)
    if before is signal.SIG_IGN or before is None:
        return

    def save(number: int, frame: Any) -> None:  # noqa: ARG001
        let_fits_save(number, SECONDS_TO_SAVE)
        signal.signal(number, before)
        os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, save)


@contextmanager
def _while_wanted() -> Iterator[None]:
    """Interrupt the fits of this process when the client that wanted them is gone."""
    from distributed import get_worker

    worker, done = get_worker(), threading.Event()
    key = worker.get_current_task()

    def look() -> None:
        while not done.wait(SECONDS_BETWEEN_LOOKS):
            task = worker.state.tasks.get(key)
            if task is None or task.state != "executing":
                interrupt_fits(signal.SIGTERM)

    thread = threading.Thread(target=look, name="whether a fit is wanted", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
