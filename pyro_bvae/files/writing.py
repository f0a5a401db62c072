"""Files that are written atomically: they are there whole or not at all.

A file is written under a name of its own, ``.partial-PROCESS-RANDOM`` with the ending of the file, and renamed when it
is on the disk. Its writer holds a lock on it, so that what a killed process left is known from what is being written.
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import Any

from .errors import PARTIAL, naming
from .folders import make_folder
from .held import check_lock
from .locks import lock

__all__ = ["as_json", "atomic_write", "remove_abandoned", "sync", "write_csv", "write_json"]


@contextmanager
def atomic_write(path: Path, durable: bool = True) -> Iterator[Path]:
    """A path beside ``path``, with its ending, to write to; it takes the place of ``path`` when all went well.

    What stood at ``path`` stays if anything goes wrong, a full disk included.

    Args:
        path: The file. Its folder is made if need be.
        durable: Whether the file is to be whole after the machine has lost its power, too, for which the disk is waited
            for. Leave it out for what can be made again and shows when it is damaged.

    Raises:
        WriteError: It cannot be written; the error names ``path``.
        LostError: It lies in a folder whose lock another process has taken over from this one.
    """
    with naming(path):
        check_lock(path)
        make_folder(path.parent)
        with _partial(path) as partial:
            yield partial
            if durable:
                sync(partial)
            check_lock(path)
            os.replace(partial, path)
        if durable:
            sync(path.parent)


@contextmanager
def _partial(path: Path) -> Iterator[Path]:
    """A new empty file beside ``path``, under a name of its own, and locked as a sign that somebody writes it."""
    while True:
        partial = path.with_name(f"{PARTIAL}{os.getpid()}-{token_hex(4)}{path.suffix}")
        descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        if os.name == "nt":  # which renames no open file, and deletes none
            os.close(descriptor)
            break
        if _locks(descriptor) and partial.exists():
            break
        os.close(descriptor)  # somebody had a look at it before it was locked, and took it for abandoned
    try:
        yield partial
    finally:
        try:
            partial.unlink(missing_ok=True)
        finally:
            if os.name != "nt":
                os.close(descriptor)


def _locks(descriptor: int) -> bool:
    """Lock an open file, unless another process has it locked; where there are no locks, go on without."""
    try:
        lock(descriptor)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def remove_abandoned(folder: Path) -> list[Path]:
    """Delete the partial files in a folder whose writers are dead, and return what they were called.

    Where the file system has no locks, nobody knows which these are, and they stay.
    """
    abandoned = [file for file in folder.glob(f"{PARTIAL}*") if _is_abandoned(file)]
    for file in abandoned:
        with suppress(OSError):  # another was faster, or this is Windows and the file is open
            file.unlink()
    return abandoned


def _is_abandoned(partial: Path) -> bool:
    try:
        descriptor = os.open(partial, os.O_RDWR)
    except OSError:
        return False
    try:
        lock(descriptor)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def sync(path: Path) -> None:
    """Wait until a file's content, or the names in a folder, are on the disk."""
    is_folder = path.is_dir()
    try:
        descriptor = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError:
        if not is_folder:  # not every system can do that for folders
            raise


def as_json(content: Any) -> str:
    r"""Content as the JSON that this package writes: indented, in UTF-8, without NaN.

    A byte of a file's name that is no letter is escaped, and read back as it was.

    Raises:
        ValueError: A number is NaN or infinite, which JSON does not have.

    >>> as_json("β\udcff") == r'"β\udcff"'
    True
    """
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    return re.sub("[\ud800-\udfff]", lambda letter: f"\\u{ord(letter[0]):04x}", text)


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file atomically.

    Raises:
        ValueError: A number is NaN or infinite, which JSON does not have.
    """
    with atomic_write(path) as partial:
        partial.write_text(as_json(content) + "\n", encoding="utf-8")


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> None:
    """Write a csv with a header atomically.

    Args:
        path: The file.
        rows: At least one.
        columns: What to write of each row, in this order; by default all that the first row has.
    """
    with (
        atomic_write(path) as partial,  # names may hold bytes that are no letters
        open(partial, "w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        writer = csv.DictWriter(file, columns or list(rows[0]), extrasaction="ignore" if columns else "raise")
        writer.writeheader()
        writer.writerows(rows)
