"""3D Chairs: 1,393 models of chairs, each seen from 31 sides (azimuth) and 2 heights (elevation), on white.

The factors are read from the files' names, ``<model>/renders/image_<number>_p<elevation>_t<azimuth>_r<radius>.png``.

Source: Aubry et al., Seeing 3D chairs, https://www.di.ens.fr/willow/research/seeing3Dchairs/
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor

from .archives import Archive, opened
from .dataset import Dataset, some_of
from .decoding import Preparation
from .downloads import published
from .mapped import Progress
from .pictures import load_pictures

__all__ = ["CROP", "is_on_disk", "load"]

URL = "https://www.di.ens.fr/willow/research/seeing3Dchairs/data/rendered_chairs.tar"
MD5 = "7941bff4d19665ed2dd8c82e88293e1b"  # known from one source only
CROP = [128, 128, 558, 558]  # of pictures of 600×600: the chair without most of the white around it
VIEW_IN_NAME = re.compile(r"_p(\d+)_t(\d+)_")


def load(
    path: Path | None,
    root: Path,
    how: Preparation,
    *,
    subsample: int | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """All chairs, with the factors model, elevation and azimuth.

    Args:
        path: A tar, zip or folder of your own; None to download the tar to ``root``.
        root: Folder of the download and of the decoded images.
        how: What is done to each picture.
        subsample: How many, chosen at random once and for all; by default all.
        progress: Called with the number of bytes downloaded, then of images decoded.

    Raises:
        ValueError: A damaged archive or picture, no chairs, or a file name without the view.
        OSError: The files cannot be read, written or downloaded.
    """
    if path is None:
        path = published(URL, _tar(root), "chairs", md5=MD5, advisory=True, progress=progress)
    with opened(path) as archive:
        names = some_of(_renders(archive), subsample)
        pictures = load_pictures(archive, names, how, root / "prepared", progress=progress)
    return Dataset(
        "chairs",
        pictures.images,
        factors=_factors(names),
        factor_names=("model", "elevation", "azimuth"),
        source=str(path),
        digest=pictures.digest,
        notes=pictures.notes,
    )


def is_on_disk(root: Path) -> bool:
    """Whether the download is there."""
    return _tar(root).is_file()


def _tar(root: Path) -> Path:
    return root / "chairs" / "rendered_chairs.tar"


def _renders(archive: Archive) -> list[str]:
    names = [name for name in archive.names if PurePosixPath(name).match("*/renders/*.png")]
    if not names:
        raise ValueError(f"{archive.path} has no <model>/renders/*.png; for other pictures use folder:PATH")
    for name in names:
        if not VIEW_IN_NAME.search(PurePosixPath(name).name):
            raise ValueError(f"{name} does not tell its view, like image_001_p020_t011_r096.png; use folder:PATH")
    return names


def _factors(names: Sequence[str]) -> Tensor:
    """Classes of model, elevation and azimuth, each in the order of its values, ``(N, 3)``."""
    values = [(name.split("/")[-3], *map(int, VIEW_IN_NAME.findall(name.split("/")[-1])[0])) for name in names]
    columns = []
    for column in zip(*values, strict=True):
        classes = {value: number for number, value in enumerate(sorted({*column}))}
        columns.append([classes[value] for value in column])
    return torch.tensor(columns).T.contiguous()
