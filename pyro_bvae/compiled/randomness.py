"""Draw from a seed without changing the caller's random numbers.

Pyro draws from torch's global generators, which belong to the caller. Those of the CPU and of the device in use are
seeded, and their states are restored at the end. Generators and Pyro's handlers are those of the whole process, so that
one thread runs programs at a time, and others wait.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from operator import index

import torch
from torch import Tensor

__all__ = ["ONE_THREAD", "generator_state", "own_generator", "seed_generators", "set_generator_state"]

ONE_THREAD = threading.RLock()  # held by the thread that runs programs


@contextmanager
def own_generator(seed: int, device: torch.device) -> Iterator[None]:
    """Seed the global generators with ``seed``, and restore their states at the end; meanwhile other threads wait."""
    with ONE_THREAD:
        before = generator_state(device)
        seed_generators(index(seed), device)
        try:
            yield
        finally:
            set_generator_state(before, device)


def seed_generators(seed: int, device: torch.device) -> None:
    """Seed the global generators of the CPU and of a device."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)


def generator_state(device: torch.device) -> dict[str, Tensor]:
    """The states of the CPU's generator and, under the device's type, of the device's own; tensors on the CPU."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    elif device.type == "mps":
        state["mps"] = torch.mps.get_rng_state()
    return state


def set_generator_state(state: dict[str, Tensor], device: torch.device) -> None:
    """Restore the states that `generator_state` returned; that of another type of device is ignored."""
    torch.set_rng_state(state["cpu"].cpu())
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"].cpu(), device)
    elif device.type == "mps" and "mps" in state:
        torch.mps.set_rng_state(state["mps"].cpu())
