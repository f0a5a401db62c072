"""Data that are no data set: a picture of one's own, an array or a few vectors, in the shape of a run's data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .arrays import images_or_vectors
from .dataset import Dataset
from .decoding import Preparation, decode, opened_picture
from .features import column_name
from .grey_arrays import levels_of_a_run
from .layers import depth_of
from .levels import BYTES, interval
from .notes import named
from .numpy_files import read_npy, read_npz, shapes_of
from .text import read_vectors

__all__ = ["data_from", "labelled", "picture_from"]


def data_from(file: Path, shape: Sequence[int], options: Mapping[str, Any]) -> tuple[Tensor, Sequence[str]]:
    """The data in a file, in the shape of a run's.

    A picture is cropped as the run's pictures were, and scaled to their size and channels. An npy or npz (its array
    ``images``, or its only one) holds one datum or several, of that shape. Any other file holds vectors, a table as
    ``csv:`` reads it, whose columns are put in the order of the run's, by their names. Grey levels become 0 and 1 as in
    the run's data: by its ``levels``, or the range read there.

    Args:
        file: The file.
        shape: Of a datum, ``(C, H, W)`` or ``(D,)``.
        options: Of the run's data, as a config has them.

    Returns:
        Data ``(N, *shape)``, uint8 or float, and what was read in a way that one may not expect, a line each.

    Raises:
        ValueError: The file is damaged, or what it holds has another shape, or columns of other names.
        OSError: It cannot be read.
    """
    notes: Sequence[str] = ()
    if file.suffix.lower() in (".npy", ".npz"):
        array = _stacked(file, _array(file), shape)
        levels = levels_of_a_run(file, array, options) if len(shape) == 3 else None
        known = images_or_vectors(file, array, levels)
        data, notes = known["images"], known["notes"]
    elif len(shape) == 3:
        picture, notes = picture_from(file.read_bytes(), str(file), shape, options)
        data = picture[None]
    else:
        data, names, notes = read_vectors(
            file, "," if ".csv" in file.suffixes else None, options.get("leave_out"), may_lack=True
        )
        data, notes = _in_order(file, data, names, options.get("columns"), notes)
    _check_shape(file, data.shape[1:], shape)
    return data, notes


def picture_from(
    content: bytes, name: str, shape: Sequence[int], options: Mapping[str, Any]
) -> tuple[Tensor, list[str]]:
    """The picture in the bytes of a file, cropped as the run's pictures were, in their size and channels.

    Args:
        content: The bytes.
        name: What to call the file, for errors.
        shape: Of a datum, ``(C, H, W)``.
        options: Of the run's data, as a config has them.

    Returns:
        The picture, uint8, and what is to be said of its grey levels. It has another size than the run's where those
        are not square, and keep their size.

    Raises:
        ValueError: The file is damaged or no picture.
    """
    known = {field.name for field in fields(Preparation)}
    given = {name: value for name, value in options.items() if name in known and value is not None}
    size = shape[1] if shape[1] == shape[2] else None
    fixed = {"image_size": size, "grey": shape[0] == 1, "measured": options.get("read_levels")}
    notes = _note_on_bytes(name, content, options)
    if notes:
        del given["levels"]
    how = Preparation(**({"crop": None} | given | fixed))
    return torch.from_numpy(decode(content, name, how).copy()), notes  # Pillow gives it read-only


def _note_on_bytes(name: str, content: bytes, options: Mapping[str, Any]) -> list[str]:
    """Whether a picture has 8 bits, and the run's ``levels`` are those of an array of numbers beyond them."""
    levels = options.get("levels")
    is_array = str(options.get("dataset")).partition(":")[0] in ("npz", "npy")
    if not is_array or levels is None or levels[1] <= BYTES[1]:
        return []
    with opened_picture(content, name) as picture:
        has_bytes = depth_of(picture).levels == BYTES
    ends = f"{interval(BYTES)} become 0…1, and not the {interval(levels)} of the run's arrays"
    return [f"it has 8 bits: grey levels {ends}"] if has_bytes else []


def _array(file: Path) -> np.ndarray:
    """The array of an npy, or of an npz."""
    if file.suffix.lower() == ".npy":
        return read_npy(file)
    names = list(shapes_of(file))
    name = names[0] if len(names) == 1 else "images"
    if name not in names:
        only = f", only {named(names)}" if names else ""
        raise ValueError(f"{file} has no array 'images'{only}")
    return read_npz(file, [name])[name]


def _stacked(file: Path, array: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """One datum or several as ``(N, *shape)``; also without channels, where there is one."""
    if array.ndim in (2, 3) and len(shape) == 3 and shape[0] == 1 and array.shape != tuple(shape):
        array = array.reshape(-1, 1, *array.shape[-2:])
    array = array[None] if array.ndim == len(shape) else array
    _check_shape(file, array.shape[1:] if array.ndim else (), shape)
    if not len(array):
        raise ValueError(f"{file} holds an array without a datum")
    return array


def _check_shape(file: Path, came: Sequence[int], wanted: Sequence[int]) -> None:
    if tuple(came) != tuple(wanted):
        raise ValueError(f"{file} holds an array of {_sides(came)}, and a datum of the run is {_sides(wanted)}")


def _in_order(
    file: Path, vectors: Tensor, names: list[str] | None, wanted: list[str] | None, notes: list[str]
) -> tuple[Tensor, list[str]]:
    """Vectors with the columns in the order of the run's, where both have names, and what is to be said of them.

    Raises:
        ValueError: A column of the run is missing, or there is one that the run has not.
    """
    if names is None or wanted is None or names == wanted:
        return vectors, notes
    if sorted(names) != sorted(wanted):
        lacking = [column_name(wanted, column) for column, name in enumerate(wanted) if name not in names]
        unknown = [column_name(names, column) for column, name in enumerate(names) if name not in wanted]
        parts = [f"{what} {named(some)}" for what, some in (("lacks", lacking), ("has", unknown)) if some]
        raise ValueError(
            f"{file} {' and '.join(parts) or 'has one name more often'}, other than the data of the run: "
            "give it the same columns, in any order"
        )
    if len({*names}) < len(names):
        raise ValueError(f"{file} has names of more than one column: give it the columns in the order of the run's")
    order = "the columns are put in the order of the run's, by their names"
    return vectors[:, [names.index(name) for name in wanted]], [*notes, order]


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


def _sides(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape)) or "one value"
