"""What a crew is, and what it works on.

A crew is a number of workers, in processes of this machine (`Here`) or of a cluster (`Cluster`). It is given one job at
a time for each worker that is free, and says which jobs have ended, and how.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

__all__ = ["Crew", "Job", "LostWorkerError", "NotAwaited"]


class NotAwaited(KeyboardInterrupt):
    """A second Ctrl-C, while fits that were to stop were saving: they are left alone, or were ended at once."""


class LostWorkerError(ChildProcessError):
    """The process that worked on a task is gone, and says nothing: it was killed, or its machine was."""


@dataclass(eq=False)
class Job:
    """A task in the hands of a crew.

    Attributes:
        task: What is worked on.
        lost: How many workers have died with it.
        worker: Who works on it, for people to read; empty while nobody does.
        waits_for: Why it was put off the last time, for people to read; empty where it never was.
        not_before: When it may begin, on the clock `time.monotonic`.
        stops: Whether it was asked to save and end.
        notes: Warnings that came up in another process, when it has ended.
    """

    task: Any
    lost: int = 0
    worker: str = ""
    waits_for: str = ""
    not_before: float = 0.0
    stops: bool = False
    notes: Sequence[str] = ()


class Crew(Protocol):
    """Workers; a context manager, at whose end they are let go."""

    @property
    def in_this_process(self) -> bool:
        """Whether the work is done in this process, one task after another."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def is_free(self) -> bool:
        """Whether a worker waits for a job."""

    def start(self, job: Job, work: Callable[..., Any], *arguments: Any) -> None:
        """Let a worker that is free begin with ``work(job.task, *arguments)``."""

    def ended(self, seconds: float) -> list[tuple[Job, Any]]:
        """The jobs that have ended since the last look, each with its result or exception.

        A `LostWorkerError` stands for a worker that is gone.

        Args:
            seconds: How long to wait for the first at most.
        """

    def stop(self) -> None:
        """Let the jobs that run save, end, and be forgotten.

        Raises:
            NotAwaited: Ctrl-C came meanwhile.
        """
