"""What `load` is called with, checked, and brought to the form that a config.json has."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..settings.names import FRAMES, check
from ..settings.options import OPTIONS
from .chosen_columns import listed
from .layers import checked_colour
from .levels import checked_levels

__all__ = ["absolute", "checked", "place_of"]


def checked(given: Mapping[str, Any], path: str) -> dict[str, Any]:
    """The options that are given to `load`, each as a config.json has it.

    Args:
        given: The options.
        path: Of the data, where a table of factors may lie.

    Raises:
        ValueError: One is out of range.
    """
    readers: dict[str, Callable[[Any], Any]] = {
        "crop": _box,
        "frames": lambda frames: check("frames", frames, FRAMES),
        "background": checked_colour,
        "levels": checked_levels,
        "leave_out": listed,
        "observe": listed,
        "factors": lambda factors: str(_factors(factors, path)),
    }
    for option, value in given.items():
        OPTIONS[option].check(value)
    return {option: readers.get(option, lambda value: value)(value) for option, value in given.items()}


def place_of(path: str) -> Path | None:
    """Where a data set of one's own is, if one is named.

    Args:
        path: As it is typed after the name; empty where none is.

    Raises:
        ValueError: It is something that may never end.
    """
    place = Path(path).expanduser()
    if path and place.exists() and not (place.is_file() or place.is_dir()):
        raise ValueError(f"{path} is a pipe, a socket or a device, and a data set is a file or a folder")
    return absolute(path) if path else None


def absolute(path: str | os.PathLike[str]) -> Path:
    """The path from the root of the file system, links followed, ~ filled in.

    Raises:
        OSError: A link leads to itself.
    """
    try:
        return Path(path).expanduser().resolve()
    except RuntimeError as error:  # so says Python 3.11 and 3.12
        raise OSError(f"{path} is a link that leads to itself, or ~ is nobody's folder") from error


def _factors(factors: str | os.PathLike[str], folder: str) -> Path:
    """The table of factors, which may also lie in the folder of the pictures."""
    inside = absolute(folder) / factors
    return inside if inside.is_file() and not absolute(factors).is_file() else absolute(factors)


def _box(crop: Sequence[int]) -> list[int]:
    """The crop as a list, as a config.json has it."""
    box = [int(side) for side in crop]
    if len(box) not in (1, 4) or min(box) < 0 or (len(box) == 4 and (box[0] >= box[2] or box[1] >= box[3])):
        raise ValueError(f"crop is the side of a square, or left,top,right,bottom, got {','.join(map(str, box))}")
    return box
