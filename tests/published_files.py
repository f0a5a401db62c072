"""Small files in the formats of published image sets, and what is in them."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyro_bvae.datasets import cars3d, mpi3d, shapes3d, smallnorb

SHAPES3D = (2, 3, 2, 2, 2, 2)
CARS3D = (2, 3, 4)
SMALLNORB = (2, 10, 1, 2, 2)
MPI3D = ((3, 2, 2, 1, 1, 4, 2), (2, 2, 2, 1, 1, 4, 2))


@dataclass(frozen=True)
class Published:
    """A small copy of a published set.

    Attributes:
        name: As `load` takes it.
        place: Where its file or folder lies under the data root.
        write: Writes it there, and returns all images ``(N, H, W, C)``, in the order in which they are loaded.
        shrink: Makes the loader expect so few.
        sizes: Of the small copy's factors.
        true_sizes: Of the published factors, and
        names: theirs.
        count: How many images are published.
    """

    name: str
    place: str
    write: Callable[[Path], np.ndarray]
    shrink: Callable[[pytest.MonkeyPatch], None]
    sizes: tuple[int, ...]
    true_sizes: Callable[[], tuple[int, ...]]
    names: tuple[str, ...]
    count: int

    @property
    def own(self) -> str:
        """What stands before the path of one's own copy."""
        return self.name.partition(":")[0]


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.frombuffer(np.random.default_rng(seed).bytes(prod(shape)), np.uint8).reshape(shape)


def grid_of(sizes: Sequence[int]) -> np.ndarray:
    """All combinations, the last factor fastest."""
    return np.stack(np.unravel_index(np.arange(prod(sizes)), sizes), axis=1)


def write_shapes3d(
    path: Path, sizes: Sequence[int] = SHAPES3D, together: tuple[int, ...] = (40, 16, 16, 1), **changes: Any
) -> np.ndarray:
    """An HDF5 with images and labels as they are published, in chunks of the kind that h5py chooses for such an array.

    Args:
        path: The file.
        sizes: Of the factors.
        together: The sides of a chunk of images.
        changes: Arrays in the place of ``images`` or ``labels``; None leaves one out.
    """
    h5py = pytest.importorskip("h5py")
    values = [np.linspace(0, 0.9, sizes[0]), np.linspace(0, 0.9, sizes[1]), np.linspace(0, 0.9, sizes[2])]
    values += [np.linspace(0.75, 1.25, sizes[3]), np.arange(float(sizes[4])), np.linspace(-30, 30, sizes[5])]
    labels = np.stack([each[column] for each, column in zip(values, grid_of(sizes).T, strict=True)], axis=1)
    arrays = {"labels": labels, **changes}
    if "images" not in arrays:
        arrays["images"] = noise(len(labels), 64, 64, 3)
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            if array is not None:
                chunks = tuple(map(min, together, array.shape)) if array.ndim == 4 else True
                file.create_dataset(name, data=array, compression="gzip", chunks=chunks)
    return arrays["images"]


