"""Read files by name from a folder, a tar or a zip. Nothing is unpacked to disk."""

from __future__ import annotations

import hashlib
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import IO, TypeVar

__all__ = ["Archive", "opened"]

Member = TypeVar("Member")


@dataclass(frozen=True)
class Archive:
    """A folder, tar or zip that is open for reading.

    Attributes:
        path: Where it is.
        names: Its files, sorted, as paths inside it.
        read: From a name to the bytes of the file; may be called from several threads.
        signature: A text that changes when a file is added, removed or written again.
    """

    path: Path
    names: Sequence[str]
    read: Callable[[str], bytes]
    signature: str


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
            names = [info.filename for info in archive.infolist() if not info.is_dir()]
            yield _archive(path, names, lambda name: _bytes(path, archive.open, name))
    else:
        with _plainly(path), tarfile.open(path, "r:") as archive:
            members = {member.name: member for member in archive.getmembers() if member.isfile()}
            yield _archive(path, list(members), lambda name: _bytes(path, archive.extractfile, members[name]))


def _folder(path: Path) -> Archive:
    files = sorted(file for file in path.rglob("[!.]*") if file.is_file())
    digest = hashlib.sha256()
    for file in files:
        facts = file.stat()
        digest.update(f"{file} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    names = [file.relative_to(path).as_posix() for file in files]
    return Archive(path, names, lambda name: (path / name).read_bytes(), digest.hexdigest())


def _archive(path: Path, names: list[str], read: Callable[[str], bytes]) -> Archive:
    for name in names:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise ValueError(f"{path} has a member that points outside it, {name!r}: nothing was read")
    lock = Lock()

    def read_alone(name: str) -> bytes:
        with lock:  # all threads share one file position
            return read(name)

    facts = path.stat()
    hidden = {name for name in names if any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(name).parts)}
    return Archive(path, sorted({*names} - hidden), read_alone, f"{facts.st_size} {facts.st_mtime_ns}")


def _bytes(path: Path, open_member: Callable[[Member], IO[bytes] | None], member: Member) -> bytes:
    with _plainly(path):
        file = open_member(member)
        assert file is not None
        with file:
            return file.read()


@contextmanager
def _plainly(path: Path) -> Iterator[None]:
    """Turn the errors of a damaged archive into a ValueError that says so."""
    try:
        yield
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ValueError(f"{path} is damaged, cut short, or no folder, tar or zip: {error}") from error
