"""The locks that this process holds, and whether they are still its own.

A process that was suspended, or cut off from a shared folder, may be taken for dead, and its lock be taken over. When
it wakes up it does not know that. Therefore it looks for its sign in the lock file before each write (`check_lock`).
"""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from pathlib import Path

from .errors import WriteError
from .heartbeats import Heartbeat, Sign

__all__ = ["HELD", "LOCK", "Held", "LostError", "check_lock", "content_of", "is_there", "place_of"]

LOCK = ".lock"  # the name of the lock file in a folder
MOST_BYTES = 4096  # of a lock file


class LostError(WriteError):
    """Another process has taken over a lock of this one, which must write no more."""


class Held:
    """A lock that this process holds; from here on others see that it lives.

    Args:
        path: The lock file, absolute.
        descriptor: It, open.
        sign: Of this process, which stands in it.
        what: It is a lock of, for messages.
    """

    def __init__(self, path: Path, descriptor: int, sign: Sign, what: str) -> None:
        self.path, self.descriptor, self.sign, self.what = path, descriptor, sign, what
        self.heartbeat = Heartbeat(descriptor, sign)
        self.heartbeat.start()

    def is_ours(self, content: bytes | None) -> bool:
        """Whether nobody has taken it over, by what stands in the file now."""
        if not content:  # there is no file, or its sign found no room on the disk
            return content is not None and is_there(self.descriptor, self.path)
        sign = Sign.parsed(content)
        return sign is not None and sign.token == self.sign.token

    def check(self) -> None:
        """Make sure that nobody has taken it over.

        Raises:
            LostError: Another process has.
        """
        content = content_of(self.path)
        if not self.is_ours(content):
            happened = f"was taken over by {Sign.parsed(content or b'') or 'another process'}"
            if content is None:
                happened = "has no lock any more, which was deleted, or taken over by a process that has ended"
            raise LostError(f"{self.what} {happened}: this process, which gave no sign of life, writes no more there")

    def release(self) -> None:
        """Let it go."""
        self.heartbeat.stop()
        with suppress(OSError):  # Windows deletes no open file
            if self.is_ours(content_of(self.path)):
                self.path.unlink()
        os.close(self.descriptor)


HELD: dict[Path, Held] = {}  # by their places


def check_lock(path: Path) -> None:
    """Before a file is written: make sure that the lock of it, or of a folder around it, is still ours if it ever was.

    Args:
        path: The file.

    Raises:
        LostError: Another process has taken the lock over.
    """
    if HELD:
        place = place_of(path)
        for file in (Path(f"{place}.lock"), *(folder / LOCK for folder in place.parents)):
            if (held := HELD.get(file)) is not None:
                held.check()


def _forget() -> None:
    """In a fork, which holds no lock of its parent, and must not keep one when that has ended."""
    for held in HELD.values():
        os.close(held.descriptor)
    HELD.clear()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_forget)


def content_of(path: Path) -> bytes | None:
    """What stands in a lock file; None where there is none."""
    try:
        with open(path, "rb") as file:
            return file.read(MOST_BYTES)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ESTALE):  # the second where another machine has deleted it
            raise
    return None


def is_there(descriptor: int, path: Path) -> bool:
    """Whether an open file is still the one of that name."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), path.stat())
    return False


def place_of(path: Path) -> Path:
    """Where a file lies, links of folders followed."""
    return Path(os.path.realpath(path.parent), path.name)
