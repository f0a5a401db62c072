"""A generator of one's own: pyro draws from torch's global generators, which belong to the caller.

Only the generators of the CPU and of the device in use are seeded, and both are put back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import torch
from torch import Tensor

__all__ = ["generator_state", "own_generator", "set_generator_state"]


@contextmanager
def own_generator(seed: int, device: torch.device) -> Iterator[None]:
    """Draw from generators seeded with ``seed``; those of the caller go on afterwards as if nothing had been drawn."""
    before = generator_state(device)
    torch.default_generator.manual_seed(seed)
    backend = _backend(device)
    if backend is not None:
        backend.manual_seed(seed)
    try:
        yield
    finally:
        set_generator_state(before, device)


def generator_state(device: torch.device) -> dict[str, Tensor | None]:
    """The states of the generators of the CPU and of a device, on the CPU; None for a device without its own."""
    backend = _backend(device)
    return {"cpu": torch.get_rng_state(), "device": None if backend is None else backend.get_rng_state()}


def set_generator_state(state: dict[str, Tensor | None], device: torch.device) -> None:
    """Put back what `generator_state` gave; a state of another kind of device is left out."""
    backend = _backend(device)
    assert state["cpu"] is not None
    torch.set_rng_state(state["cpu"].cpu())
    if backend is not None and state["device"] is not None:
        backend.set_rng_state(state["device"].cpu())


def _backend(device: torch.device) -> ModuleType | None:
    return {"cuda": torch.cuda, "mps": torch.mps}.get(device.type)
