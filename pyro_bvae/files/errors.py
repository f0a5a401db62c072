"""Errors while files are written: they name the file that was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["PARTIAL", "WriteError", "naming"]

PARTIAL = ".partial-"  # begins the name of every partial file


class WriteError(OSError):
    """A file or folder cannot be written: ``filename`` says which, and ``strerror`` why."""


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Errors of the system while ``path`` is written name that file, and not its partial one or none.

    Raises:
        WriteError: In place of another error of the system, unless that is about another file, which is read.
    """
    try:
        yield
    except WriteError:
        raise
    except OSError as error:
        if error.filename is not None and not _is_of(path, str(error.filename)):
            raise
        if error.errno is None:
            raise WriteError(f"{path} was not written: {error}") from error
        raise WriteError(error.errno, error.strerror, str(path)) from error


def _is_of(path: Path, name: str) -> bool:
    """Whether a file is the path, a partial one, or a folder around it."""
    return Path(name).name.startswith(PARTIAL) or Path(name) in (path, *path.parents)
