"""Arrays in numpy files: images N×H×W or N×C×H×W, bytes, grey levels or floats in [0, 1]; or vectors N×D.

An npz holds ``images`` and, where there are any, ``labels`` (N), ``label_names``, ``factors`` (N×F), ``factor_names``
(F) and ``factor_sizes`` (F). What becomes of grey levels stands in `grey_arrays`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .axes import check_axes, note_on_axes
from .dataset import Dataset
from .grey_arrays import as_grey
from .labels import is_one_hot
from .notes import counted, named, shortened
from .numpy_files import read_npy, read_npz, shapes_of
from .vectors import as_vectors

__all__ = ["images_or_vectors", "load_npy", "load_npz"]

ARRAYS = ("images", "labels", "label_names", "factors", "factor_names", "factor_sizes")


def load_npz(path: Path, levels: Sequence[float] | None = None, observe: str | None = None) -> Dataset:
    """The data set in one npz file.

    Args:
        path: The file.
        levels: The grey levels that become 0 and 1; by default see `grey_arrays`.
        observe: The names of arrays that programs see beside the images, with commas between them.

    Raises:
        ValueError: Not an npz, damaged, without ``images``, or with arrays of the wrong kind.
        OSError: The file cannot be read.
    """
    others = [] if observe is None else observe.split(",")
    arrays = read_npz(path, (*ARRAYS, *others))
    if "images" not in arrays:
        there = shapes_of(path)
        hint = "name it so: np.savez(FILE, images=...)"
        if "imgs" in there:
            hint = "the published dSprites is the data set dsprites:PATH"
        if any(name.endswith("data.pkl") for name in there):
            hint = "it is a file of PyTorch: np.savez(FILE, images=tensor.numpy()) writes one that is read"
        shapes = ", ".join(f"{shortened(name)} ({shape})" for name, shape in list(there.items())[:8])
        raise ValueError(
            f"{path} has no array 'images', only {sorted(map(shortened, there))[:8]}; {hint}; it holds {shapes}"
        )
    known = images_or_vectors(path, arrays["images"], levels)
    label_names, factor_names = (_names(arrays.get(name)) for name in ("label_names", "factor_names"))
    return Dataset(
        f"npz:{path}",
        **{**known, "notes": [*known["notes"], *_not_read(path, others)]},
        labels=_integers(path, "labels", arrays.get("labels")),
        label_names=label_names,
        factors=_integers(path, "factors", arrays.get("factors")),
        factor_names=factor_names,
        factor_sizes=_sizes(path, arrays.get("factor_sizes")),
        source=str(path),
        extra={name: _observed(path, name, arrays) for name in others},
    )


def _observed(path: Path, name: str, arrays: Mapping[str, np.ndarray]) -> Tensor:
    """An array that programs see: whole numbers, or floats in torch's default precision."""
    if name not in arrays:
        raise ValueError(f"{path} has no array {name!r} to observe, only {named(list(shapes_of(path)))}")
    array = arrays[name]
    if array.dtype.kind not in "iubf":
        raise ValueError(f"{path}: {name} must be numbers to be observed, got {array.dtype}")
    if array.dtype.kind == "f":
        return torch.from_numpy(array.astype(np.float64)).to(torch.get_default_dtype())
    return torch.from_numpy(array.astype(np.int64))


def _not_read(path: Path, observed: Sequence[str]) -> list[str]:
    """What to say of the other arrays of an npz, which may be labels under another name."""
    others = [f"{name} ({shape})" for name, shape in shapes_of(path).items() if name not in (*ARRAYS, *observed)]
    wanted = "classes are read from labels, factors of variation from factors"
    return [f"left out {counted(len(others), 'array')}: {named(others)}; {wanted}"] if others else []


def load_npy(path: Path, levels: Sequence[float] | None = None) -> Dataset:
    """The data set in one npy file.

    Args:
        path: The file.
        levels: The grey levels that become 0 and 1; by default see `grey_arrays`.

    Raises:
        ValueError: Not an npy, damaged, or an array of the wrong kind.
        OSError: The file cannot be read.
    """
    return Dataset(f"npy:{path}", source=str(path), **images_or_vectors(path, read_npy(path), levels))


def images_or_vectors(path: Path, array: np.ndarray, levels: Sequence[float] | None) -> dict[str, Any]:
    """An array as ``images``, what to say of them, and their grey ``levels``, as arguments of a `Dataset`.

    Args:
        path: Its file, for messages.
        array: Images N×H×W or N×C×H×W, or vectors N×D.
        levels: The grey levels that become 0 and 1; by default see `grey_arrays`.

    Raises:
        ValueError: It is neither, or its numbers are out of range.
    """
    check_axes(path, array)
    notes = note_on_axes(array)
    if array.ndim == 2:
        if levels is not None:
            raise ValueError(f"{path} holds vectors, which have no grey levels: leave `levels` out")
        vectors, said = as_vectors(
            str(path), array, lambda row: f"row {row} (from 0)", lambda column: f"column [:, {column}]"
        )
        return {"images": vectors, "notes": [*notes, *said]}
    grey = as_grey(path, array, None if levels is None else (levels[0], levels[1]))
    tensor = _tensor(grey.array)
    images = tensor[:, None] if tensor.dim() == 3 else tensor
    return {"images": images, "notes": [*grey.notes, *notes], "levels": grey.levels}


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


def _sizes(path: Path, array: np.ndarray | None) -> tuple[int, ...] | None:
    """How many values each factor can take, where the file says it: one may not occur."""
    sizes = _integers(path, "factor_sizes", None if array is None else np.atleast_1d(array).ravel())
    return None if sizes is None else tuple(sizes.tolist())


def _names(array: np.ndarray | None) -> list[str] | None:
    """Names, also those that were written as bytes."""
    if array is None:
        return None
    names = np.atleast_1d(array).ravel().tolist()
    return [name.decode(errors="surrogateescape") if isinstance(name, bytes) else str(name) for name in names]
