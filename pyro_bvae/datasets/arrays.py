"""Arrays in numpy files: images N×H×W or N×C×H×W, bytes, grey levels or floats in [0, 1]; or vectors N×D.

An npz holds ``images`` and, where there are any, ``labels`` (N), ``label_names``, ``factors`` (N×F) and
``factor_names`` (F).

Whole numbers from 0 to 255 are bytes, whatever their type; uint16 runs from 0 to 65535; other grey levels from the
lowest to the highest that occur; all unless ``levels`` says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .dataset import Dataset
from .labels import is_one_hot
from .levels import ROUNDING, Levels, in_words, measured_levels, scaled_images, spread
from .notes import counted, shortened
from .numpy_files import read_npy, read_npz, shapes_of
from .vectors import as_vectors

__all__ = ["images_or_vectors", "load_npy", "load_npz"]

ARRAYS = ("images", "labels", "label_names", "factors", "factor_names")
LIKE_BYTES = 128  # floats that are whole numbers reach this if they are bytes, and not counts of something
LEVELS_BY_TYPE: dict[str, Levels] = {"uint16": (0, 65535)}


def load_npz(path: Path, levels: Sequence[float] | None = None) -> Dataset:
    """The data set in one npz file.

    Args:
        path: The file.
        levels: The grey levels that become 0 and 1; by default see above.

    Raises:
        ValueError: Not an npz, damaged, without ``images``, or with arrays of the wrong kind.
        OSError: The file cannot be read.
    """
    arrays = read_npz(path, ARRAYS)
    if "images" not in arrays:
        others = shapes_of(path)
        hint = "name it so: np.savez(FILE, images=...)"
        if "imgs" in others:
            hint = "the published dSprites is --dataset dsprites"
        shapes = ", ".join(f"{shortened(name)} ({shape})" for name, shape in list(others.items())[:8])
        raise ValueError(
            f"{path} has no array 'images', only {sorted(map(shortened, others))[:8]}; {hint}; it holds {shapes}"
        )
    images, notes = images_or_vectors(path, arrays["images"], levels)
    label_names, factor_names = (_names(arrays.get(name)) for name in ("label_names", "factor_names"))
    return Dataset(
        f"npz:{path}",
        images,
        labels=_integers(path, "labels", arrays.get("labels")),
        label_names=label_names,
        factors=_integers(path, "factors", arrays.get("factors")),
        factor_names=factor_names,
        source=str(path),
        notes=notes,
    )


def load_npy(path: Path, levels: Sequence[float] | None = None) -> Dataset:
    """The data set in one npy file.

    Args:
        path: The file.
        levels: The grey levels that become 0 and 1; by default see above.

    Raises:
        ValueError: Not an npy, damaged, or an array of the wrong kind.
        OSError: The file cannot be read.
    """
    images, notes = images_or_vectors(path, read_npy(path), levels)
    return Dataset(f"npy:{path}", images, source=str(path), notes=notes)


def images_or_vectors(path: Path, array: np.ndarray, levels: Sequence[float] | None) -> tuple[Tensor, Sequence[str]]:
    """An array as images ``(N, C, H, W)`` or vectors ``(N, D)``, and what to say of them, a line each.

    Args:
        path: Its file, for messages.
        array: Images N×H×W or N×C×H×W, or vectors N×D.
        levels: The grey levels that become 0 and 1; by default see above.

    Raises:
        ValueError: It is neither, or its numbers are out of range.
    """
    _check(path, array)
    if array.ndim == 2:
        if levels is not None:
            raise ValueError(f"{path} holds vectors, which have no grey levels: leave --levels out")
        return as_vectors(str(path), array, lambda row: f"row {row} (from 0)", lambda column: f"column [:, {column}]")
    array, notes = _grey_levels(path, array, None if levels is None else (levels[0], levels[1]))
    if array.ndim == 4 and array.shape[1] in (2, 4):
        notes.append(f"images have {array.shape[1]} channels, all of them modelled: is the last an opacity?")
    tensor = _tensor(array)
    return (tensor[:, None] if tensor.dim() == 3 else tensor), notes


def _check(path: Path, array: np.ndarray) -> None:
    """Refuse what is neither images nor vectors."""
    if array.dtype.names is not None:
        raise ValueError(
            f"{path} holds records with the fields {', '.join(array.dtype.names)}; save one array of numbers, like "
            "np.stack([array[name] for name in array.dtype.names], axis=1)"
        )
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{path}: images must be uint8 or float, or other real numbers, got {array.dtype}")
    if array.ndim not in (2, 3, 4) or 0 in array.shape[1:]:
        raise ValueError(f"{path}: data must be N×C×H×W images or N×D vectors, got shape {array.shape}")
    if array.ndim == 4 and array.shape[1] > 4 and array.shape[3] <= 4:
        raise ValueError(f"{path}: images must be N×C×H×W, got {array.shape}; convert with .transpose(0, 3, 1, 2)")
    if array.ndim == 3 and array.shape[2] in (3, 4) and min(array.shape[:2]) >= 16:
        raise ValueError(
            f"{path}: one picture of {array.shape} is no data set; save many, N×C×H×W (or, if these are "
            f"{array.shape[0]} images of {array.shape[1]}×{array.shape[2]}, add an axis: array[:, None])"
        )


def _grey_levels(path: Path, array: np.ndarray, levels: Levels | None) -> tuple[np.ndarray, list[str]]:
    """Images as bytes or as float32 in [0, 1], and what to say of them."""
    if array.dtype == bool:
        return array.astype(np.uint8) * 255, []
    if array.size == 0 or (array.dtype.kind == "f" and not np.isfinite(array).all()):
        return array, []  # a data set says what is wrong with it
    occur = (array.min().item(), array.max().item())
    if levels is not None:
        said = f"grey levels {in_words(levels)} become 0…1; {in_words(occur)} occur"
        beyond = int(((array < levels[0]) | (array > levels[1])).sum())
        clipped = f", {counted(beyond, 'pixel')} beyond are clipped" if beyond else ""
        return scaled_images(array, levels), [said + clipped]
    if array.dtype.kind == "f" and occur[0] >= -ROUNDING and occur[1] <= 1 + ROUNDING:
        return array.astype(np.float32), []
    if array.dtype == np.uint8:
        return array, []
    if array.dtype.kind != "f" and occur == (0, 1):
        raise ValueError(
            f"{path}: {array.dtype.name} pixels run from 0 to 255, got only 0 and 1; multiply by 255, use bool, or say "
            "--levels 0 1"
        )
    is_whole = array.dtype.kind != "f" or (occur[1] >= LIKE_BYTES and np.array_equal(array, np.round(array)))
    if is_whole and occur[0] >= 0 and occur[1] <= 255:
        said = f"{array.dtype.name} pixels, all whole numbers, are read as bytes{spread(occur, (0, 255))}"
        return array.astype(np.uint8), [said]
    if array.dtype.kind == "f":
        low, high = (f"{end:.7g}" for end in occur)
        raise ValueError(
            f"{path}: float pixels must lie in [0, 1], got {low} to {high}; --levels LOW HIGH says which range "
            f"becomes 0…1, like --levels {low} {high}"
        )
    natural = LEVELS_BY_TYPE.get(array.dtype.name) or measured_levels(*occur, floats=False)
    said = f"{array.dtype.name} grey levels {in_words(natural)} become 0…1 (--levels LOW HIGH sets it)"
    return scaled_images(array, natural), [said + (spread(occur, natural) if natural != occur else "")]


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array).astype(array.dtype.newbyteorder("="), copy=False))


def _integers(path: Path, name: str, array: np.ndarray | None) -> Tensor | None:
    if array is None:
        return None
    if array.dtype.kind == "f" and array.ndim == 2 and is_one_hot(torch.from_numpy(array.astype(np.float32))):
        array = array.astype(np.int64)
    if array.dtype.kind not in "iub":
        raise ValueError(
            f"{path}: {name} must be integers, got {array.dtype}; "
            "number values with np.unique(column, return_inverse=True)[1]"
        )
    if array.size and array.max() > np.iinfo(np.int64).max:
        raise ValueError(f"{path}: {name} must be classes, got numbers up to {array.max()}")
    return torch.from_numpy(array.astype(np.int64))


def _names(array: np.ndarray | None) -> list[str] | None:
    """Names, also those that were written as bytes."""
    if array is None:
        return None
    names = np.atleast_1d(array).ravel().tolist()
    return [name.decode(errors="surrogateescape") if isinstance(name, bytes) else str(name) for name in names]
