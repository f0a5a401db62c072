"""Images in arrays of any type of numbers: which number is black and which is white, and what is said of it.

Booleans are black and white. Floats in [0, 1] stay. Whole numbers from 0 to 255 are bytes, whatever their type; uint16
runs from 0 to 65535; other whole numbers from the lowest to the highest that occur; all unless ``levels`` says
otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .levels import (
    BYTES,
    FLOATS,
    ROUNDING,
    Levels,
    are_hardly_used,
    interval,
    measured_levels,
    note_on_padding,
    scaled_images,
    spread,
)
from .notes import counted

__all__ = ["GreyImages", "as_grey", "levels_of_a_run"]

LIKE_BYTES = 128  # floats that are whole numbers reach this if they are bytes, and not counts of something
LEVELS_BY_TYPE: dict[str, Levels] = {"uint16": (0, 65535)}


@dataclass(frozen=True)
class GreyImages:
    """Images as a `Dataset` has them.

    Attributes:
        array: uint8, or float32 in [0, 1]; floats that are not finite as they are.
        notes: What to say of them, a line each.
        levels: The numbers that have become 0 and 1; None where these are a byte's or a float's own.
    """

    array: np.ndarray
    notes: list[str]
    levels: Levels | None = None


def as_grey(path: Path, array: np.ndarray, levels: Levels | None) -> GreyImages:
    """The images of a data set, of any type of real numbers and any shape.

    Args:
        path: The file, for messages.
        array: The images.
        levels: The numbers that become 0 and 1; by default see above.

    Raises:
        ValueError: Their range is not known.
    """
    if array.dtype == bool:
        return GreyImages(array.astype(np.uint8) * 255, [])
    if array.size == 0 or not _are_finite(array):
        return GreyImages(array, [])  # a data set says what is wrong with it
    occur = _occur(array)
    if levels is not None:
        said = f"grey levels {interval(levels)} become 0…1; {interval(occur)} occur"
        beyond = int(((array < levels[0]) | (array > levels[1])).sum())
        clipped = f", {counted(beyond, 'pixel')} beyond are clipped" if beyond else ""
        return GreyImages(scaled_images(array, levels), [said + clipped], levels)
    natural = _natural_levels(array, occur)
    if array.dtype.kind != "f" and occur == (0, 1):
        raise ValueError(
            f"{path}: {array.dtype.name} pixels run from 0 to 255, got only 0 and 1; multiply by 255, use bool, or say "
            "`levels=(0, 1)`"
        )
    if natural is None and array.dtype.kind == "f":
        low, high = (f"{end:.7g}" for end in occur)
        raise ValueError(
            f"{path}: float pixels must lie in [0, 1], got {low} to {high}; `levels=(LOW, HIGH)` says which range "
            f"becomes 0…1, like `levels=({low}, {high})`"
        )
    if natural == FLOATS:
        return GreyImages(array.astype(np.float32), [])
    if natural == BYTES:
        return GreyImages(array.astype(np.uint8), _notes_on_bytes(array, occur), None if _are_bytes(array) else BYTES)
    ends = natural or measured_levels(*occur, floats=False)
    said = f"{array.dtype.name} grey levels {interval(ends)} become 0…1 (`levels=(LOW, HIGH)` sets it)"
    notes = [said + (spread(occur, ends) if ends != occur else "")]
    second = array.min(where=array > ends[0], initial=ends[1]).item()
    padded = note_on_padding(ends, second) if (array == ends[0]).any() else []
    return GreyImages(scaled_images(array, ends), notes + padded, ends)


def levels_of_a_run(path: Path, array: np.ndarray, options: Mapping[str, Any]) -> Levels | None:
    """The ``levels`` by which `as_grey` reads images of one's own as the data of a run: its own, or their range.

    Bytes, booleans and floats in [0, 1] have a range of their own, which levels that were asked for alone change.

    Args:
        path: The file, for messages.
        array: The images, not empty.
        options: Of the run's data, as a config has them.

    Raises:
        ValueError: Values are not finite, or their range is not known.
    """
    if not _are_finite(array):
        raise ValueError(f"{path} holds values that are not finite")
    given, known, occur = options.get("levels"), options.get("read_levels"), _occur(array)
    natural = _natural_levels(array, occur)
    if given is not None:
        return given[0], given[1]
    if array.dtype == bool or _are_bytes(array) or natural == FLOATS:
        return None
    if known is None and natural is None:
        raise ValueError(
            f"{path} holds pixels outside 0 to 1, {interval(occur)}, and the run's data had no such range: scale them "
            "as its data were"
        )
    return natural if known is None else (known[0], known[1])


def _natural_levels(array: np.ndarray, occur: Levels) -> Levels | None:
    """The range of numbers of this type that look like these; None where that is for the data to say."""
    is_float = array.dtype.kind == "f"
    if is_float and occur[0] >= -ROUNDING and occur[1] <= 1 + ROUNDING:
        return FLOATS
    is_whole = not is_float or (occur[1] >= LIKE_BYTES and np.array_equal(array, np.round(array)))
    if is_whole and occur[0] >= 0 and occur[1] <= 255:
        return BYTES
    return LEVELS_BY_TYPE.get(array.dtype.name)


def _notes_on_bytes(array: np.ndarray, occur: Levels) -> list[str]:
    said = spread(occur, BYTES)
    if not _are_bytes(array):
        return [f"{array.dtype.name} pixels, all whole numbers, are read as bytes{said}"]
    return [f"uint8 pixels, 0…255 become 0…1{said}"] if are_hardly_used(occur, BYTES) else []


def _are_finite(array: np.ndarray) -> bool:
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())


def _are_bytes(array: np.ndarray) -> bool:
    return bool(array.dtype == np.uint8)


def _occur(array: np.ndarray) -> Levels:
    return array.min().item(), array.max().item()
