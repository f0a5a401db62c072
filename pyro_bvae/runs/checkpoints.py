"""A checkpoint is one file: plain data and tensors, in the zip that `torch.save` writes."""

from __future__ import annotations

import io
import pickle
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..files import atomic_write, check_stored
from ..settings.stored import FORMAT

__all__ = ["FORMAT", "listed", "name_of", "read_checkpoint", "read_tensors", "step_of", "write_checkpoint"]

STATE: dict[str, type | tuple[type, ...]] = {
    "format": str,
    "step": int,
    "seconds": (int, float),
    "beta": (int, float),
    "model": dict,
    "optimizer": dict,
    "rng": dict,
    "interval": dict,
}
PARTS = {"optimizer": {"state", "param_groups"}, "rng": {"cpu"}, "interval": {"sums", "count", "since"}}
MOST_LISTED = 8  # steps in a message


def name_of(step: int) -> str:
    """What the numbered checkpoint of a step is called.

    >>> name_of(40), step_of(name_of(40)), step_of("step-000000040.partial.pt")
    ('step-000000040.pt', 40, None)
    """
    return f"step-{step:09d}.pt"


def step_of(name: str) -> int | None:
    """The step of a numbered checkpoint; None if a file is called otherwise."""
    match = re.fullmatch(r"step-([0-9]+)\.pt", name)
    return int(match[1]) if match else None


def listed(steps: Sequence[int]) -> str:
    """Steps with commas between them, of many the first and the last.

    >>> listed([2, 4, 6]), listed(range(0, 100, 10))
    ('[2, 4, 6]', '[0, 10, ..., 80, 90]')
    """
    shown = [*steps] if len(steps) <= MOST_LISTED else [*steps[:2], "...", *steps[-2:]]
    return f"[{', '.join(map(str, shown))}]"


def write_checkpoint(state: dict[str, Any], *paths: Path, durable: bool = True) -> None:
    """Write the same state to each path, in their order, and wait for the disk where it is to be durable.

    Raises:
        OSError: One cannot be written; what stood there stays.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    for path in paths:
        with atomic_write(path, durable) as partial:
            partial.write_bytes(buffer.getbuffer())


def read_checkpoint(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read a state. No code in the file is run, and the checksums of its records are compared.

    Args:
        path: The file.
        device: Where its tensors go.

    Raises:
        ValueError: The file is damaged or of another format.
        OSError: It cannot be read.
    """
    state = read_tensors(path, path, device)
    _check(state, path)
    return state


def read_tensors(file: Path | io.BytesIO, where: object, device: torch.device | str = "cpu") -> Any:
    """Plain data and tensors that `torch.save` wrote. No code in the file is run, and its checksums are compared.

    Args:
        file: The file, or its content.
        where: What to call it, for the message.
        device: Where its tensors go.

    Raises:
        ValueError: The file is damaged, or holds something else.
        OSError: It cannot be read.
    """
    try:
        check_stored(file)
        if isinstance(file, io.BytesIO):
            file.seek(0)
        with warnings.catch_warnings(action="ignore"):
            return torch.load(file, map_location=device, weights_only=True)
    except (OSError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # whatever the bytes of a damaged file make torch's reader raise
        if "allocate memory" in str(error):
            raise
        reason = "it cannot be read"
        if isinstance(error, pickle.UnpicklingError) and "weights_only" in str(error):
            reason = "it holds objects other than plain data"
        elif isinstance(error, ValueError):
            reason = str(error)
        raise ValueError(f"{where} is damaged or no checkpoint of this package: {reason}") from error


def _check(state: Any, path: Path) -> None:
    """Make sure that a file held the state of a fit, whole."""
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise ValueError(f"{path} is not a checkpoint of the format {FORMAT!r}")
    if not state.keys() >= STATE.keys():
        raise ValueError(f"{path} is damaged: it lacks {', '.join(sorted(STATE.keys() - state.keys()))}")
    strange = [name for name, kind in STATE.items() if not isinstance(state[name], kind)]
    if strange:
        raise ValueError(f"{path} is damaged: its {strange[0]} is a {type(state[strange[0]]).__name__}")
    lacking = [f"{name} {key}" for name, keys in PARTS.items() for key in sorted(keys - state[name].keys())]
    if lacking:
        raise ValueError(f"{path} is damaged: it lacks {', '.join(lacking)}")
    if not any(isinstance(value, Tensor) and value.is_floating_point() for value in state["model"].values()):
        raise ValueError(f"{path} is damaged: its model has no parameters")
