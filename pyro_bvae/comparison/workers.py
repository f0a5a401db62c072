"""Processes that fit and measure beside each other.

A worker ends with the process that started it, however that ended. SIGTERM tells it to stop: it finishes the step that
it takes, saves, and ends. Ctrl-C, which a terminal sends to all of them, is for the first process to pass on.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context, parent_process
from typing import Any, TypeVar

import torch

__all__ = ["run_in_workers"]

Task = TypeVar("Task")
Result = TypeVar("Result")


def run_in_workers(
    work: Callable[..., Result], tasks: Sequence[Task], jobs: int, *arguments: Any
) -> Iterator[tuple[Task, Result | Exception]]:
    """Work on several tasks at a time, each with its share of the processor's threads.

    Args:
        work: A function of a task and the arguments, that other processes can import.
        tasks: What to work on.
        jobs: How many at a time.
        arguments: For all tasks, plain data.

    Yields:
        Each task when it is done, with its result, or the error that ended it. Who takes no more stops the others.
    """
    others = {*active_children()}
    threads = max(1, (os.cpu_count() or 1) // jobs)
    with ProcessPoolExecutor(jobs, get_context("spawn"), _start, (threads,)) as pool:
        futures: dict[Future[Result], Task] = {pool.submit(_work, work, task, *arguments): task for task in tasks}
        try:
            for future in as_completed(futures):
                yield futures[future], _result_of(future)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in {*active_children()} - others:
                worker.terminate()
            raise


def _result_of(future: Future[Any]) -> Any:
    """The result, or the error in its place."""
    try:
        return future.result()
    except BrokenProcessPool:
        return ChildProcessError("its process, or that of another run, was killed; the same command goes on")
    except Exception as error:  # reported, and the others go on
        return error


def _start(threads: int) -> None:
    """Make this process a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)


def _work(work: Callable[..., Result], task: Any, *arguments: Any) -> Result:
    try:
        return work(task, *arguments)
    except KeyboardInterrupt:  # SIGTERM during a fit, which has saved
        os._exit(128 + signal.SIGTERM)  # or else the pool would give this process its next task


def _stop(number: int, frame: Any) -> None:  # noqa: ARG001
    """SIGTERM where no fit defers it."""
    os._exit(128 + number)


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
