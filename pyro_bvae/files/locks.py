"""One writer at a time, on this machine and on all that share the folder.

A lock is one of the operating system (flock), held on a file beside what is written, which is deleted afterwards. The
system lets go of it when its process ends, however it ends: on one machine a lock is never left over. But another
machine may not see it, and its process may be suspended, or cut off. Therefore the holder signs the file with a token,
and raises a counter in it. A lock file that is there is judged by both:

| flock | signed | |
|---|---|---|
| another's | by anyone | is held; who is patient takes it over if the counter stands still |
| free | on this machine | is a dead process's, and taken at once |
| free | on another machine | is held if the counter moves, and taken over if it stands still |
| there is none | by anyone | likewise |

To stand still is to do so for `PATIENCE`, on the monotonic clock of the one who looks. A lock is taken over by a new
file in the place of the old one. Its holder, who may wake up, sees that before it writes (`check_lock`).
"""

from __future__ import annotations

import errno
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from math import inf
from pathlib import Path
from secrets import token_hex
from time import sleep

from .errors import PARTIAL, WriteError, naming
from .heartbeats import Sign, Watch, this_machine, write_sign
from .held import HELD, MOST_BYTES, Held, content_of, is_there, place_of

__all__ = ["HeldError", "lock", "locked"]

PATIENCE = 30.0  # seconds, many times as long as between two beats
SECONDS_BETWEEN_LOOKS = 0.2
SECONDS_TO_SETTLE = 2.0  # in which a new file is signed, and two who take over a lock see which of them was the last
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}


class HeldError(OSError):
    """Another process writes here."""


if sys.platform == "win32":
    import msvcrt

    BEHIND = 2**30  # bytes that are locked cannot be read, so one behind the content is

    def lock(descriptor: int) -> None:
        """Lock an open file until it is closed; raises BlockingIOError where another has locked it."""
        try:
            os.lseek(descriptor, BEHIND, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(*error.args) from error

else:
    import fcntl

    def lock(descriptor: int) -> None:
        """Lock an open file until it is closed; raises BlockingIOError where another has locked it."""
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def locked(
    path: Path, what: str, waiting: Callable[[str], None] | None = None, patient: bool = False
) -> Iterator[None]:
    """Be the only one who holds a lock file.

    Where only its counter can show whether the holder lives, that is watched; unless one is patient, a warning says so.

    Args:
        path: The lock file, in a folder that exists.
        what: What is written, for the message.
        waiting: If another process holds the lock: called with who it is, five times a second, until the lock is free
            or the holder gives no sign of life. Without it there is no waiting for one that lives.
        patient: Whether a holder that has the system's lock is watched, too, and not refused at once: it may be
            suspended. Who waits does so anyway.

    Raises:
        HeldError: Another process holds the lock, and lives as far as one can see, and ``waiting`` is None.
        WriteError: The file cannot be made; the error names its folder.
    """
    watch, warned = Watch(), False
    while (held := _taken(path, what, watch, patient or waiting is not None)) is None:
        if waiting is not None:
            waiting(watch.holder)
        elif watch.patience == inf or watch.moved:
            raise HeldError(f"{what} is being written by {watch.holder}: wait until that has ended, or write elsewhere")
        elif watch.patience == PATIENCE and not warned and not patient:
            warned, wanted = True, f"waiting {PATIENCE:.0f} s for a sign of life"
            warnings.warn(f"{what} was being written by {watch.holder}: {wanted}", stacklevel=4)
        sleep(SECONDS_BETWEEN_LOOKS)
    HELD[held.path] = held
    try:
        yield
    finally:
        if HELD.pop(held.path, None) is held:  # which it is not in a fork
            held.release()


def _taken(path: Path, what: str, watch: Watch, patient: bool) -> Held | None:
    """The lock if it is free or its holder dead; None if it is another's, whom ``watch`` has seen then."""
    with ExitStack() as closing:
        descriptor, is_new = _opened(path)
        closing.callback(os.close, descriptor)
        locks = _locks(descriptor)
        content = os.read(descriptor, MOST_BYTES)
        watch.see(content, _patience(content, locks, patient))
        is_dead = locks is True and watch.patience < PATIENCE and watch.is_over
        if is_dead or (is_new and locks is not False):
            with suppress(OSError):
                os.ftruncate(descriptor, 0)
            write_sign(descriptor, sign := Sign.new())
            if is_there(descriptor, path):
                closing.pop_all()
                return Held(place_of(path), descriptor, sign, what)
    return _taken_over(path, what, watch) if watch.patience >= PATIENCE and watch.is_over else None


def _opened(path: Path) -> tuple[int, bool]:
    """The file, open, and whether it was not there before."""
    try:
        while True:
            with suppress(FileExistsError):
                return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666), True
            with suppress(FileNotFoundError):  # its holder has deleted it in the meantime
                return os.open(path, os.O_RDWR), False
    except OSError as error:  # it is the folder that is to be written, while nobody has asked for a lock file
        raise WriteError(error.errno, error.strerror, str(path.parent)) from error


def _locks(descriptor: int) -> bool | None:
    """Lock an open file: True if this process has it then, False if another has, None where there are no locks."""
    try:
        lock(descriptor)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        return None
    finally:
        os.lseek(descriptor, 0, os.SEEK_SET)
    return True


def _patience(content: bytes, locks: bool | None, patient: bool) -> float:
    """For how many seconds a lock file must stand still before its holder is taken for dead."""
    sign = Sign.parsed(content)
    beats = sign is not None and sign.token is not None  # one of an older version does not
    if locks is None:
        return PATIENCE
    if locks is False:
        return PATIENCE if patient and beats else inf
    if not content:  # its holder is just about to sign it, or the disk was full
        return SECONDS_TO_SETTLE
    return PATIENCE if sign is not None and beats and sign.machine != this_machine() else 0.0


def _taken_over(path: Path, what: str, watch: Watch) -> Held | None:
    """The lock of a holder who may wake up, in a new file; None if another was faster, or the holder lives."""
    sign = Sign.new()
    with ExitStack() as closing:
        descriptor = _replaced(path, sign, watch)
        if descriptor is None:
            return None
        closing.callback(os.close, descriptor)
        if _locks(descriptor) is not False:
            sleep(SECONDS_TO_SETTLE)
            if content_of(path) == sign.encoded(0):
                closing.pop_all()
                return Held(place_of(path), descriptor, sign, what)
    return None


def _replaced(path: Path, sign: Sign, watch: Watch) -> int | None:
    """A new lock file, open, in the place of the one that was watched; None if that is not the same any more."""
    partial = path.with_name(f"{PARTIAL}{os.getpid()}-{token_hex(4)}")
    try:
        with naming(path.parent), suppress(FileNotFoundError):  # others may delete and replace as well
            partial.write_bytes(sign.encoded(0))
            if content_of(path) == watch.content:
                os.replace(partial, path)
                return os.open(path, os.O_RDWR)
    finally:
        partial.unlink(missing_ok=True)
    return None
