"""Memory that is kept for the next tensor, where the C library would give it back to the system.

glibc returns the top of its heap as soon as a few megabytes are free there. Activations of one batch are that large, so
that each batch takes them anew, and the system clears every page again: ten thousand page faults in a step of a
convolutional network, which take a sixth of its time.

Source: https://man7.org/linux/man-pages/man3/mallopt.3.html
"""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress
from functools import cache

__all__ = ["keep_freed_memory"]

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # glibc's names of the two numbers
MOST_KEPT = 2**28  # bytes at the top of the heap, 256 MiB
LARGEST_KEPT = 2**25  # bytes of one tensor, the most that glibc allows; larger ones come from the system each time

VARIABLES = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")  # by which a user decides


@cache
def keep_freed_memory() -> None:
    """Let this process keep up to 256 MiB of what it frees, where the C library is glibc and no variable decides."""
    if not sys.platform.startswith("linux") or any(name in os.environ for name in VARIABLES):
        return
    with suppress(AttributeError, OSError):  # musl has no mallopt
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(MMAP_THRESHOLD, LARGEST_KEPT)
        mallopt(TRIM_THRESHOLD, MOST_KEPT)