def write_mpi3d(path: Path, sizes: Sequence[int] = MPI3D[0], *, packed: bool = False, **arrays: Any) -> np.ndarray:
    """An npz with the array images; as published it is not packed."""
    if not arrays:
        arrays["images"] = noise(prod(sizes), 64, 64, 3, seed=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    (np.savez_compressed if packed else np.savez)(path, **arrays)
    return arrays["images"]


def matrix(array: np.ndarray) -> bytes:
    """A binary matrix as SmallNORB has them: its type, its axes, three sides at least, its values."""
    magic = {"uint8": 507333717, "int32": 507333716}[str(array.dtype)]
    sides = [*array.shape, *[1] * (3 - array.ndim)]
    return struct.pack(f"<ii{len(sides)}i", magic, array.ndim, *sides) + array.tobytes()


def write_smallnorb(folder: Path, sizes: Sequence[int] = SMALLNORB, *, packed: bool = True) -> np.ndarray:
    """The six files, pictures of two cameras in no order; the first camera's are returned."""
    folder.mkdir(parents=True, exist_ok=True)
    random, first = np.random.default_rng(0), []
    for part, instances in zip(smallnorb.PARTS, ((4, 6, 7, 8, 9), (0, 1, 2, 3, 5)), strict=True):
        factors = random.permutation(grid_of(sizes)[np.isin(grid_of(sizes)[:, 1], instances)]).astype(np.int32)
        pictures = noise(len(factors), 2, 96, 96, seed=len(part))
        contents = {"dat": pictures, "cat": factors[:, 0], "info": factors[:, 1:] * np.array([1, 1, 2, 1], np.int32)}
        for kind, array in contents.items():
            content = matrix(array)
            if packed:
                (folder / f"{part}-{kind}.mat.gz").write_bytes(gzip.compress(content, 1))
            else:
                (folder / f"{part}-{kind}.mat").write_bytes(content)
        first.append(pictures[:, 0, :, :, None])
    return np.concatenate(first)


def car(model: int, sizes: Sequence[int] = CARS3D, **arrays: Any) -> tuple[bytes, np.ndarray]:
    """A file of MATLAB of one model, and its pictures, the azimuth fastest."""
    from scipy.io import savemat

    heights, sides, _ = sizes
    pictures = noise(heights, sides, 128, 128, 3, seed=model)
    mask = np.zeros((128, 128, sides, heights), np.uint8)
    content = io.BytesIO()
    savemat(content, {"im": pictures.transpose(2, 3, 4, 1, 0), "mask": mask} | arrays, do_compression=True)
    return content.getvalue(), pictures.reshape(-1, 128, 128, 3)


def write_cars3d(path: Path, sizes: Sequence[int] = CARS3D, mode: str = "w:gz") -> np.ndarray:
    """The archive: models in no order, beside a list of them and other data."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cars = {f"data/cars/car_{number:03}_mesh.mat": car(number, sizes) for number in range(1, sizes[2] + 1)}
    others = {"data/cars/list.txt": b"car_001_mesh\n", "data/shapes48.mat": b"no car", "data/sprites/a.mat": b"none"}
    contents = {name: content for name, (content, _) in reversed(cars.items())} | others
    with tarfile.open(path, mode) as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return np.concatenate([pictures for _, pictures in cars.values()])


def shrink_smallnorb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smallnorb, "FACTOR_SIZES", SMALLNORB)


def shrink_cars3d(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cars3d, "FACTOR_SIZES", CARS3D)


def shrink_shapes3d(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes3d, "FACTOR_SIZES", SHAPES3D)


def shrink_mpi3d(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mpi3d, "FACTOR_SIZES", MPI3D)


PUBLISHED = [
    Published(
        "shapes3d", "shapes3d/3dshapes.h5", write_shapes3d, shrink_shapes3d, SHAPES3D,
        lambda: shapes3d.FACTOR_SIZES,
        ("floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation"), 480_000,
    ),
    *(
        Published(
            f"mpi3d:{which}", f"mpi3d/{file}",
            lambda path, sizes=MPI3D[which == "complex"]: write_mpi3d(path, sizes), shrink_mpi3d,
            MPI3D[which == "complex"], lambda which=which: mpi3d.FACTOR_SIZES[which == "complex"],
            ("object_color", "object_shape", "object_size", "camera_height", "background_color", "horizontal_axis",
             "vertical_axis"), 460_800 if which == "complex" else 1_036_800,
        )
        for which, file in mpi3d.FILES.items()
    ),
    Published(
        "cars3d", "cars3d/nips2015-analogy-data.tar.gz", write_cars3d, shrink_cars3d, CARS3D,
        lambda: cars3d.FACTOR_SIZES, ("elevation", "azimuth", "object_type"), 17_568,
    ),
    Published(
        "smallnorb", "smallnorb", write_smallnorb, shrink_smallnorb, SMALLNORB, lambda: smallnorb.FACTOR_SIZES,
        ("category", "instance", "elevation", "azimuth", "lighting"), 48_600,
    ),
]  # fmt: skip
