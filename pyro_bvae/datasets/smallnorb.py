"""SmallNORB: 48,600 grey photographs of fifty toys, one for every combination of five factors.

    category 5 × instance 10 × elevation 9 × azimuth 18 × lighting 6

Instances 4, 6, 7, 8 and 9 of each category are the published training data, the others the test data. Of the two
cameras the first is taken. The files hold binary matrices: a magic number for the type, the number of axes, three sides
at least, and the values, all in little-endian order. Those of 96×96 are

    smallnorb-5x46789x9x18x6x2x96x96-training-{dat,cat,info}.mat
    smallnorb-5x01235x9x18x6x2x96x96-testing-{dat,cat,info}.mat

as they are or packed (.gz): ``dat`` the pictures (24300, 2, 96, 96), ``cat`` the category, ``info`` instance,
elevation, azimuth and lighting. The azimuth is stored doubled.

Source: LeCun et al., Learning methods for generic object recognition, CVPR 2004;
https://cs.nyu.edu/~ylclab/data/norb-v1.0-small/
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from .dataset import Dataset, seeded_split
from .downloads import published
from .mapped import Progress
from .streamed import Scaling, rows_at_once, streamed

__all__ = ["FACTOR_NAMES", "FACTOR_SIZES", "FILES", "is_on_disk", "load"]

ADDRESS = "https://cs.nyu.edu/~ylclab/data/norb-v1.0-small/"
FACTOR_NAMES = ("category", "instance", "elevation", "azimuth", "lighting")
FACTOR_SIZES = (5, 10, 9, 18, 6)
CATEGORIES = ("animal", "human", "airplane", "truck", "car")
PARTS = ("smallnorb-5x46789x9x18x6x2x96x96-training", "smallnorb-5x01235x9x18x6x2x96x96-testing")
CAMERAS, SIDE = 2, 96
MD5 = {  # packed, and as they are
    f"{PARTS[0]}-dat.mat": ("66054832f9accfe74a0f4c36a75bc0a2", "8138a0902307b32dfa0025a36dfa45ec"),
    f"{PARTS[0]}-cat.mat": ("23c8b86101fbf0904a000b43d3ed2fd9", "fd5120d3f770ad57ebe620eb61a0b633"),
    f"{PARTS[0]}-info.mat": ("51dee1210a742582ff607dfd94e332e3", "19faee774120001fc7e17980d6960451"),
    f"{PARTS[1]}-dat.mat": ("e4ad715691ed5a3a5f138751a4ceb071", "e9920b7f7b2869a8f1a12e945b2c166c"),
    f"{PARTS[1]}-cat.mat": ("5aa791cd7e6016cf957ce9bdb93b8603", "fd5120d3f770ad57ebe620eb61a0b633"),
    f"{PARTS[1]}-info.mat": ("a9454f3864d7fd4bb3ea7fc3eb84924e", "7c5b871cc69dcadec1bf6a18141f5edc"),
}
FILES = tuple(MD5)
TYPES: dict[int, np.dtype[Any]] = {507333717: np.dtype(np.uint8), 507333716: np.dtype("<i4")}  # by the magic number


def load(
    path: Path | None,
    root: Path,
    *,
    image_size: int | None = None,
    subsample: int | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """All pictures of the first camera with their factors and the published split; labels are the categories.

    Args:
        path: The folder of the six files; None for ``root``/smallnorb, to which those that are missing are downloaded.
        root: Folder of the download and of the prepared images.
        image_size: Side in pixels that pictures are scaled to.
        subsample: How many, chosen at random once and for all; by default all.
        progress: Called with the number of bytes downloaded, then of pictures read.

    Raises:
        ValueError: A file is damaged, or not laid out as the published one.
        OSError: One is not there, or cannot be read, written or downloaded.
    """
    files = [_place(name, path or root / "smallnorb") or _downloaded(name, path, root, progress) for name in FILES]
    factors = _factors(files)
    md5 = [MD5[file.stem][0] if file.suffix == ".gz" else MD5[file.name][1] for file in files]
    some = streamed(
        "smallnorb", root, files, (len(factors), SIDE, SIDE, 1), lambda: _blocks(files), Scaling(image_size),
        subsample=subsample, md5=md5, progress=progress,
    )  # fmt: skip
    data = some.dataset("smallnorb", files[0].parent, factors, FACTOR_NAMES, FACTOR_SIZES)
    train, held_out = _split(some.of(torch.arange(len(factors))), len(factors) // 2)
    labels = some.of(factors[:, 0])
    return replace(data, labels=labels, label_names=CATEGORIES, train=train, held_out=held_out)


def is_on_disk(root: Path) -> bool:
    """Whether all six files are there."""
    return all(_place(name, root / "smallnorb") is not None for name in FILES)


def _place(name: str, folder: Path) -> Path | None:
    """Where a file lies in a folder, packed or not."""
    places = (folder / name, folder / f"{name}.gz")
    return next((place for place in places if place.is_file()), None)


def _downloaded(name: str, path: Path | None, root: Path, progress: Progress | None) -> Path:
    if path is not None:
        where = f"{path} has no {name}" if path.is_dir() else f"{path} is not a folder"
        raise FileNotFoundError(f"{where}, also not packed (.gz); give the folder of all {len(FILES)} files")
    file = root / "smallnorb" / f"{name}.gz"
    return published(f"{ADDRESS}{name}.gz", file, "smallnorb", md5=MD5[name][0], progress=progress)


def _factors(files: Sequence[Path]) -> Tensor:
    """Classes of all pictures, ``(N, 5)``, in the order of the files."""
    count = prod(FACTOR_SIZES) // len(PARTS)
    parts = []
    for _, cat, info in (files[:3], files[3:]):
        parts.append(np.hstack([_values(cat, (count,))[:, None], _values(info, (count, 4))]))
    factors = np.concatenate(parts).astype(np.int64)
    is_doubled = (factors[:, 3] % 2 == 0).all()
    factors[:, 3] //= 2
    inside = ((factors >= 0) & (factors < FACTOR_SIZES)).all()
    if not (is_doubled and inside and len(np.unique(factors, axis=0)) == len(factors)):
        raise ValueError(
            f"{files[1].parent} has not the published files: their factors are not all combinations of "
            f"{', '.join(f'{size} {name}' for name, size in zip(FACTOR_NAMES, FACTOR_SIZES, strict=True))}"
        )
    return torch.from_numpy(factors)


def _split(index: Tensor, half: int) -> tuple[Tensor, Tensor]:
    """Training and held-out data among the pictures of an index; drawn where all are from one of the files."""
    train, held_out = (index < half).nonzero().squeeze(1), (index >= half).nonzero().squeeze(1)
    return (train, held_out) if len(train) and len(held_out) else seeded_split(len(index))


def _blocks(files: Sequence[Path]) -> Iterator[np.ndarray]:
    """The pictures of the first camera, in the order of the files."""
    shape = (prod(FACTOR_SIZES) // len(PARTS), CAMERAS, SIDE, SIDE)
    for file in (files[0], files[3]):
        with _matrix(file, np.dtype(np.uint8), shape) as matrix:
            left, at_once = shape[0], rows_at_once(shape[1:])
            while left:
                rows = min(left, at_once)
                left -= rows
                pairs = _read(file, matrix, rows * prod(shape[1:])).reshape(rows, *shape[1:])
                yield pairs[:, 0, :, :, None]


def _values(file: Path, shape: tuple[int, ...]) -> np.ndarray:
    with _matrix(file, np.dtype("<i4"), shape) as matrix:
        return _read(file, matrix, 4 * prod(shape)).view("<i4").reshape(shape)


def _read(path: Path, matrix: IO[bytes], size: int) -> np.ndarray:
    content = matrix.read(size)
    if len(content) < size:
        packed = path.with_name(f"{path.name}.gz")
        hint = f"; remove it, and {packed.name} beside it is read" if packed.is_file() else ""
        raise ValueError(f"{path} is damaged: it is cut short{hint}")
    return np.frombuffer(content, np.uint8)


@contextmanager
def _matrix(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Iterator[IO[bytes]]:
    """A binary matrix, open behind its header, which says what is expected; at the end there is no more of it."""
    try:
        with open(path, "rb") as file, _unpacked(file) as matrix:
            known, sides = _header(matrix)
            if known != dtype or sides != shape:
                came = f"{'×'.join(map(str, sides))} {known}" if known else "no matrix of uint8 or int32"
                raise ValueError(
                    f"{path} is damaged or not the published file: expected {'×'.join(map(str, shape))} {dtype}, "
                    f"got {came}"
                )
            yield matrix
            if matrix.read(1):  # at the end of a packed file the checksum is compared
                raise ValueError(f"{path} is damaged: it is longer than its header states")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path} is damaged or cut short: {error}") from error


def _unpacked(file: IO[bytes]) -> IO[bytes]:
    is_packed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    return gzip.GzipFile(fileobj=file) if is_packed else file  # type: ignore[return-value]


def _header(matrix: IO[bytes]) -> tuple[np.dtype[Any] | None, tuple[int, ...]]:
    """The type and the sides of a matrix; None where it is none."""
    start = matrix.read(8)
    magic, axes = struct.unpack("<ii", start) if len(start) == 8 else (0, 0)
    if magic not in TYPES or not 0 < axes <= 8:
        return None, ()
    stored = matrix.read(4 * max(3, axes))  # three sides at least, where there are fewer axes
    return TYPES[magic], tuple(np.frombuffer(stored[: len(stored) // 4 * 4], "<i4")[:axes].tolist())
