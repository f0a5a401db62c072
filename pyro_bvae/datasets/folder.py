"""A folder of image files, in any format that Pillow reads; its subfolders, where there are several, are the labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import torch

from .archives import opened
from .dataset import Dataset, random_subset
from .decoding import Preparation, is_picture, look
from .mapped import Progress
from .pictures import load_pictures

__all__ = ["load"]

IN_MEMORY_BELOW_BYTES = 2**28  # a quarter of a gigabyte


def load(
    path: Path,
    root: Path,
    *,
    image_size: int | None = None,
    grey: bool = False,
    crop: Sequence[int] | None = None,
    subsample: int | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """All images under a folder, in the order of their paths.

    Args:
        path: The folder.
        root: Where the decoded images are kept if there are many.
        image_size: Side in pixels of the square that each image is scaled to and cropped to at its centre
            (bicubic); by default images keep their size, which must then be one.
        grey: One channel in place of three. Images that are all grey already have one channel anyway.
        crop: Cut out of each image first; see `Preparation`.
        subsample: How many of them, chosen at random.
        progress: Told of the images decoded.

    Raises:
        ValueError: No images, a damaged image, or images of several sizes and no ``image_size``.
        OSError: The folder cannot be read.
    """
    if not path.is_dir():
        raise FileNotFoundError(f"{path} is not a folder")
    with opened(path) as archive:
        names = [name for name in archive.names if is_picture(name)]
        if not names:
            raise ValueError(f"no image files under {path}")
        if subsample is not None:
            names = [names[i] for i in random_subset(len(names), subsample).tolist()]
        how = Preparation(crop, image_size, grey or look(archive, names))
        kept = root / "prepared"
        images, digest = load_pictures(
            archive, names, how, kept, in_memory_below=IN_MEMORY_BELOW_BYTES, progress=progress
        )  # fmt: skip
    homes = [PurePosixPath(name).parent for name in names]
    classes = {home: label for label, home in enumerate(sorted({*homes}))}
    labels = torch.tensor([classes[home] for home in homes]) if len(classes) > 1 else None
    return Dataset(f"folder:{path}", images, labels=labels, source=str(path), digest=digest)
