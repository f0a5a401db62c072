"""Which processes take a fit together: those of the process group of `torch.distributed`.

`torchrun` starts them, and tells each its number in the environment.

Source: https://docs.pytorch.org/docs/stable/elastic/run.html
"""

from __future__ import annotations

import atexit
import os
from datetime import timedelta

import torch
import torch.distributed as dist

__all__ = ["is_first", "is_launched", "join", "local_rank", "local_size", "rank", "size"]

VARIABLES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
LONGEST_WAIT = timedelta(hours=2)  # for what one rank does while the others wait: preparing data, drawing figures


def rank() -> int:
    """The number of this process, from 0; 0 where there is no process group."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def size() -> int:
    """How many processes there are; 1 where there is no process group."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def is_first() -> bool:
    """Whether this process is the one that writes, prints and decides."""
    return rank() == 0


def local_rank() -> int:
    """The number of this process on its machine, from 0."""
    return int(os.environ.get("LOCAL_RANK", "0")) if size() > 1 else 0


def local_size() -> int:
    """How many of the processes are on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if size() > 1 else 1


def is_launched() -> bool:
    """Whether `torchrun`, or what sets the same variables, has started this process as one of several."""
    return all(name in os.environ for name in VARIABLES) and int(os.environ["WORLD_SIZE"]) > 1


def join() -> None:
    """Be one of the processes that `torchrun` has started, from now on until the process ends.

    Where there is a process group already it is taken as it is, and where there are no other processes nothing happens.
    Tensors of the CPU go by gloo, those of a GPU by nccl. A process that ends closes its connections, so that the
    others know at once, and wait for the timeout only where a machine is cut off.
    """
    if not is_launched() or dist.is_initialized():
        return
    has_gpus = torch.cuda.is_available() and dist.is_nccl_available()
    dist.init_process_group("cpu:gloo,cuda:nccl" if has_gpus else "gloo", timeout=LONGEST_WAIT)
    atexit.register(_leave)


def _leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()
