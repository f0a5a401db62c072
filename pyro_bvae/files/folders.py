"""Folders that are made, and that have one writer."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import WriteError, naming
from .held import LOCK
from .locks import locked

__all__ = ["held_folder", "make_folder"]


def make_folder(path: Path) -> None:
    """Make a folder and those around it, unless it is there.

    Raises:
        WriteError: It cannot be made, for example because a file is in the way.
    """
    try:
        with naming(path):
            path.mkdir(parents=True, exist_ok=True)
    except WriteError as error:
        if error.errno == errno.EEXIST:
            raise WriteError(errno.ENOTDIR, "it is a file, and a folder is wanted", str(path)) from error
        raise


@contextmanager
def held_folder(path: Path, patient: bool = False, waiting: Callable[[str], None] | None = None) -> Iterator[None]:
    """Be the only one who writes in a folder. It is made, and goes again if nothing was written.

    Args:
        path: The folder.
        patient: Whether it is taken over from a process that is suspended, see `locked`.
        waiting: If another process writes there: called with who it is until that has ended, see `locked`.

    Raises:
        HeldError: Another process writes there, and ``waiting`` is None.
        WriteError: The folder cannot be made or written.
    """
    with naming(path):
        made = [folder for folder in (path, *path.parents) if not folder.exists()]
    make_folder(path)
    try:
        with locked(path / LOCK, str(path), waiting, patient=patient):
            yield
    finally:
        for folder in made:
            with suppress(OSError):  # it holds something
                folder.rmdir()
