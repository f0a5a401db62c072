"""A folder of image files, in any format that Pillow reads; its subfolders, where there are several, are the labels."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor

from .archives import opened
from .dataset import Dataset, part_of, some_of
from .decoding import Preparation
from .factor_table import read_factors
from .formats import note_on_others, note_on_unreadable, sorted_out
from .labels import in_natural_order
from .levels import BYTES, are_hardly_used, spread
from .mapped import Progress
from .notes import named
from .pictures import Pictures, load_pictures

__all__ = ["load"]

IN_MEMORY_BELOW_BYTES = 2**28  # a quarter of a gigabyte
SOME = 256  # pictures that are looked at before all are


def load(
    path: Path,
    root: Path,
    how: Preparation,
    *,
    factors: Path | None = None,
    subsample: int | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """All images under a folder, in the order of their paths.

    Args:
        path: The folder.
        root: Folder of the decoded images, if they are too large for memory.
        how: What is done to each image. Without an ``image_size`` all must have the same size. Images that are all grey
            have one channel in any case.
        factors: A csv whose first column names the files, relative to the folder, and whose others are factors.
        subsample: How many images, chosen at random once and for all; by default all.
        progress: Called with the number of images looked at, then decoded.

    Raises:
        ValueError: No images, a damaged image, images of several sizes and no ``image_size``, or factors of none of
            them.
        OSError: The folder cannot be read.
    """
    _check_folder(path)
    with opened(path) as archive:
        names, notes = _pictures(path, archive.names, factors)
        table = None if factors is None else read_factors(factors, path, names)
        if table is not None:
            names, notes = [name for name in names if name in table.values], [*notes, *table.notes]
        if how.frames == "first":  # or else a part is drawn from all frames, below
            names = some_of(names, subsample)
        kept = root / "prepared"
        pictures = load_pictures(
            archive, names, how, kept, in_memory_below=IN_MEMORY_BELOW_BYTES, are_own=True, progress=progress
        )
    notes += _notes_on(path, how, pictures)
    labels, label_names = _classes(names)
    if label_names is not None:
        notes.append(f"labels are the {len(label_names):,} subfolders: {named(label_names)}")
    times = torch.tensor(pictures.counts)  # an image a frame
    data = Dataset(
        f"folder:{path}",
        pictures.images,
        labels=None if labels is None else labels.repeat_interleave(times),
        label_names=label_names,
        **({} if table is None else table.of(names, times)),
        source=str(path),
        digest=pictures.digest,
        notes=tuple(notes),
        levels=pictures.levels,
    )
    return data if subsample is None else part_of(data, subsample)


def _check_folder(path: Path) -> None:
    if not path.is_dir():
        is_archive = path.is_file() and (zipfile.is_zipfile(path) or tarfile.is_tarfile(path))
        hint = "unpack it" if is_archive else f"give the folder that holds it, folder:{path.parent}"
        hint = f"; {hint}" if path.exists() else ""
        raise FileNotFoundError(f"{path} is not a folder{hint}")


def _pictures(path: Path, names: Sequence[str], factors: Path | None) -> tuple[list[str], list[str]]:
    """The pictures among the files, and notes on all other files."""
    pictures, unreadable, others = sorted_out(names)
    if factors is not None and factors.is_relative_to(path):
        others = [name for name in others if path / name != factors]
    notes = [note_on_unreadable(unreadable)] if unreadable else []
    notes += [note_on_others(others)] if others else []
    if not pictures:
        raise ValueError(f"no image files under {path}{''.join(f'; {note}' for note in notes)}")
    return pictures, notes


def _classes(names: Sequence[str]) -> tuple[Tensor | None, list[str] | None]:
    """The number of the subfolder of each file, in natural order, and their names; none if there is only one."""
    homes = [PurePosixPath(name).parent.as_posix() for name in names]
    ordered = in_natural_order([*{*homes}])
    if len(ordered) == 1:
        return None, None
    numbers = {home: number for number, home in enumerate(ordered)}
    return torch.tensor([numbers[home] for home in homes]), ordered


def _notes_on(path: Path, how: Preparation, pictures: Pictures) -> list[str]:
    """What was said of the pictures; and whether they are grey, or few of the 256 levels occur, as in masks.

    Raises:
        ValueError: There is one picture alone, or only the levels 0 and 1 occur.
    """
    notes, images = list(pictures.notes), pictures.images
    if len(images) == 1:
        said = "".join(f"; {note}" for note in notes)
        raise ValueError(f"a data set needs at least 2 images, and {path} holds 1{said}")
    some = images[:: max(1, len(images) // SOME)]
    notes += _note_on_channels(some, len(images))
    if how.levels is not None or not pictures.are_bytes or int(some.max()) - int(some.min()) > BYTES[1] / 2:
        return notes
    occur = (float(images.min()), float(images.max()))
    if occur == (0, 1):
        raise ValueError(f"{path}: pixels run from 0 to 255, got only 0 and 1; say `levels=(0, 1)` for black and white")
    dark = f"bytes, grey levels 0…255 become 0…1{spread(occur, BYTES)}"
    return [*notes, dark] if are_hardly_used(occur, BYTES) else notes


def _note_on_channels(some: Tensor, total: int) -> list[str]:
    """Whether pictures have three channels that are equal, as palettes of greys and grey photos in colour have."""
    if some.shape[1] != 3 or not (some[:, :1] == some).all():
        return []
    which = "all pictures" if len(some) == total else f"the {len(some):,} pictures that were looked at"
    return [f"{which} are grey, and are read with three channels: `grey=True` gives them one"]
