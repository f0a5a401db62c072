"""Workers of a dask cluster, seen from the client.

Each job is bound to one worker that is free, so that the client knows who has it: when that worker leaves the cluster,
its job is lost, and begins again elsewhere. (dask itself would do so as well, as often as the scheduler's configuration
says, and without telling.) Workers may join and leave at any time.

Source: https://distributed.dask.org/en/stable/api.html#client
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from secrets import token_hex
from time import monotonic
from types import TracebackType
from typing import Any, Self

from ..files import read_json, wanted
from ..settings.words import one_line
from ..training.interrupts import interrupt_fits
from .jobs import Job, LostWorkerError, NotAwaited
from .members import Member, Newcomers
from .serving_clients import work_for_client

__all__ = ["Cluster"]

BREAKS = (OSError, RuntimeError, ValueError)  # what dask raises as a connection breaks, or after it
LOGGERS = ("distributed", "distributed.client", "distributed.core", "distributed.utils")
SECONDS_TO_CONNECT = 15
SECONDS_TO_FETCH = 30  # a result
SECONDS_BETWEEN_LOOKS = 1.0  # at who is in the cluster


class Cluster:
    """Workers that ``dask worker ... --nthreads 1`` has started.

    Args:
        where: The scheduler: its address, like ``tcp://node7:8786``, or the json file that it writes.
        folder: One that all workers must see, because they write there.
    """

    in_this_process = False

    def __init__(self, where: str | os.PathLike[str], folder: str | os.PathLike[str] | None = None) -> None:
        self.where = os.fspath(where)
        self.folder = None if folder is None else Path(folder).absolute()
        self._members: dict[str, Member] = {}
        self._ended: list[tuple[Job, Any]] = []
        self._done: SimpleQueue[Any] = SimpleQueue()  # futures, from a thread of dask's
        self._looked = -SECONDS_BETWEEN_LOOKS

    def __enter__(self) -> Self:
        """Find the scheduler, and look at the workers that are there.

        Raises:
            OSError: No scheduler answers, or dask is not installed.
            ValueError: A worker has several threads, other versions than this process, or does not see the folder.
        """
        self._distributed = wanted("distributed", "a cluster", "cluster")
        address = _address(self.where)
        with ExitStack() as opened:
            opened.enter_context(_quiet())
            try:
                self._client = self._distributed.Client(address, timeout=SECONDS_TO_CONNECT, set_as_default=False)
            except (OSError, ValueError) as error:
                raise ConnectionError(
                    f"no scheduler answers at {address}: start `dask scheduler`, or mend it"
                ) from error
            opened.callback(self._client.close)
            self._newcomers = Newcomers(self._client, self.folder)
            self._admit(self._newcomers.first(self._client.nthreads()))
            self._opened = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    def is_free(self) -> bool:
        """Whether a worker waits for a job."""
        return any(True for _ in self._free())

    def start(self, job: Job, work: Callable[..., Any], *arguments: Any) -> None:
        """Let a worker that is free begin with a job."""
        member = next(iter(self._free()))
        order = pickle.dumps((work, job.task, arguments))
        member.job, job.worker = job, f"{member.host} {member.address}"
        member.future = self._client.submit(
            work_for_client,
            order,
            os.getcwd(),
            self._share(member),
            workers=[member.address],
            key=f"pyro-bvae-{token_hex(8)}",
            pure=False,
        )
        member.future.add_done_callback(self._done.put)

    def ended(self, seconds: float) -> list[tuple[Job, Any]]:
        """The jobs that have ended since the last look, each with its result or exception.

        Raises:
            ConnectionError: The scheduler is gone.
        """
        self._take_done(seconds)
        if monotonic() - self._looked >= SECONDS_BETWEEN_LOOKS:
            self._look()
        ended, self._ended = self._ended, []
        return ended

    def stop(self) -> None:
        """Let the fits that run save and end.

        Raises:
            NotAwaited: Ctrl-C came meanwhile; the workers save by themselves.
        """
        try:
            while busy := [member for member in self._members.values() if member.job is not None]:
                if self._client.status != "running":
                    break
                where = [member.address for member in busy]
                try:
                    self._client.run(interrupt_fits, signal.SIGTERM, workers=where, on_error="ignore")
                except BREAKS:  # the scheduler goes just now: the workers save by themselves
                    break
                self.ended(SECONDS_BETWEEN_LOOKS)
        except KeyboardInterrupt as again:
            raise NotAwaited from again
        finally:
            for member in self._members.values():
                self._forget(member)

    def _free(self) -> Iterable[Member]:
        return (member for member in self._members.values() if member.job is None and not member.leaves)

    def _share(self, member: Member) -> int:
        """The threads that a worker may take: its cores, shared with those that may use them, too."""
        others = self._members.values()
        sharing = [other for other in others if other.host == member.host and other.cores & member.cores]
        return max(1, member.count // len(sharing))

    def _take_done(self, seconds: float) -> None:
        """Note what has become of jobs, waiting for the first."""
        try:
            future = self._done.get(timeout=seconds) if seconds else self._done.get_nowait()
            while True:
                member = next((member for member in self._members.values() if member.future is future), None)
                if member is not None:
                    self._note(member, *self._answer_of(future))
                future = self._done.get_nowait()
        except Empty:
            pass

    def _answer_of(self, future: Any) -> tuple[Any, Sequence[str]]:
        """The result of a future that is done, or the exception in its place, and its warnings.

        Raises:
            ConnectionError: The connection to the scheduler is broken, at which dask cancels all futures.
        """
        if self._client.status != "running":
            raise self._gone()
        try:
            if future.status == "lost":  # dask would wait until the same worker computes it again
                raise CancelledError("before its result was fetched")
            return pickle.loads(future.result(SECONDS_TO_FETCH))
        except (self._distributed.KilledWorker, CancelledError, OSError) as error:  # it died while it answered
            return LostWorkerError(f"its worker was killed ({one_line(str(error))})"), ()
        except Exception as error:  # what dask could not do
            return error, ()

    def _note(self, member: Member, outcome: Any, notes: Sequence[str] = ()) -> None:
        assert member.job is not None
        member.job.notes = notes
        self._ended.append((member.job, outcome))
        member.leaves = isinstance(outcome, LostWorkerError)
        self._forget(member)

    def _forget(self, member: Member) -> None:
        """Take a job from a worker."""
        if member.future is not None and self._client.status == "running":
            member.future.cancel()
        member.job = member.future = None

    def _look(self) -> None:
        """See who has left the cluster, and who has joined."""
        try:
            threads = self._client.nthreads() if self._client.status == "running" else None
        except BREAKS:
            threads = None
        if threads is None:
            raise self._gone()
        for address in self._members.keys() - threads.keys():
            member = self._members.pop(address)
            if member.job is not None:
                self._note(member, LostWorkerError(f"its worker {address} is gone"))
        self._admit(self._newcomers.look(threads, self._members.keys()))
        self._looked = monotonic()

    def _admit(self, members: Iterable[Member]) -> None:
        self._members |= {member.address: member for member in members}

    def _gone(self) -> ConnectionError:
        return ConnectionError(
            f"the scheduler at {self.where} is gone, and its workers save and end: "
            "start it again, and the same command goes on"
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave dask's own lines out, which are tracebacks when a connection breaks; what they mean is said here."""
    before = {name: logging.getLogger(name).level for name in LOGGERS}
    for name in before:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def _address(where: str) -> str:
    """The address of a scheduler, from the json file that it writes, where one is named.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not one of a scheduler.
    """
    path = Path(where).expanduser()
    if path.suffix != ".json" and not path.is_file():
        return where
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there: a scheduler writes it, `dask scheduler --scheduler-file {path}`")
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("address"), str):
        raise ValueError(f"{path} names no address: name the file that `dask scheduler --scheduler-file` has written")
    return content["address"]
