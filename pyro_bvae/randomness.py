"""A generator of one's own: pyro draws from torch's global generators, which belong to the caller.

Only the generators of the CPU and of the device in use are seeded, and both are put back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

__all__ = ["generator_state", "own_generator", "set_generator_state"]


@contextmanager
def own_generator(seed: int, device: torch.device) -> Iterator[None]:
    """Draw from generators seeded with ``seed``; those of the caller go on afterwards as if nothing had been drawn."""
    before = generator_state(device)
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)
    try:
        yield
    finally:
        set_generator_state(before, device)


def generator_state(device: torch.device) -> dict[str, Tensor]:
    """The states of the generators of the CPU and, under its type, of a device that has its own; on the CPU."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    elif device.type == "mps":
        state["mps"] = torch.mps.get_rng_state()
    return state


def set_generator_state(state: dict[str, Tensor], device: torch.device) -> None:
    """Put back what `generator_state` gave; a state of another type of device is left out."""
    torch.set_rng_state(state["cpu"].cpu())
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"].cpu(), device)
    elif device.type == "mps" and "mps" in state:
        torch.mps.set_rng_state(state["mps"].cpu())
