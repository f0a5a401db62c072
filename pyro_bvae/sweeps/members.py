"""Who may work in a cluster: processes of one thread, with the client's versions, that see the client's folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

from ..files import make_folder, naming
from ..files.errors import PARTIAL
from ..settings.words import one_line
from .jobs import Job

__all__ = ["Member", "mark", "misfit", "too_many"]


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


def too_many(address: str, threads: int) -> str:
    """Why a worker of several threads does not do: Pyro's parameter store and torch's generators are the process's."""
    return f"the worker {address} has {threads} threads, and runs one fit at a time: start it with --nthreads 1"


def misfit(address: str, about: Any, ours: Mapping[str, str], folder: Path | None) -> str | None:
    """Why a worker does not do; None where it does.

    Args:
        address: Of the worker.
        about: What it said of itself, or the exception that came instead.
        ours: The versions of this process.
        folder: That it must see.
    """
    if isinstance(about, ImportError | AttributeError):
        return f"the worker {address} has no pyro-bvae, or another one ({one_line(str(about))}): install this one there"
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

    Raises:
        WriteError: It cannot be written.
    """
    if folder is None:
        yield None
        return
    make_folder(folder)
    file = folder / f"{PARTIAL}seen-{token_hex(8)}"
    with naming(file):
        file.write_bytes(b"")
    try:
        yield os.fspath(file)
    finally:
        with suppress(OSError):
            file.unlink()
