"""Cars3D: 183 models of cars in colour, each from 24 sides (azimuth) and 4 heights (elevation), 128×128.

The published archive has a file of MATLAB a model, ``data/cars/car_<number>_mesh.mat``, whose array ``im`` is
(128, 128, 3, 24, 4). Models are numbered in the order of their files' names.

Source: Reed et al., Deep visual analogy-making, NIPS 2015,
https://papers.nips.cc/paper/5845-deep-visual-analogy-making; http://www.scottreed.info
"""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from collections.abc import Iterator
from math import prod
from pathlib import Path, PurePosixPath
from tempfile import TemporaryFile

import numpy as np

from ..settings.words import plain
from .archives import MOST_BYTES
from .dataset import Dataset
from .downloads import published
from .mapped import Progress
from .notes import counted
from .room import OR_FEWER, check_room
from .streamed import Scaling, grid, streamed

__all__ = ["FACTOR_NAMES", "FACTOR_SIZES", "load", "place"]

URL = "http://www.scottreed.info/files/nips2015-analogy-data.tar.gz"
MD5 = "4e866a7919c1beedf53964e6f7a23686"
FACTOR_NAMES = ("elevation", "azimuth", "object_type")
FACTOR_SIZES = (4, 24, 183)
SHAPE = (128, 128, 3)


def load(
    path: Path | None,
    root: Path,
    *,
    image_size: int | None = None,
    grey: bool = False,
    subsample: int | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """All pictures with their factors, or a random part of them.

    Args:
        path: The published archive, or a folder of its files of MATLAB; None for the archive in ``root``/cars3d, which
            is downloaded if it is not there.
        root: Folder of the download and of the prepared images.
        image_size: Side in pixels that pictures are scaled to.
        grey: Whether they are turned to grey.
        subsample: How many, chosen at random once and for all; by default all.
        progress: Called with the number of bytes downloaded, then of pictures read.

    Raises:
        ValueError: The archive or a file is damaged, or not laid out as the published one.
        OSError: It cannot be read, written or downloaded.
    """
    heights, turns, models = FACTOR_SIZES
    shape, scaling = (prod(FACTOR_SIZES), *SHAPE), Scaling(image_size, grey)
    room = prod(shape) + scaling.bytes_of(shape, subsample)  # unpacked, and prepared
    source = path or published(URL, place(root), "cars3d", md5=MD5, room=room, progress=progress)
    files = _files(source) if source.is_dir() else [source]
    some = streamed(
        "cars3d", root, files, shape,
        lambda: map(_pictures, files) if source.is_dir() else _unpacked(source, root / "prepared", room),
        scaling, subsample=subsample, md5=[] if source.is_dir() else [MD5], progress=progress,
    )  # fmt: skip
    factors = grid([models, heights, turns])[:, [1, 2, 0]]
    return some.dataset("cars3d", source, factors, FACTOR_NAMES, FACTOR_SIZES)


def place(root: Path) -> Path:
    """Where the download lies."""
    return root / "cars3d" / "nips2015-analogy-data.tar.gz"


def _files(folder: Path) -> list[Path]:
    """The files of the models, in the folder or where the archive has them below it."""
    places = (folder / "data" / "cars", folder / "cars", folder)
    files = next(filter(None, (sorted(place.glob("[!.]*.mat")) for place in places)), [])
    _check_count(folder, len(files))
    return files


def _unpacked(path: Path, scratch: Path, room: int) -> Iterator[np.ndarray]:
    """The pictures of each model in the archive, in the order of their names.

    The archive has them in any order, and is packed as a whole: it is read once, into a file without a name in the
    folder ``scratch``, which has to have ``room`` for that many bytes.
    """
    size = prod(SHAPE) * prod(FACTOR_SIZES[:2])
    check_room(scratch / "cars3d", room, OR_FEWER)
    places: dict[str, int] = {}
    with TemporaryFile(dir=scratch) as unpacked:
        for name, content in _members(path):
            places[name] = unpacked.tell()
            unpacked.write(_views(f"{path}/{plain(name)}", content).data)
        _check_count(path, len(places))
        for name in sorted(places):
            unpacked.seek(places[name])
            yield np.frombuffer(unpacked.read(size), np.uint8).reshape(-1, *SHAPE)


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    """The files of the models in the archive, with their names, in its order."""
    try:
        with open(path, "rb") as file:
            is_packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            stream = gzip.GzipFile(fileobj=file) if is_packed else file
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                for member in archive:
                    if member.isfile() and PurePosixPath(member.name).match("cars/[!.]*.mat"):
                        content = archive.extractfile(member)
                        assert content is not None
                        yield member.name, content.read(MOST_BYTES)
            while stream.read(2**20):  # at the end the checksum is compared
                pass
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path} is damaged, cut short, or no tar: {error}") from error


def _pictures(file: Path) -> np.ndarray:
    return _views(str(file), file.read_bytes())


def _views(name: str, content: bytes) -> np.ndarray:
    """The pictures in a file of MATLAB, the azimuth fastest: uint8 ``(96, 128, 128, 3)``.

    What counts is the type that they are stored in: MATLAB stores doubles in bytes where they are such numbers.
    """
    from scipy.io import loadmat, whosmat

    heights, turns, _ = FACTOR_SIZES
    wanted = (*SHAPE, turns, heights)
    try:
        known = {array: tuple(shape) for array, shape, _ in whosmat(io.BytesIO(content))}
        is_right = known.get("im") == wanted  # before it is unpacked
        images = loadmat(io.BytesIO(content), variable_names=["im"])["im"] if is_right else None
    except MemoryError:
        raise
    except Exception as error:  # whatever the bytes of a damaged file make scipy's reader raise
        raise ValueError(f"{name} is damaged or no file of MATLAB: {' '.join(str(error).split())}") from error
    if images is None or images.dtype != np.uint8:
        came = known.get("im", f"only {', '.join(known)[:60] or 'nothing'}") if images is None else images.dtype
        raise ValueError(f"{name} is not as published: expected an array im, {wanted} of uint8, got {came}")
    views: np.ndarray = np.ascontiguousarray(images.transpose(4, 3, 0, 1, 2))
    return views.reshape(-1, *SHAPE)


def _check_count(path: Path, count: int) -> None:
    if count != FACTOR_SIZES[2]:
        raise ValueError(
            f"{path} holds {counted(count, 'model')} (cars/*.mat) in place of {FACTOR_SIZES[2]}: it is incomplete, or "
            "not the published archive"
        )
