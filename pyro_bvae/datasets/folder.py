"""A folder of image files, in any format that Pillow reads; its subfolders, where there are several, are the labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath

import torch

from .archives import opened
from .dataset import Dataset, some_of
from .decoding import Preparation, are_grey, is_picture
from .mapped import Progress
from .pictures import load_pictures

__all__ = ["load"]

IN_MEMORY_BELOW_BYTES = 2**28  # a quarter of a gigabyte


def load(
    path: Path, root: Path, how: Preparation, *, subsample: int | None = None, progress: Progress | None = None
) -> Dataset:
    """All images under a folder, in the order of their paths.

    Args:
        path: The folder.
        root: Folder of the decoded images, if they are too large for memory.
        how: What is done to each image. Without an ``image_size`` all must have the same size. Images that are all grey
            have one channel in any case.
        subsample: How many, chosen at random once and for all; by default all.
        progress: Called with the number of images decoded.

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
        names = some_of(names, subsample)
        images, digest = load_pictures(
            archive,
            names,
            replace(how, grey=how.grey or are_grey(archive, names)),
            root / "prepared",
            in_memory_below=IN_MEMORY_BELOW_BYTES,
            progress=progress,
        )
    homes = [PurePosixPath(name).parent for name in names]
    classes = {home: label for label, home in enumerate(sorted({*homes}))}
    labels = torch.tensor([classes[home] for home in homes]) if len(classes) > 1 else None
    return Dataset(f"folder:{path}", images, labels=labels, source=str(path), digest=digest)
