"""One writer at a time, by locks of the operating system.

The system lets go of a lock when the process that holds it ends, however it ends. So a lock is never left over, and no
clock is asked. It is held on a file beside what is written, which names its holder and is deleted afterwards; a killed
process leaves that file, which then locks nothing.
"""

from __future__ import annotations

import errno
import json
import os
import shlex
import socket
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import sleep

from .errors import WriteError

__all__ = ["HeldError", "lock", "locked"]

SECONDS_BETWEEN_LOOKS = 0.2
MOST_CHARACTERS = 100  # of a holder's command line
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}


class HeldError(OSError):
    """Another process writes here."""


if sys.platform == "win32":
    import msvcrt

    def lock(descriptor: int) -> None:
        """Lock an open file until it is closed; raises BlockingIOError where another has locked it."""
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(*error.args) from error

else:
    import fcntl

    def lock(descriptor: int) -> None:
        """Lock an open file until it is closed; raises BlockingIOError where another has locked it."""
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def locked(path: Path, what: str, waiting: Callable[[str], None] | None = None) -> Iterator[None]:
    """Be the only one who holds a lock file.

    Where the file system has no locks, a warning says so, and the work goes on without.

    Args:
        path: The lock file, in a folder that exists.
        what: What is written, for the message.
        waiting: If another process holds the lock: called with who it is, five times a second until the lock is free.
            Without it there is no waiting.

    Raises:
        HeldError: Another process holds the lock, and ``waiting`` is None.
        WriteError: The file cannot be made; the error names its folder.
    """
    while (descriptor := _taken(path)) is None:
        holder = _holder_of(path)
        if waiting is None:
            raise HeldError(f"{what} is being written by {holder}: wait until that has ended, or write elsewhere")
        waiting(holder)
        sleep(SECONDS_BETWEEN_LOOKS)
    try:
        yield
    finally:
        with suppress(OSError):  # Windows deletes no open file
            path.unlink()
        os.close(descriptor)


def _taken(path: Path) -> int | None:
    """The descriptor of the file, locked; None if another process has locked it."""
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:  # it is the folder that is to be written, while nobody has asked for a lock file
            raise WriteError(error.errno, error.strerror, str(path.parent)) from error
        try:
            _lock_if_possible(descriptor, path)
        except BaseException as error:
            os.close(descriptor)
            if isinstance(error, BlockingIOError):
                return None
            raise
        if _is_there(descriptor, path):
            _sign(descriptor)
            return descriptor
        os.close(descriptor)  # its last holder has deleted it in the meantime: it locks nothing


def _sign(descriptor: int) -> None:
    """Write into the lock file who holds it."""
    with suppress(OSError):  # on a full disk the lock holds as well
        us = {"process": os.getpid(), "host": socket.gethostname(), "command": _command()}
        os.ftruncate(descriptor, 0)
        os.write(descriptor, json.dumps(us).encode())


def _lock_if_possible(descriptor: int, path: Path) -> None:
    try:
        lock(descriptor)
    except BlockingIOError:
        raise
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        reason = f"the file system of {path.parent} has no locks ({error.strerror})"
        warnings.warn(f"{reason}: see to it that nobody else writes there", stacklevel=4)


def _is_there(descriptor: int, path: Path) -> bool:
    """Whether an open file is still the one of that name."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), path.stat())
    return False


def _command() -> str:
    program, *arguments = sys.argv or ["python"]
    text = shlex.join([Path(program).name or "python", *arguments])
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 3]}..."


def _holder_of(path: Path) -> str:
    """Who holds the lock, as far as that can be read."""
    try:
        them = json.loads(path.read_text(encoding="utf-8"))
        where = "" if them["host"] == socket.gethostname() else f" on {them['host']}"
        return f"process {them['process']}{where} ({them['command']})"
    except (OSError, ValueError, TypeError, KeyError):
        return "another process"
