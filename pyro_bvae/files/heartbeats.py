"""Who holds a lock, and whether they live.

Clocks of two machines differ, so a sign of life is no time. The holder of a lock raises a counter in its lock file
every two seconds, and who wants the lock times on a monotonic clock of its own how long that stands still.
"""

from __future__ import annotations

import json
import os
import shlex
import socket
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from secrets import token_hex
from threading import Event, Thread
from time import monotonic

__all__ = ["Heartbeat", "Sign", "Watch", "this_machine", "write_sign"]

SECONDS_BETWEEN_BEATS = 2.0
MOST_CHARACTERS = 100  # of a holder's command line
DIGITS = 20  # room for the counter
BOOT = Path("/proc/sys/kernel/random/boot_id")


@cache
def this_machine() -> str:
    """A name that no other machine has: processes under one name share the locks of the operating system."""
    with suppress(OSError):
        return BOOT.read_text(encoding="ascii").strip()  # containers of one machine have the same
    from uuid import getnode  # of the network card, or else drawn: then each process has a name of its own

    return f"{socket.gethostname()} {getnode():x}"


@dataclass(frozen=True)
class Sign:
    """What the holder of a lock writes into its file, besides the counter.

    Attributes:
        process: Its number.
        host: The name of its machine, for people.
        command: Its command line.
        machine: Its machine, see `this_machine`; older versions wrote none.
        token: Drawn anew whenever a lock is taken; older versions wrote none, and no counter.
    """

    process: int
    host: str
    command: str
    machine: str | None = None
    token: str | None = None

    @classmethod
    def new(cls) -> Sign:
        """One of this process."""
        return cls(os.getpid(), socket.gethostname(), _command(), this_machine(), token_hex(16))

    @classmethod
    def parsed(cls, content: bytes) -> Sign | None:
        """The sign in a lock file; None where there is none, for example because the disk was full."""
        try:
            them = json.loads(content)
            return cls(them["process"], them["host"], them["command"], them.get("machine"), them.get("token"))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None

    def encoded(self, beat: int) -> bytes:
        """The content of a lock file, of the same length for every state of the counter."""
        first, now = (json.dumps({**asdict(self), "beat": number}) for number in (0, beat))
        return now.ljust(len(first) + DIGITS).encode()

    def __str__(self) -> str:
        where = "" if self.host == socket.gethostname() else f" on {self.host}"
        return f"process {self.process}{where} ({self.command})"


def _command() -> str:
    program, *arguments = sys.argv or ["python"]
    text = shlex.join([Path(program).name or "python", *arguments])
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 3]}..."


def write_sign(descriptor: int, sign: Sign, beat: int = 0) -> None:
    """Write a sign into an open lock file, as far as that is possible: on a full disk a lock holds as well."""
    with suppress(OSError):
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, sign.encoded(beat))
        os.close(os.dup(descriptor))  # at which a network file system shows others what was written


class Heartbeat(Thread):
    """Raises the counter of a lock file until it is stopped, or its process ends or is suspended.

    Args:
        descriptor: Of the lock file, which nobody closes before this is stopped.
        sign: Of its holder.
    """

    def __init__(self, descriptor: int, sign: Sign) -> None:
        super().__init__(name="heartbeat of a lock", daemon=True)
        self.descriptor, self.sign = descriptor, sign
        self.stopped = Event()

    def run(self) -> None:
        """Raise it every two seconds, in place, which takes no room on the disk."""
        beat = 0
        while not self.stopped.wait(SECONDS_BETWEEN_BEATS):
            beat += 1
            write_sign(self.descriptor, self.sign, beat)

    def stop(self) -> None:
        """End the thread."""
        self.stopped.set()
        self.join()


@dataclass
class Watch:
    """What was seen of a lock file that another process may hold.

    Attributes:
        content: As it was seen last; None before the first look.
        since: When that was seen first, seconds on the monotonic clock of this machine.
        patience: For how many seconds it must stand still before its holder is taken for dead.
        moved: Whether it has changed, which nobody but a living process does.
    """

    content: bytes | None = None
    since: float = field(default_factory=monotonic)
    patience: float = 0.0
    moved: bool = False

    def see(self, content: bytes, patience: float) -> None:
        """Remember what is in the file now."""
        if content != self.content:
            self.moved = self.content is not None
            self.content, self.since = content, monotonic()
        self.patience = patience

    @property
    def is_over(self) -> bool:
        """Whether the holder is taken for dead."""
        return monotonic() - self.since >= self.patience

    @property
    def holder(self) -> str:
        """Who that is, as far as it can be read."""
        return str(Sign.parsed(self.content or b"") or "another process")
