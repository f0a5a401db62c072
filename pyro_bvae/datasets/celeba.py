"""CelebA: 202,599 aligned faces of 178×218 with 40 attributes, in torchvision's layout.

    celeba/img_align_celeba/*.jpg or celeba/img_align_celeba.zip
    celeba/list_eval_partition.txt     0 training, 1 validation, 2 test; where it is missing, the published numbers
    celeba/list_attr_celeba.txt        the attributes, if it is there

Training and test images are used; the validation images are in neither part of the split.

Source: Liu et al., https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torch import Tensor

from .archives import opened
from .dataset import Dataset, seeded_split, some_of
from .decoding import Preparation
from .mapped import Progress
from .pictures import load_pictures
from .waiting import one_writer

__all__ = ["CROP", "is_on_disk", "load"]

CROP = [148]  # pixels of 178×218: the square at the centre
IMAGES = "img_align_celeba"
PARTITION, ATTRIBUTES = "list_eval_partition.txt", "list_attr_celeba.txt"
FIRST_VALIDATION, FIRST_TEST = 162_771, 182_638  # the numbers that the files are named by


def load(
    path: Path | None,
    root: Path,
    how: Preparation,
    *,
    subsample: int | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """The faces, with the published split, and their attributes as labels ``(N, 40)`` of 0 and 1.

    Args:
        path: A zip or folder of the images, or the folder that holds it; None for ``root``/celeba, torchvision's place.
        root: Folder of the download and of the decoded images.
        how: What is done to each picture.
        subsample: How many, chosen at random once and for all; by default all.
        progress: Called with the number of images decoded.

    Raises:
        ValueError: A damaged archive, picture or list, an image that is missing, or no images.
        OSError: The files cannot be read, written or downloaded.
    """
    where = _images(path) if path is not None else _on_disk_or_downloaded(root)
    with opened(where) as archive:
        inside = {PurePosixPath(name).name: name for name in archive.names if name.lower().endswith(".jpg")}
        if not inside:
            raise ValueError(f"{where} has no .jpg files")
        parts = _partition(where, sorted(inside))
        names = some_of(list(parts), subsample)
        files = [inside[name] for name in names]
        pictures = load_pictures(archive, files, how, root / "prepared", progress=progress)
    split = torch.tensor([parts[name] for name in names])
    train, held_out = (split == 0).nonzero().squeeze(1), (split == 2).nonzero().squeeze(1)
    if not len(train) or not len(held_out):  # a few of the images, all from one part
        train, held_out = seeded_split(len(names))
    attributes, labels = _attributes(where, names)
    return Dataset(
        "celeba", pictures.images, labels=labels, label_names=attributes, train=train, held_out=held_out,
        source=str(where), digest=pictures.digest, notes=pictures.notes,
    )  # fmt: skip


def is_on_disk(root: Path) -> bool:
    """Whether the images are there, as a folder or zip."""
    return _images(root / "celeba") != root / "celeba"


def _images(path: Path) -> Path:
    """The folder or zip of the images inside a folder; otherwise the path itself."""
    places = [path / IMAGES, path / f"{IMAGES}.zip"]
    return next((place for place in places if place.exists()), path)


def _on_disk_or_downloaded(root: Path) -> Path:
    home = root / "celeba"
    if not is_on_disk(root):
        try:
            from torchvision.datasets import CelebA

            with one_writer(home, "downloads"):
                if not is_on_disk(root):  # or else another process has got it in the meantime
                    CelebA(str(root), download=True)
        except Exception as error:  # no torchvision, no gdown, no network, or the drive is over its quota
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise OSError(
                f"cannot download celeba to {home} ({reason}); get {IMAGES}.zip by other means, put it there with "
                f"{PARTITION}, or use celeba:PATH"
            ) from error
    return _images(home)


def _beside(where: Path, name: str) -> Path | None:
    return next((place for place in (where.parent / name, where / name) if place.is_file()), None)


def _partition(where: Path, names: Sequence[str]) -> dict[str, int]:
    """The part of the split that each image belongs to: 0 training, 1 validation, 2 test."""
    file = _beside(where, PARTITION)
    if file is None:
        return {name: _published_part(name) for name in names}
    parts: dict[str, int] = {}
    there = set(names)
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        words = line.split()
        if len(words) != 2 or words[1] not in ("0", "1", "2"):
            raise ValueError(f"{file}, line {number}: expected a file name and 0, 1 or 2, got {line[:60]!r}")
        if words[0] not in there:
            raise ValueError(f"{where} lacks {words[0]}, which {file} lists: it is incomplete")
        parts[words[0]] = int(words[1])
    return parts


def _published_part(name: str) -> int:
    number = PurePosixPath(name).stem
    if not number.isdigit():
        raise ValueError(f"{name} is not numbered like CelebA's 000001.jpg; for other pictures use folder:PATH")
    return 0 if int(number) < FIRST_VALIDATION else 1 if int(number) < FIRST_TEST else 2


def _attributes(where: Path, names: Sequence[str]) -> tuple[list[str] | None, Tensor | None]:
    """The attributes' names and, for each image, whether it has them."""
    file = _beside(where, ATTRIBUTES)
    if file is None:
        return None, None
    _, header, *lines = file.read_text(encoding="utf-8").splitlines()
    attributes = header.split()
    rows: dict[str, Any] = {}
    for number, line in enumerate(lines, start=3):
        name, *values = line.split()
        if len(values) != len(attributes) or not {*values} <= {"-1", "1"}:
            raise ValueError(f"{file}, line {number}: expected {len(attributes)} times 1 or -1, got {line[:60]!r}")
        rows[name] = [value == "1" for value in values]
    missing = [name for name in names if name not in rows]
    if missing:
        raise ValueError(f"{file} does not list {missing[0]}")
    return attributes, torch.tensor([rows[name] for name in names], dtype=torch.int64)
