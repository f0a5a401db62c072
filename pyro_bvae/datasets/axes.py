"""Which axis of an array is which: images are N×C×H×W or N×H×W; what looks like another order is said or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np

__all__ = ["check_axes", "note_on_axes"]

MOST_CHANNELS = 4
LEAST_SIDE = 16  # of what may be one picture


def check_axes(path: Path, array: np.ndarray) -> None:
    """Refuse what is neither images nor vectors.

    Raises:
        ValueError: Records, no real numbers, another number of axes, channels that do not come second, one picture.
    """
    shape = array.shape
    if array.dtype.names is not None:
        raise ValueError(
            f"{path} holds records with the fields {', '.join(array.dtype.names)}; save one array of numbers, like "
            "np.stack([array[name] for name in array.dtype.names], axis=1)"
        )
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{path}: images must be uint8 or float, or other real numbers, got {array.dtype}")
    if array.ndim not in (2, 3, 4) or 0 in shape[1:]:
        raise ValueError(f"{path}: data must be N×C×H×W images or N×D vectors, got shape {shape}")
    order, transpose = _other_order(shape)
    if order:
        raise ValueError(
            f"{path}: images must be N×C×H×W, got {shape}, which looks like {order}; convert with "
            f".transpose({transpose})"
        )
    if array.ndim == 3 and shape[2] in (3, 4) and min(shape[:2]) >= LEAST_SIDE:
        raise ValueError(
            f"{path}: one picture of {shape} is no data set; save many, N×C×H×W (or, if these are "
            f"{shape[0]} images of {shape[1]}×{shape[2]}, add an axis: array[:, None])"
        )


def _other_order(shape: tuple[int, ...]) -> tuple[str, str]:
    """Where channels do not come second: what the axes seem to be, and what brings them in order; else empty texts."""
    if len(shape) != 4 or shape[1] <= MOST_CHANNELS:
        return "", ""
    if shape[3] <= MOST_CHANNELS:
        return "N×H×W×C", "0, 3, 1, 2"
    if shape[0] == shape[1] and shape[2] in (1, 3, 4):
        return "H×W×C×N", "3, 2, 0, 1"
    return ("N×H×C×W", "0, 2, 1, 3") if shape[2] in (3, 4) else ("", "")


def note_on_axes(array: np.ndarray) -> list[str]:
    """What to say of an array whose axes may be meant otherwise than they are read, N×D, N×H×W or N×C×H×W."""
    shape = array.shape
    if array.ndim == 2 and shape[0] == shape[1] >= LEAST_SIDE:
        picture = "if it is one picture, it is no data set: stack many, N×H×W"
        return [f"read as {shape[0]} vectors of {shape[1]} values; {picture}"]
    if array.ndim == 3 and min(shape[:2]) >= LEAST_SIDE and _looks_sliced(shape):
        slices = f"if they are {shape[2]} slices of {shape[0]}×{shape[1]}, save array.transpose(2, 0, 1)"
        return [f"read as {shape[0]} images of {shape[1]}×{shape[2]}; {slices}"]
    if array.ndim == 4 and shape[1] in (2, 4):
        return [f"images have {shape[1]} channels, all of them modelled: is the last an opacity?"]
    if array.ndim == 4 and shape[1] > MOST_CHANNELS:
        slices = "if they are slices or frames, reshape to N×1×H×W"
        said = f"read as {shape[0]} images of {shape[2]}×{shape[3]} with {shape[1]} channels, all of them modelled"
        return [f"{said}; {slices}"]
    return []


def _looks_sliced(shape: tuple[int, ...]) -> bool:
    """Whether three axes may be height, width and slices: the first two equal, or the last shorter than these."""
    return shape[2] != shape[1] and (shape[0] == shape[1] or shape[2] < shape[1] > shape[0] / 2)
