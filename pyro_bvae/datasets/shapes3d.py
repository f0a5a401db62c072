"""3D Shapes: 480,000 pictures of a body in a room, 64×64 in colour, one for every combination of six factors.

    floor_hue 10 × wall_hue 10 × object_hue 10 × scale 8 × shape 4 × orientation 15, orientation fastest

The published file is an HDF5 with the arrays ``images`` (480000, 64, 64, 3) and ``labels`` (480000, 6), the values of
the factors. It unpacks to 5.9 GB and is read in slices.

Source: Kim and Mnih, Disentangling by factorising, https://arxiv.org/abs/1802.05983;
https://github.com/google-deepmind/3d-shapes
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ..files import wanted
from .dataset import Dataset
from .downloads import published
from .kinds import kind_of
from .mapped import Progress
from .streamed import Scaling, grid, rows_at_once, streamed

__all__ = ["FACTOR_NAMES", "FACTOR_SIZES", "load", "place"]

URL = "https://storage.googleapis.com/3d-shapes/3dshapes.h5"
BYTES = 267_573_662
MD5 = "099a2078d58cec4daad0702c55d06868"
FACTOR_NAMES = ("floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation")
FACTOR_SIZES = (10, 10, 10, 8, 4, 15)
SHAPE = (64, 64, 3)
MOST_BYTES = 2**28  # of images that lie in the same chunks of the file, and are held at a time


def load(
    path: Path | None,
    root: Path,
    *,
    image_size: int | None = None,
    grey: bool = False,
    subsample: int | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """All images with their factors, or a random part of them.

    Args:
        path: The published file; None for ``root``/shapes3d/3dshapes.h5, which is downloaded if it is not there.
        root: Folder of the download and of the prepared images.
        image_size: Side in pixels that images are scaled to.
        grey: Whether they are turned to grey.
        subsample: How many images, chosen at random once and for all; by default all.
        progress: Called with the number of bytes downloaded, then of images read.

    Raises:
        ValueError: The file is damaged, or not laid out as the published one.
        OSError: There is no h5py; or the file cannot be read, written or downloaded.
    """
    shape, scaling = (prod(FACTOR_SIZES), *SHAPE), Scaling(image_size, grey)
    room = BYTES + scaling.bytes_of(shape, subsample)
    file = path or published(URL, place(root), "shapes3d", md5=MD5, room=room, progress=progress)
    some = streamed(
        "shapes3d", root, [file], shape, lambda: _blocks(file), scaling,
        subsample=subsample, md5=[MD5], progress=progress,
    )  # fmt: skip
    return some.dataset("shapes3d", file, grid(FACTOR_SIZES), FACTOR_NAMES, FACTOR_SIZES)


def place(root: Path) -> Path:
    """Where the download lies."""
    return root / "shapes3d" / "3dshapes.h5"


def _blocks(path: Path) -> Iterator[np.ndarray]:
    """The images in their order, once the labels are what they should be."""
    with _opened(path) as file:
        images = _array(path, file, "images", (prod(FACTOR_SIZES), *SHAPE))
        if images.dtype != np.uint8:
            raise ValueError(f"{path} is not the published file: its images are {images.dtype}, expected uint8")
        _check_labels(path, _array(path, file, "labels", (prod(FACTOR_SIZES), len(FACTOR_SIZES)))[:])
        buffer = np.empty((min(_rows(images), len(images)), *SHAPE), np.uint8)
        pieces = rows_at_once(SHAPE)
        for start in range(0, len(images), len(buffer)):
            rows = min(len(buffer), len(images) - start)
            images.read_direct(buffer, np.s_[start : start + rows], np.s_[:rows])
            for first in range(0, rows, pieces):
                yield buffer[first : min(first + pieces, rows)]


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The file, open; what a damaged one makes HDF5 raise is a ValueError."""
    h5py = wanted("h5py", "shapes3d", "hdf5")
    with open(path, "rb") as file:
        first = file.read(2**8)
    if not first.startswith(b"\x89HDF"):
        raise ValueError(f"{path} is damaged or no HDF5 file: {kind_of(first)}")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, RuntimeError, KeyError) as error:  # as h5py calls all that HDF5 reports
        reason = " ".join(str(error).split())
        if isinstance(error, OSError) and error.errno:  # of the system, like a lock
            raise OSError(error.errno, error.strerror or reason, str(path)) from error
        raise ValueError(f"{path} is damaged or cut short: {reason}") from error


def _array(path: Path, file: Any, name: str, shape: tuple[int, ...]) -> Any:
    array = file.get(name)
    if array is None or getattr(array, "shape", None) != shape:
        came = f"only {', '.join(sorted(file))[:100] or 'nothing'}" if array is None else f"{array.shape}"
        raise ValueError(f"{path} is not the published file: expected an array {name} of shape {shape}, got {came}")
    return array


def _rows(images: Any) -> int:
    """How many images to read at a time: all that lie in the same chunks, which are unpacked as a whole."""
    together = 1 if images.chunks is None else images.chunks[0]
    least = rows_at_once(SHAPE)
    return min(-(-least // together) * together, max(1, MOST_BYTES // prod(SHAPE)))


def _check_labels(path: Path, labels: np.ndarray) -> None:
    """Make sure that the images are in the published order.

    Raises:
        ValueError: The values of the factors say otherwise.
    """
    columns = labels.T.round(6) if labels.dtype.kind in "iuf" else labels.T
    classes = [np.unique(column, return_inverse=True)[1] for column in columns]
    if not np.array_equal(np.stack(classes, axis=1), grid(FACTOR_SIZES).numpy()):
        raise ValueError(
            f"{path} is not the published file: its labels are not all combinations of {len(FACTOR_SIZES)} factors, "
            "the last one fastest; np.savez images and factors, and name it npz:FILE"
        )
