"""Who may work in a cluster: processes of one thread, with the client's versions, that see the client's folder.

Workers that join are asked who they are in a thread, since they import PyTorch first, while the others go on working.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from secrets import token_hex
from threading import Thread
from typing import Any

from ..files import make_folder, naming
from ..files.errors import PARTIAL
from ..files.locks import lock
from ..settings.words import one_line
from .jobs import Job
from .serving_clients import introduce, versions

__all__ = ["Member", "Newcomers", "mark", "misfit", "too_many"]

SECONDS_TO_ANSWER = 120.0  # for those that are there at the start


@dataclass
class Member:
    """A worker of the cluster.

    Attributes:
        address: Where dask finds it.
        host: The machine.
        cores: The numbers of those that it may use.
        count: How many of them a quota allows.
        job: What it works on.
        future: The job in dask's hands.
        leaves: Whether it was told to end, so that it gets no further job.
    """

    address: str
    host: str
    cores: frozenset[int]
    count: int
    job: Job | None = None
    future: Any = None
    leaves: bool = False


class Newcomers:
    """Workers that have joined, until they are taken or refused.

    Args:
        client: Of dask.
        folder: That they must see.
    """

    def __init__(self, client: Any, folder: Path | None) -> None:
        self._client, self._folder = client, folder
        self._refused: dict[str, str] = {}  # addresses, and why
        self._asked: set[str] = set()  # who has not answered yet
        self._answers: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._there: set[str] = set()

    def look(self, threads: Mapping[str, int], members: Collection[str]) -> list[Member]:
        """Ask those that are new; a warning names one that will not do.

        Args:
            threads: The address of each worker that is there, and how many threads it has.
            members: The addresses of those that were taken before.

        Returns:
            Those that have answered, and will do.
        """
        self._there = {*threads}
        for address in self._refused.keys() - self._there:
            del self._refused[address]
        new = self._there - {*members, *self._refused, *self._asked}
        self._refuse({address: too_many(address, threads[address]) for address in new if threads[address] != 1})
        alone = sorted(new - self._refused.keys())
        if alone:
            self._asked |= {*alone}
            Thread(target=self._ask, args=(alone,), name="who has joined the cluster", daemon=True).start()
        return self._taken(0.0)

    def first(self, threads: Mapping[str, int]) -> list[Member]:
        """Those that are there at the start; their answers are waited for.

        Args:
            threads: As for `look`.

        Raises:
            ValueError: One will not do.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            taken = [*self.look(threads, ()), *self._taken(SECONDS_TO_ANSWER)]
        if self._refused:
            raise ValueError(next(iter(self._refused.values())))
        return taken

    def _ask(self, workers: list[str]) -> None:
        try:
            with mark(self._folder) as file:
                self._answers.put(self._client.run(introduce, file, workers=workers, on_error="return"))
        except Exception as error:  # the client was closed in the meantime, or the folder is gone
            self._answers.put(dict.fromkeys(workers, error))

    def _taken(self, seconds: float) -> list[Member]:
        """Those whose answers are there, and good."""
        taken: list[Member] = []
        with suppress(Empty):
            while self._asked:
                answers = self._answers.get(timeout=seconds) if seconds else self._answers.get_nowait()
                self._asked -= answers.keys()
                for address in answers.keys() & self._there:
                    about = answers[address]
                    reason = misfit(address, about, versions(), self._folder)
                    if reason is not None:
                        self._refuse({address: reason})
                    elif not isinstance(about, OSError):  # else it has left, or will be asked again
                        taken.append(Member(address, about["host"], frozenset(about["cores"]), about["count"]))
        return taken

    def _refuse(self, reasons: Mapping[str, str]) -> None:
        for reason in reasons.values():
            warnings.warn(f"{reason}; it gets no runs", RuntimeWarning, stacklevel=3)
        self._refused |= reasons


def too_many(address: str, threads: int) -> str:
    """Why a worker of several threads does not do: Pyro's parameter store and torch's generators are the process's."""
    why = f"the worker {address} has {threads} threads, and runs one fit at a time"
    return f"{why}: start it by `dask worker ... --nthreads 1`"


def misfit(address: str, about: Any, ours: Mapping[str, str], folder: Path | None) -> str | None:
    """Why a worker does not do; None where it does.

    Args:
        address: Of the worker.
        about: What it said of itself, or the exception that came instead; an OSError means that it has left.
        ours: The versions of this process.
        folder: That it must see.
    """
    if isinstance(about, ImportError | AttributeError):
        return f"the worker {address} has no pyro-bvae, or another one ({one_line(str(about))}): install this one there"
    if isinstance(about, OSError):
        return None
    if isinstance(about, Exception):
        return f"the worker {address} does not answer ({one_line(str(about) or type(about).__name__)})"
    for package, version in ours.items():
        other = about["versions"].get(package)
        if other != version:
            return f"the worker {address} has {package} {other}, and this process {version}: install the same there"
    if not about["sees"]:
        return (
            f"the worker {address} on {about['host']} does not see {folder}: "
            "name an `out` on a disk that all machines share, under the same path"
        )
    return None


@contextmanager
def mark(folder: Path | None) -> Iterator[str | None]:
    """A small file in a folder, by which others see that it is the same; None where no folder is named.

    It is locked, as partial files are, so that a command that begins in the folder leaves it there.

    Raises:
        WriteError: It cannot be written.
    """
    if folder is None:
        yield None
        return
    make_folder(folder)
    file = folder / f"{PARTIAL}seen-{token_hex(8)}"
    with naming(file):
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with suppress(OSError):  # where there are no locks, nobody takes it away
            lock(descriptor)
        yield os.fspath(file)
    finally:
        os.close(descriptor)
        with suppress(OSError):
            file.unlink()
