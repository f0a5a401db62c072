"""Read files by name from a folder, a tar or a zip. Nothing is unpacked to disk, and no more of a file than a cap."""

from __future__ import annotations

import hashlib
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import IO, TypeVar

from ..settings.words import plain
from .walking import is_hidden, note_on_hidden, walk

__all__ = ["MOST_BYTES", "Archive", "opened"]

Member = TypeVar("Member")
MOST_BYTES = 2**28  # of one file, unpacked: a quarter of a gigabyte


@dataclass(frozen=True)
class Archive:
    """A folder, tar or zip that is open for reading.

    Attributes:
        path: Where it is.
        names: Its files, sorted, as paths inside it.
        read: From a name to the bytes of the file; may be called from several threads.
        signature: A text that changes when a file is added, removed or written again.
        notes: What was left out, a line each: hidden files, links that lead nowhere.
    """

    path: Path
    names: Sequence[str]
    read: Callable[[str], bytes]
    signature: str
    notes: Sequence[str] = ()


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """Open a folder, tar or zip.

    Raises:
        FileNotFoundError: There is nothing at the path.
        ValueError: It is none of them, damaged, or has members that point outside it.
    """
    if path.is_dir():
        yield _folder(path)
    elif not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    elif zipfile.is_zipfile(path):
        with _plainly(path), zipfile.ZipFile(path) as archive:
            sizes = {info.filename: info.file_size for info in archive.infolist() if not info.is_dir()}
            yield _archive(path, sizes, lambda name: _bytes(path, archive.open, name))
    else:
        with _plainly(path), tarfile.open(path, "r:") as archive:
            members = {member.name: member for member in archive.getmembers() if member.isfile()}
            sizes = {name: member.size for name, member in members.items()}
            yield _archive(path, sizes, lambda name: _bytes(path, archive.extractfile, members[name]))


def _folder(path: Path) -> Archive:
    files, notes = walk(path)
    digest = hashlib.sha256()
    for file in files:
        facts = file.stat()
        line = f"{file} {facts.st_size} {facts.st_mtime_ns}\n"
        digest.update(line.encode(errors="surrogateescape"))  # a name may hold bytes that are no letters

    def read(name: str) -> bytes:
        _check_size(path, name, (path / name).stat().st_size)
        return (path / name).read_bytes()

    return Archive(path, [file.relative_to(path).as_posix() for file in files], read, digest.hexdigest(), notes)


def _archive(path: Path, sizes: Mapping[str, int], read: Callable[[str], bytes]) -> Archive:
    for name in sizes:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise ValueError(f"{path} has a member that points outside it, {plain(name)!r}: nothing was read")
    lock = Lock()

    def read_alone(name: str) -> bytes:
        _check_size(path, name, sizes[name])  # the size that the archive states, which reading does not exceed
        with lock:  # all threads share one file position
            return read(name)

    facts = path.stat()
    hidden = sorted(name for name in sizes if is_hidden(name))
    names = sorted(sizes.keys() - {*hidden})
    return Archive(path, names, read_alone, f"{facts.st_size} {facts.st_mtime_ns}", note_on_hidden(hidden))


def _check_size(path: Path, name: str, size: int) -> None:
    if size > MOST_BYTES:
        raise ValueError(
            f"{path}/{plain(name)} takes {size:,} bytes, and at most {MOST_BYTES:,} of one file are read: "
            "make it smaller, or take it out"
        )


def _bytes(path: Path, open_member: Callable[[Member], IO[bytes] | None], member: Member) -> bytes:
    with _plainly(path):
        file = open_member(member)
        assert file is not None
        try:
            with file:
                return file.read()
        except RuntimeError as error:  # a zip with a password, or packed in a way that Python does not know
            raise ValueError(f"a file in {path} cannot be unpacked: {plain(str(error))}") from error


@contextmanager
def _plainly(path: Path) -> Iterator[None]:
    """Turn the errors of a damaged archive into a ValueError that says so."""
    try:
        yield
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ValueError(f"{path} is damaged, cut short, or no folder, tar or zip: {error}") from error
