"""Workers in processes of this machine, seen from the process that starts them.

Each worker is a process of its own with a pipe of its own, so that one that is killed takes nobody's task with it.
"""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import wait
from types import TracebackType
from typing import Any, Self

from joblib import cpu_count

from .jobs import Job, LostWorkerError, NotAwaited
from .serving import serve
from .shares import OF_LIBRARIES

__all__ = ["Here"]


class Here:
    """Workers on this machine, each with its share of the processor's threads.

    A single one is this process itself: a process takes longer to start than a short fit.

    Args:
        jobs: How many tasks at a time.
    """

    def __init__(self, jobs: int = 1) -> None:
        if jobs < 1:
            raise ValueError(f"`jobs` is a number of tasks at a time, at least 1, got {jobs}")
        self.jobs = jobs
        self._workers: list[_Worker] = []
        self._own: list[tuple[Job, Any]] = []  # what this process has done

    @property
    def in_this_process(self) -> bool:
        """Whether the work is done in this process, one task after another."""
        return self.jobs == 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        for worker in self._workers:
            worker.connection.close()  # which it waits at
        for worker in self._workers:
            worker.process.join()
        self._workers = []

    def is_free(self) -> bool:
        """Whether a worker waits for a job, or one more may be started."""
        if self.in_this_process:
            return not self._own
        return len(self._workers) < self.jobs or any(worker.job is None for worker in self._workers)

    def start(self, job: Job, work: Callable[..., Any], *arguments: Any) -> None:
        """Let a worker begin with a job; where this process is the worker, that takes as long as the job."""
        if self.in_this_process:
            try:
                outcome = work(job.task, *arguments)
            except Exception as problem:  # reported, and the others go on
                outcome = problem
            self._own.append((job, outcome))
            return
        worker = next((worker for worker in self._workers if worker.job is None), None)
        if worker is None:
            worker = _Worker(max(1, cpu_count() // self.jobs))
            self._workers.append(worker)
        worker.job, job.worker = job, f"process {worker.process.pid}"
        worker.tell(pickle.dumps((work, job.task, arguments)))

    def ended(self, seconds: float) -> list[tuple[Job, Any]]:
        """The jobs that have ended since the last look, each with its result or exception."""
        ended, self._own = self._own, []
        busy = [worker for worker in self._workers if worker.job is not None]
        if not ended:
            wait([worker.connection for worker in busy], seconds)
        for worker in busy:
            said = worker.answer()
            if said is not None and worker.job is not None:
                outcome, worker.job.notes = said
                ended.append((worker.job, outcome))
                worker.job = None
        self._workers = [worker for worker in self._workers if worker.job is not None or worker.process.is_alive()]
        return ended

    def stop(self) -> None:
        """Let the fits that run save and end.

        Raises:
            NotAwaited: Ctrl-C came meanwhile, and they were killed.
        """
        busy = [worker for worker in self._workers if worker.job is not None]
        self._workers = [worker for worker in self._workers if worker.job is None]
        try:
            for worker in busy:
                worker.process.terminate()
            for worker in busy:
                worker.process.join()
        except KeyboardInterrupt as again:
            for worker in busy:
                worker.process.kill()
            raise NotAwaited from again


class _Worker:
    """A process, the pipe to it, and its job, if it has one."""

    def __init__(self, threads: int) -> None:
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, threads))
        with _without_ctrl_c(), _environment(threads):
            self.process.start()
        theirs.close()
        self.job: Job | None = None

    def tell(self, order: bytes) -> None:
        with suppress(OSError):  # it has died while it waited, which `answer` sees
            self.connection.send_bytes(order)

    def answer(self) -> tuple[Any, Sequence[str]] | None:
        """What became of the job, and its warnings; None where that is not known yet."""
        is_dead = not self.process.is_alive()  # asked first, since it may still have answered
        try:
            if self.connection.poll():
                return pickle.loads(self.connection.recv_bytes())
        except (EOFError, OSError):
            is_dead = True
        if not is_dead:
            return None
        self.process.join()
        return LostWorkerError(f"its process was {_death(self.process.exitcode)}"), ()


def _death(code: int | None) -> str:
    """How a process ended, by its exit code."""
    if code == -signal.SIGKILL:
        return "killed (SIGKILL, as when memory runs out)"
    if code is not None and code < 0:
        return f"killed ({signal.Signals(-code).name})"
    return "told to end (SIGTERM)" if code == 128 + signal.SIGTERM else f"ended with exit code {code}"


@contextmanager
def _environment(threads: int) -> Iterator[None]:
    """Start processes whose libraries take their share, too."""
    ours = {name: str(threads) for name in OF_LIBRARIES if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            del os.environ[name]


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Start processes that Ctrl-C does not reach before they can ignore it; here it acts at the end of the block."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
