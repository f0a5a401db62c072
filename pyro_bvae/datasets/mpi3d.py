"""MPI3D: a robot's arm holds a body in front of a camera, 64×64 in colour, all combinations of seven factors.

    object_color 6 × object_shape 6 × object_size 2 × camera_height 3 × background_color 3
    × horizontal_axis 40 × vertical_axis 40, the last fastest

There are four sets: ``toy`` and ``realistic`` are rendered, ``real`` and ``complex`` are photographs. The first three
have 1,036,800 images, ``complex`` has 4 colours and 4 shapes (cup, tennis ball, croissant, beer cup), and 460,800. The
sets of the NeurIPS 2019 challenge had 4 and 4 as well, so that the sizes are read off the number of images.

Each published file is an npz with the array ``images``, of up to 12.7 GB. It is read in blocks. The pictures of the
first mpi3d_real.npz were damaged, in a file that is whole; since May 2024 there is another in its place.

Source: Gondal et al., On the transfer of inductive bias from simulation to the real world, NeurIPS 2019,
https://arxiv.org/abs/1906.03292; https://github.com/rr-learning/disentanglement_dataset
"""

from __future__ import annotations

from dataclasses import replace
from math import prod
from pathlib import Path

import numpy as np

from .dataset import Dataset
from .downloads import published
from .mapped import Progress
from .numpy_files import blocks_of, header_of
from .streamed import Scaling, grid, rows_at_once, streamed

__all__ = ["FACTOR_NAMES", "FACTOR_SIZES", "FILES", "load", "place"]

FACTOR_NAMES = (
    "object_color", "object_shape", "object_size", "camera_height", "background_color", "horizontal_axis",
    "vertical_axis",
)  # fmt: skip
FACTOR_SIZES = ((6, 6, 2, 3, 3, 40, 40), (4, 4, 2, 3, 3, 40, 40))
SHAPE = (64, 64, 3)
ADDRESS = "https://huggingface.co/datasets/waleedgondal/mpi3d/resolve/main/"
DRIVE = "https://drive.google.com/file/d/1Tp8eTdHxgUMtsZv5uAoYAbJR1BOa_OQm"  # which a program cannot download from


FILES = {
    "toy": "mpi3d_toy.npz",
    "realistic": "mpi3d_realistic.npz",
    "real": "mpi3d_real.npz",
    "complex": "real3d_complicated_shapes_ordered.npz",
}
MD5 = {  # of the files at an earlier address
    "toy": "55889cb7c7dfc655d6e0277beee88868",
    "realistic": "59a6225b88b635365f70c91b3e52f70f",
    "real": "0f33f609918fb5c97996692f91129802",
}


def load(
    which: str | Path,
    root: Path,
    *,
    image_size: int | None = None,
    grey: bool = False,
    subsample: int | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """All images of a set with their factors, or a random part of them.

    Args:
        which: A key of `FILES`, whose file is looked for in ``root``/mpi3d and downloaded if it is not there; or the
            path of a file of your own.
        root: Folder of the download and of the prepared images.
        image_size: Side in pixels that images are scaled to.
        grey: Whether they are turned to grey.
        subsample: How many images, chosen at random once and for all; by default all.
        progress: Called with the number of bytes downloaded, then of images read.

    Raises:
        ValueError: The file is damaged, or not laid out as the published ones.
        OSError: It cannot be read, written or downloaded.
    """
    scaling = Scaling(image_size, grey)
    file = which if isinstance(which, Path) else _published(which, root, scaling, subsample, progress)
    name = "mpi3d" if isinstance(which, Path) else f"mpi3d-{which}"
    sizes = _sizes(file)
    shape = (prod(sizes), *SHAPE)
    some = streamed(
        name, root, [file], shape, lambda: blocks_of(file, "images", SHAPE, rows_at_once(SHAPE)),
        scaling, subsample=subsample, progress=progress,
    )  # fmt: skip
    data = some.dataset(name, file, grid(sizes), FACTOR_NAMES, sizes)
    return replace(data, notes=(*data.notes, *_note_on_sizes(which, sizes)))


def place(root: Path, which: str) -> Path:
    """Where the download of a set lies."""
    return root / "mpi3d" / FILES[which]


def _published(which: str, root: Path, scaling: Scaling, subsample: int | None, progress: Progress | None) -> Path:
    file, shape = place(root, which), (prod(FACTOR_SIZES[0]), *SHAPE)
    if which != "complex":
        url = f"{ADDRESS}{FILES[which]}"
        room = prod(shape) + scaling.bytes_of(shape, subsample)  # the file is not packed
        return published(url, file, "mpi3d", md5=MD5[which], advisory=True, room=room, progress=progress)
    if not file.is_file():
        raise FileNotFoundError(f"{file} is not there, and is not downloaded: get it from {DRIVE}, or use mpi3d:PATH")
    return file


def _sizes(path: Path) -> tuple[int, ...]:
    """The sizes of the factors of as many images as a file holds."""
    shape, dtype = header_of(path, "images")
    known = {prod(sizes): sizes for sizes in FACTOR_SIZES}
    if shape[-3:] != SHAPE or dtype != np.uint8 or prod(shape[:-3]) not in known:
        counts = " or ".join(f"{count:,}" for count in known)
        wanted = f"{counts} images of {'×'.join(map(str, SHAPE))}, uint8"
        raise ValueError(
            f"{path} is not a published file: expected {wanted}, got {'×'.join(map(str, shape))} {dtype}; for others "
            "np.savez images and factors, and name it npz:FILE"
        )
    return known[prod(shape[:-3])]


def _note_on_sizes(which: str | Path, sizes: tuple[int, ...]) -> list[str]:
    if isinstance(which, Path) or sizes == FACTOR_SIZES[1 if which == "complex" else 0]:
        return []
    said = f"{sizes[0]} colours and {sizes[1]} shapes"
    return [f"it holds {prod(sizes):,} images, {said}: not as many as mpi3d:{which} has as it is published today"]
