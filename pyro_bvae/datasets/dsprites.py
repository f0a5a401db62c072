"""dSprites: 737,280 white sprites on black, 64×64, one for every combination of five factors; drawn here.

    shape 3 × scale 6 × orientation 40 × position x 32 × position y 32, position y fastest

A sprite is a polygon that is rotated, scaled and moved, with its corners rounded to 1/256 of a pixel. A pixel is white
if its centre lies inside. The 442 images that were compared with the published ones are equal to the last pixel. All
images together have 2 white pixels more, of 128 million, than the published mean implies.

Which pixels lie inside follows from the even-odd rule: each edge that crosses the centre line of a row of pixels flips
all pixels to the right of the crossing. A row of 64 pixels is one integer of 64 bits, and a flip is an exclusive or.

Source: Matthey et al., https://github.com/google-deepmind/dsprites-dataset (the geometry was recovered from its images)
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .checksums import check_md5
from .dataset import Dataset, random_subset
from .mapped import Progress, mapped
from .numpy_files import blocks_of, read_npz
from .streamed import grid

__all__ = ["FACTOR_NAMES", "FACTOR_SIZES", "draw", "load"]

FACTOR_NAMES = ("shape", "scale", "orientation", "posX", "posY")
FACTOR_SIZES = (3, 6, 40, 32, 32)
MD5 = "7da33b31b13a06f4b04a70402ce90c2e"  # of dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz
SIDE = 64  # pixels
GRID_A_PIXEL = 256  # corners are rounded to 1/256 of a pixel
ALL_WHITE = np.uint64(2**64 - 1)


def load(
    path: Path | None, root: Path, *, subsample: int | None = None, md5: str = MD5, progress: Progress | None = None
) -> Dataset:
    """All images with their factors, or a random part of them.

    Args:
        path: The published npz; None to draw the images.
        root: Folder that the images are written to, 3.0 GB; a subsample is drawn in memory.
        subsample: How many images, chosen at random once and for all; by default all.
        md5: The expected MD5 of the npz.
        progress: Called with the number of images made.

    Returns:
        uint8 images of 0 and 255, ``(N, 1, 64, 64)``, with integer factors ``(N, 5)``.

    Raises:
        ValueError: The npz is not the published one.
        OSError: It cannot be read, or there is no room.
    """
    factors = grid(FACTOR_SIZES)
    if path is not None:
        check_md5(path, md5)
        classes = read_npz(path, ["latents_classes"])["latents_classes"]  # its metadata is a pickle, and is not read
        factors = torch.from_numpy(classes[:, 1:].astype(np.int64))  # the first is a constant colour
    index = None if subsample is None else random_subset(len(factors), subsample)
    digest = None
    if path is None and index is not None:
        images = torch.from_numpy(np.concatenate(list(_drawn(index.numpy()))))
    else:
        kept = root / "prepared" / ("dsprites.u8" if path is None else "dsprites-published.u8")
        key = {"drawn": 1} if path is None else {"md5": md5}
        published = None if path is None else blocks_of(path, "imgs", (SIDE, SIDE), 1024)
        blocks = _drawn() if published is None else (white[:, None] * np.uint8(255) for white in published)
        images, digest = mapped(kept, key, lambda: ((len(factors), 1, SIDE, SIDE), blocks), progress)
        if index is not None:
            images, digest = images[index], None
    return Dataset(
        "dsprites",
        images,
        factors=factors if index is None else factors[index],
        factor_names=FACTOR_NAMES,
        factor_sizes=FACTOR_SIZES,
        source="drawn by pyro_bvae" if path is None else str(path),
        digest=digest,
    )


def draw(shape: int, scale: int, orientation: int) -> Tensor:
    """The sprite of three factors at all positions: uint8 images of 0 and 255, ``(1024, 1, 64, 64)``, posY fastest.

    >>> int((draw(shape=0, scale=5, orientation=0)[0] > 0).sum())  # 20 pixels a side
    400
    """
    return torch.from_numpy(_images(_sprite(shape, scale, orientation)))


def _sprite(shape: int, scale: int, orientation: int) -> np.ndarray:
    """Rows of pixels of one sprite at all positions, uint64 ``(1024, 64)``."""
    return _rows(_outlines()[shape], 0.5 + 0.1 * scale, 2 * np.pi * orientation / 39).reshape(-1, SIDE)


@cache
def _outlines() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Corners of square, ellipse and heart around their centres, each ``(V, 2)``, in pixels, y down."""
    t, u = (2 * np.pi * np.arange(corners) / corners for corners in (100, 150))
    square = 9.6 * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    ellipse = np.stack([9.6 * 1.33 * np.cos(t), 9.6 / 1.33 * np.sin(t)], axis=1)
    lobes = 13 * np.cos(u) - 5 * np.cos(2 * u) - 2 * np.cos(3 * u) - np.cos(4 * u)
    heart = np.stack([9.6 * np.sin(u) ** 3, -9.6 * lobes / 14.5 - 1.44], axis=1)
    return square, ellipse, heart


def _rows(outline: np.ndarray, scale: float, angle: float) -> np.ndarray:
    """Rows of pixels as bits, the leftmost lowest: uint64 ``(32, 32, 64)``, of all positions x and y."""
    centre = SIDE / 4 + SIDE / 2 * np.arange(32)[:, None] / 31
    x, y = outline.T
    turned = np.cos(angle) * x + np.sin(angle) * y, -np.sin(angle) * x + np.cos(angle) * y
    x, y = (np.round(GRID_A_PIXEL * (centre + scale * along)) / GRID_A_PIXEL for along in turned)  # each (32, V)
    next_x, next_y = np.roll(x, -1, axis=1), np.roll(y, -1, axis=1)
    height = np.arange(SIDE)[:, None] + 0.5
    at_y, row, edge = ((y[:, None] < height) != (next_y[:, None] < height)).nonzero()  # the crossings, C of them
    share = (row + 0.5 - y[at_y, edge]) / (next_y[at_y, edge] - y[at_y, edge])
    crossing = x[:, edge] + share * (next_x[:, edge] - x[:, edge])  # (32, C)
    first = np.ceil(crossing - 0.5).astype(np.uint64)  # the first pixel whose centre is not left of it
    flips = np.left_shift(ALL_WHITE, first)
    place = at_y * SIDE + row
    starts = np.flatnonzero(np.diff(place, prepend=-1))  # crossings of one row lie together
    rows = np.zeros((32, 32 * SIDE), np.uint64)
    rows[:, place[starts]] = np.bitwise_xor.reduceat(flips, starts, axis=1)
    return rows.reshape(32, 32, SIDE)


def _images(rows: np.ndarray) -> np.ndarray:
    octets = rows.astype("<u8").view(np.uint8).reshape(-1, 1, SIDE, SIDE // 8)
    return np.unpackbits(octets, axis=-1, bitorder="little") * np.uint8(255)


def _drawn(index: np.ndarray | None = None) -> Iterator[np.ndarray]:
    """The images, or those of a sorted index, in blocks of one shape, scale and orientation."""
    for number, factors in enumerate(product(range(3), range(6), range(40))):
        if index is None:
            yield _images(_sprite(*factors))
            continue
        first, last = np.searchsorted(index, [1024 * number, 1024 * (number + 1)])
        if first < last:
            yield _images(_sprite(*factors)[index[first:last] - 1024 * number])
