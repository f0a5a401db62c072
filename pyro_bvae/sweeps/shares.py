"""The share of a machine's cores that one of several workers takes.

Threads that outnumber the cores wait for each other at the end of every operation, so that N workers of N threads each
take far longer than N workers of one. The number that a fit takes is at most its worker's share; what the user asks for
(`threads`), and what a run took before, go first, see `training.threads`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ..settings.names import THREADS_OF_THE_USER
from ..training.threads import own_threads

__all__ = ["OF_LIBRARIES", "own_share", "usable_cores"]

# threads of numpy's products, and processes of PyTorch's compiler, where the environment names no other number
OF_LIBRARIES = ("OPENBLAS_NUM_THREADS", "TORCHINDUCTOR_COMPILE_THREADS")


def usable_cores() -> list[int]:
    """The numbers of the cores that this process may use, as far as the system says which."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


@contextmanager
def own_share(threads: int) -> Iterator[None]:
    """Take so many threads, whatever the environment says, which is not the user's but that of who starts workers."""
    said = {name: os.environ.pop(name) for name in THREADS_OF_THE_USER if name in os.environ}
    with own_threads():
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            os.environ.update(said)
