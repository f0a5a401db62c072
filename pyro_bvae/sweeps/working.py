"""Many tasks for the workers of a crew: one after another to whoever is free, and again where a worker was lost."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Iterable, Sequence
from time import monotonic
from typing import Any, TypeVar

from ..files import HeldError, LostError
from .jobs import Crew, Job, LostWorkerError

__all__ = ["MOST_LOST", "work_through"]

MOST_LOST = 3  # workers that may die with a task before it is tried no more, beside the first
SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_UNTIL_FREE = 2.0  # after which a task is tried again whose folder another process was writing

Task = TypeVar("Task")
Result = TypeVar("Result")


def work_through(
    work: Callable[..., Result],
    tasks: Iterable[Task],
    crew: Crew,
    *arguments: Any,
    looking: Callable[[Sequence[Job]], None] | None = None,
) -> Generator[tuple[Task, Result | Exception], None, None]:
    """Work on many tasks, as many at a time as there are workers.

    The next task is asked for when a worker is free, and all results that are there have been taken. A task whose
    worker is lost is begun again by another, up to three times, so ``work`` must go on from what a dead one has left.
    One whose folder is held by another process, or was taken over by it, is put off until that has ended.

    Args:
        work: A function of a task and the arguments, which other processes can import.
        tasks: What to work on.
        crew: Who works.
        arguments: For all tasks, plain data.
        looking: Called about twice a second with the jobs that are in hand, and once more with those that are stopped.

    Yields:
        Each task when it is done, with its result, or the error that ended it. Who takes no more stops the others.
    """
    queue = _Queue(tasks)
    running: list[Job] = []
    try:
        while running or not queue.is_empty:
            job = queue.next() if not (ended := crew.ended(0)) and crew.is_free() else None
            if job is not None:
                running.append(job)
                crew.start(job, work, *arguments)
            elif not ended and (running or not queue.is_empty):
                ended = crew.ended(SECONDS_BETWEEN_LOOKS)
            if looking is not None:
                looking([*running, *queue.put_off_jobs])
            for job, outcome in ended:
                running.remove(job)
                if looking is None:
                    _warn(job)
                if _is_to_go_on(job, outcome):
                    queue.put_off(job)
                else:
                    yield job.task, _last_word(outcome)
    except (KeyboardInterrupt, GeneratorExit):
        for job in running:
            job.stops = True
        if looking is not None and running:
            looking(running)
        raise
    finally:
        crew.stop()


class _Queue:
    """The jobs that wait: those that were begun before, and then the tasks, which are asked for one at a time."""

    def __init__(self, tasks: Iterable[Any]) -> None:
        self._tasks, self._is_exhausted = iter(tasks), False
        self.put_off_jobs: list[Job] = []

    @property
    def is_empty(self) -> bool:
        return self._is_exhausted and not self.put_off_jobs

    def next(self) -> Job | None:
        """The next that may begin; None where there is none, or none yet."""
        now = monotonic()
        job = next((job for job in self.put_off_jobs if job.not_before <= now), None)
        if job is not None:
            self.put_off_jobs.remove(job)
            return job
        if not self._is_exhausted:
            for task in self._tasks:
                return Job(task)
            self._is_exhausted = True
        return None

    def put_off(self, job: Job) -> None:
        job.worker = ""
        self.put_off_jobs.append(job)


def _is_to_go_on(job: Job, outcome: Any) -> bool:
    """Whether a job is to be begun again, which is noted in it."""
    if isinstance(outcome, LostWorkerError):
        job.lost += 1
        job.waits_for = str(outcome)
        return job.lost <= MOST_LOST
    if isinstance(outcome, HeldError | LostError):  # the other goes on with it
        job.waits_for, job.not_before = str(outcome), monotonic() + SECONDS_UNTIL_FREE
        return True
    return False


def _warn(job: Job) -> None:
    for note in job.notes:
        warnings.warn(note, RuntimeWarning, stacklevel=3)


def _last_word(outcome: Any) -> Any:
    """What is said of a job in the end."""
    if isinstance(outcome, LostWorkerError):
        return ChildProcessError(f"{outcome}, and so were those of {MOST_LOST} more tries; the same command goes on")
    return outcome
