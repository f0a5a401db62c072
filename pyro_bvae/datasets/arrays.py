"""Arrays in numpy files: images N×H×W or N×C×H×W, uint8 or float in [0, 1], or vectors N×D, float.

An npz holds ``images`` and, where there are any, ``labels`` (N), ``factors`` (N×F) and ``factor_names`` (F).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .dataset import Dataset

__all__ = ["load_npy", "load_npz"]


def load_npz(path: Path) -> Dataset:
    """The data set in one npz file.

    Raises:
        ValueError: Not an npz, damaged, without ``images``, or with arrays of the wrong kind.
        OSError: The file cannot be read.
    """
    arrays = _read(path)
    if not isinstance(arrays, dict):
        raise ValueError(f"{path} is not an npz file; write npy:{path} for a single array")
    if "images" not in arrays:
        hint = "; the published dSprites is --dataset dsprites" if "imgs" in arrays else "; name it so"
        raise ValueError(f"{path} has no array 'images', only {sorted(arrays)}{hint}")
    names = arrays.get("factor_names")
    return Dataset(
        f"npz:{path}",
        _images(path, arrays["images"]),
        labels=_integers(path, "labels", arrays.get("labels")),
        factors=_integers(path, "factors", arrays.get("factors")),
        factor_names=None if names is None else [str(name) for name in np.atleast_1d(names).astype(str)],
        source=str(path),
    )


def load_npy(path: Path) -> Dataset:
    """The data set in one npy file.

    Raises:
        ValueError: Not an npy, damaged, or an array of the wrong kind.
        OSError: The file cannot be read.
    """
    array = _read(path)
    if isinstance(array, dict):
        raise ValueError(f"{path} is not an npy file; write npz:{path}")
    return Dataset(f"npy:{path}", _images(path, array), source=str(path))


def _read(path: Path) -> Any:
    """One array, or the arrays of an npz in a dict. Pickled objects are refused: reading one can run code."""
    try:
        with open(path, "rb") as file:
            if file.read(2) not in (b"\x93N", b"PK"):
                raise ValueError("it begins like neither npy nor npz")
            file.seek(0)
            loaded = np.load(file, allow_pickle=False)
            return {name: loaded[name] for name in loaded.files} if hasattr(loaded, "files") else loaded
    except (OSError, MemoryError):
        raise
    except Exception as error:  # whatever the bytes of a damaged file make numpy's reader raise
        reason = "it holds pickled objects, which are not read" if "pickle" in str(error) else str(error)
        raise ValueError(f"{path} is damaged or no numpy file: {reason}") from error


def _images(path: Path, array: np.ndarray) -> Tensor:
    if array.dtype == bool:
        array = array.astype(np.uint8) * (1 if array.ndim == 2 else 255)
    if array.dtype.kind not in "f" and array.dtype != np.uint8:
        raise ValueError(f"{path}: images must be uint8 or float, got {array.dtype}; convert with .astype('uint8')")
    if array.ndim == 4 and array.shape[1] > 4 and array.shape[3] <= 4:
        raise ValueError(f"{path}: images must be N×C×H×W, got {array.shape}; convert with .transpose(0, 3, 1, 2)")
    if array.ndim == 2 or array.dtype.kind == "f":
        array = array.astype(np.float32)
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    return tensor[:, None] if tensor.dim() == 3 else tensor


def _integers(path: Path, name: str, array: np.ndarray | None) -> Tensor | None:
    if array is None:
        return None
    if array.dtype.kind not in "iub":
        raise ValueError(
            f"{path}: {name} must be integers, got {array.dtype}; "
            "number values with np.unique(column, return_inverse=True)[1]"
        )
    return torch.from_numpy(array.astype(np.int64))
