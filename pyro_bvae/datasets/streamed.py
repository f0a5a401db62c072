"""Image sets that are too large for memory: read from the front of their files to the back, a block at a time.

Each block is brought to the size and the channels that are wanted, and written to a memory-mapped file, which all later
loads read. What `subsample` leaves out is dropped as soon as it is read. No more than a block is in memory.

Images are scaled by Pillow's Lanczos filter, as disentanglement_lib scales Cars3D and SmallNORB:
https://github.com/google-research/disentanglement_lib
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .checksums import md5_of
from .dataset import Dataset, random_subset
from .mapped import Progress, mapped, remarks_of
from .notes import counted

__all__ = ["Scaling", "Streamed", "grid", "rows_at_once", "streamed"]

BLOCK_BYTES = 2**25  # of images that are read, and of those that are written, at a time


@dataclass(frozen=True)
class Scaling:
    """To which side each image is scaled, and whether it is turned to grey.

    Attributes:
        image_size: Side in pixels that it is scaled to; None leaves it as it is.
        grey: Whether colours are turned to grey.
    """

    image_size: int | None = None
    grey: bool = False

    def applied(self, images: np.ndarray) -> np.ndarray:
        """Images ``(B, H, W, C)`` as ``(B, C, H, W)``, scaled and in grey where that is wanted."""
        height, width, channels = images.shape[1:]
        size = (self.image_size or width, self.image_size or height)
        if size != (width, height) or (self.grey and channels == 3):
            images = np.stack([self._one(image, size) for image in images])
        return images.transpose(0, 3, 1, 2)

    def shape_of(self, shape: Sequence[int]) -> tuple[int, int, int]:
        """The shape ``(C, H, W)`` of an image of ``(H, W, C)``."""
        height, width, channels = shape
        return 1 if self.grey else channels, self.image_size or height, self.image_size or width

    def bytes_of(self, shape: Sequence[int], subsample: int | None) -> int:
        """How many bytes so many of the images ``(N, H, W, C)`` take, or all."""
        count = shape[0] if subsample is None else min(subsample, shape[0])
        return count * prod(self.shape_of(shape[1:]))

    def _one(self, image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        picture = Image.fromarray(image if image.shape[2] == 3 else image[:, :, 0])
        scaled = np.asarray((picture.convert("L") if self.grey else picture).resize(size, Image.Resampling.LANCZOS))
        return scaled if scaled.ndim == 3 else scaled[:, :, None]


@dataclass(frozen=True, eq=False)
class Streamed:
    """The images of a set, and which of it they are.

    Attributes:
        images: uint8 ``(N, C, H, W)``, mapped from a file.
        digest: The SHA-256 of their bytes.
        index: Which images of the whole set they are, sorted; None for all.
        notes: What is to be said of them, a line each.
    """

    images: Tensor
    digest: str
    index: Tensor | None
    notes: Sequence[str]

    def of(self, values: Tensor) -> Tensor:
        """The rows of the images among those of the whole set."""
        return values if self.index is None else values[self.index]

    def dataset(
        self, name: str, source: Path, factors: Tensor, factor_names: Sequence[str], factor_sizes: Sequence[int]
    ) -> Dataset:
        """The images as a data set.

        Args:
            name: Of the data set.
            source: Their file or folder.
            factors: Those of the whole set, ``(N, F)``.
            factor_names: F names.
            factor_sizes: How many values each can take.
        """
        return Dataset(
            name,
            self.images,
            factors=self.of(factors),
            factor_names=factor_names,
            factor_sizes=factor_sizes,
            source=str(source),
            digest=self.digest,
            notes=self.notes,
        )


def streamed(
    name: str,
    root: Path,
    files: Sequence[Path],
    shape: Sequence[int],
    blocks: Callable[[], Iterable[np.ndarray]],
    scaling: Scaling,
    *,
    subsample: int | None = None,
    md5: Sequence[str | None] = (),
    progress: Progress | None = None,
) -> Streamed:
    """Images that are read in blocks, kept under ``root``/prepared.

    Args:
        name: What the prepared file is called.
        root: The data root.
        files: What the images are made from.
        shape: Of all images as they are read, ``(N, H, W, C)``.
        blocks: Returns the images in their order, uint8 ``(B, H, W, C)`` each. It is called only where there is no
            prepared file, and raises a ValueError if a file is damaged.
        scaling: To which side images are scaled, and whether they are turned to grey.
        subsample: How many images, chosen at random once and for all; by default all.
        md5: Those of the published files, in the order of ``files``, None where it is not known; where one differs, a
            note says so.
        progress: Called with the number of images written.

    Raises:
        ValueError: A file is damaged.
        OSError: It cannot be read, or there is no room.
    """
    index = None if subsample is None or subsample >= shape[0] else random_subset(shape[0], subsample)
    count = shape[0] if index is None else len(index)
    how = {**asdict(scaling), "subsample": None if index is None else count}
    key = {"made_from": [_signature(file) for file in files], **how, "resize": "lanczos", "whole": list(shape)}
    digits = hashlib.sha256(json.dumps([*map(str, files), how]).encode()).hexdigest()[:8]
    kept = root / "prepared" / f"{name}-{digits}.u8"
    made = (count, *scaling.shape_of(shape[1:]))
    remarks = remarks_of(kept, key)
    if remarks is None:
        remarks = _other_files(files, md5)
    chosen = None if index is None else index.numpy()
    images, digest = mapped(kept, key, lambda: (made, _prepared(blocks(), scaling, chosen)), progress, remarks)
    return Streamed(images, digest, index, [*_note_on_scaling(shape, scaling), *remarks])


def grid(sizes: Sequence[int]) -> Tensor:
    """All combinations of factors of these sizes, the last fastest: classes ``(N, F)``.

    >>> grid([2, 3]).tolist()
    [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]
    """
    return torch.cartesian_prod(*(torch.arange(size) for size in sizes))


def rows_at_once(shape: Sequence[int]) -> int:
    """How many images of a shape make a block, 1 at least."""
    return max(1, BLOCK_BYTES // prod(shape))


def _prepared(blocks: Iterable[np.ndarray], scaling: Scaling, index: np.ndarray | None) -> Iterator[np.ndarray]:
    """The images of a sorted index, or all, as they are written."""
    start = 0
    for block in blocks:
        wanted = block
        if index is not None:
            first, last = np.searchsorted(index, [start, start + len(block)])
            wanted = block[index[first:last] - start]
        start += len(block)
        if len(wanted):
            yield scaling.applied(wanted)


def _signature(file: Path) -> list[Any]:
    """A file's path, and what changes when it is written again."""
    facts = file.stat()
    return [str(file), facts.st_size, facts.st_mtime_ns]


def _other_files(files: Sequence[Path], md5: Sequence[str | None]) -> list[str]:
    expected = {file: known for file, known in zip(files, md5, strict=False) if known is not None}
    other = [file.name for file, known in expected.items() if md5_of(file) != known]
    if not other:
        return []
    return [f"{counted(len(other), 'file')} not as published, by the md5: {', '.join(other)}; read as it is"]


def _note_on_scaling(shape: Sequence[int], scaling: Scaling) -> list[str]:
    height, width = shape[1:3]
    if scaling.image_size is None or scaling.image_size == height == width:
        return []
    return [
        f"images of {width}×{height} are scaled to {scaling.image_size}×{scaling.image_size} by Pillow's Lanczos filter"
    ]
