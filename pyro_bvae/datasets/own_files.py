"""Data that are no data set: a picture of one's own, an array or a few vectors, in the shape of a run's data."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .dataset import Dataset
from .decoding import Preparation, decode

__all__ = ["data_from", "labelled"]

BETWEEN_NUMBERS = re.compile(r"[\s,;]+")


def data_from(file: Path, shape: Sequence[int], options: Mapping[str, Any]) -> Tensor:
    """The data in a file, in the shape of a run's.

    A picture is cropped as the run's pictures were, and scaled to their size and channels. An npy or npz (its array
    ``images``, or its only one) holds one datum or several, of that shape. Any other file holds vectors, one a line,
    with blanks, commas or semicolons between the numbers; a first line of words is a header.

    Args:
        file: The file.
        shape: Of a datum, ``(C, H, W)`` or ``(D,)``.
        options: Of the run's data, as a config has them.

    Returns:
        Data ``(N, *shape)``, uint8 or float.

    Raises:
        ValueError: The file is damaged, or what it holds has another shape.
        OSError: It cannot be read.
    """
    if file.suffix in (".npy", ".npz"):
        data = _array(file)
    else:
        data = _vectors(file) if len(shape) == 1 else _picture(file, shape, options)[None]
    if data.dim() in (2, 3) and len(shape) == 3 and shape[0] == 1:  # without channels, of which there is one
        data = data.reshape(-1, 1, *data.shape[-2:])
    data = data[None] if data.dim() == len(shape) else data
    if data.shape[1:] != torch.Size(shape) or not len(data):
        raise ValueError(f"{file} holds an array of {_sides(data.shape)}, and a datum of the run is {_sides(shape)}")
    if data.is_floating_point() and not (data.isfinite().all() and (len(shape) == 1 or _are_pixels(data))):
        raise ValueError(f"{file} holds values that are not finite, or pixels outside 0 to 1")
    return data


def _picture(file: Path, shape: Sequence[int], options: Mapping[str, Any]) -> Tensor:
    """One picture, ``(C, H, W)`` uint8."""
    known = {field.name for field in fields(Preparation)}
    given = {name: value for name, value in options.items() if name in known and value is not None}
    size = shape[1] if shape[1] == shape[2] else None
    how = Preparation(**({"crop": None} | given | {"image_size": size, "grey": shape[0] == 1}))
    return torch.from_numpy(decode(file.read_bytes(), str(file), how).copy())  # Pillow gives it read-only


def _array(file: Path) -> Tensor:
    """The array of an npy, or of an npz."""
    try:
        with open(file, "rb") as opened:
            loaded = np.load(opened, allow_pickle=False)
            array = loaded
            if not isinstance(loaded, np.ndarray):
                array = loaded[loaded.files[0] if len(loaded.files) == 1 else "images"]
    except OSError:
        raise
    except Exception as error:  # whatever the bytes of a damaged file make numpy's reader raise
        raise ValueError(f"{file} is damaged, no numpy file, or has no array 'images'") from error
    if array.dtype != np.uint8 and array.dtype.kind != "f":
        raise ValueError(f"{file}: data must be uint8 or float, got {array.dtype}")
    return torch.from_numpy(np.ascontiguousarray(array if array.dtype == np.uint8 else array.astype(np.float32)))


def _vectors(file: Path) -> Tensor:
    """The numbers of a text file, a vector a line, ``(N, D)``."""
    rows: list[list[float]] = []
    for number, line in enumerate(file.read_text(encoding="utf-8-sig", errors="replace").splitlines(), start=1):
        content = line.partition("#")[0].strip()
        try:
            row = [float(word) for word in BETWEEN_NUMBERS.split(content)] if content else []
        except ValueError as error:
            if not rows and number == 1:
                continue
            raise ValueError(f"{file}, line {number}: {content[:40]!r} are no numbers") from error
        if row and rows and len(row) != len(rows[0]):
            raise ValueError(f"{file}, line {number}: {len(row)} numbers, where the first vector has {len(rows[0])}")
        rows += [row] if row else []
    if not rows:
        raise ValueError(f"{file} holds no numbers")
    return torch.tensor(rows, dtype=torch.float32)


def labelled(data: Dataset, label: str) -> Tensor:
    """Which data have a label, sorted indices.

    Args:
        data: The data set.
        label: The name of a class or its number; of attributes, the name or number of one, for the data that have it.

    Raises:
        ValueError: There are no labels, or none like that.
    """
    if data.labels is None:
        raise ValueError(f"{data.name} has no labels to choose by")
    names = list(data.label_names or ())
    classes = range(data.labels.shape[1]) if data.labels.dim() == 2 else sorted({*data.labels.tolist()})
    number = names.index(label) if label in names else int(label) if label.lstrip("-").isdecimal() else None
    if number is None or number not in classes:
        known = ", ".join(names or map(str, classes))
        raise ValueError(f"{data.name} has no label {label!r}: choose from {known[:200]}")
    column = data.labels[:, number] if data.labels.dim() == 2 else torch.eq(data.labels, number)
    return column.nonzero().squeeze(1)


def _are_pixels(data: Tensor) -> bool:
    return bool(data.min() >= 0 and data.max() <= 1)


def _sides(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape)) or "one value"
