"""Load a data set by its name, with the options that its source has."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..settings.names import check
from .arguments import absolute, checked, place_of
from .dataset import Dataset, part_of
from .few_labels import with_few_labels
from .mapped import Progress
from .sources import SOURCES, Source

__all__ = ["cache_folder", "canonical", "load", "own_path"]


def load(
    name: str,
    root: str | os.PathLike[str] | None = None,
    *,
    image_size: int | None = None,
    grey: bool = False,
    crop: Sequence[int] | None = None,
    frames: str | None = None,
    background: str | None = None,
    levels: Sequence[float] | None = None,
    factors: str | os.PathLike[str] | None = None,
    leave_out: str | int | Sequence[str | int] | None = None,
    subsample: int | None = None,
    dim: int | None = None,
    rank: int | None = None,
    points: int | None = None,
    observe: str | Sequence[str] | None = None,
    labelled: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Dataset:
    """Load a data set by its name. Each data set has some of the options, with its own defaults.

    Args:
        name: A key of `SOURCES`, followed by ``:PATH`` where the data are files of your own.
        root: Folder of downloads and prepared images; by default the user's cache folder.
        image_size: Side in pixels that images are scaled to.
        grey: Whether colour images are turned to grey.
        crop: The part of each picture that is cut out before it is scaled, in pixels: the side of a square at its
            centre, or left, top, right and bottom; a side of 0 leaves the picture whole.
        frames: "first" or "all" frames of an animation or stack are read.
        background: The colour that shows through transparent pixels, as CSS names it; "none" for the colours that are
            stored there.
        levels: The grey levels that become 0 and 1; by default those of the format, or of the numbers' type.
        factors: A csv with the factors of picture files, which its first column names.
        leave_out: Columns of a table that are no data, by their names or their numbers from 1 on.
        subsample: How many of the data, chosen at random once and for all.
        dim: Length of the vectors of ``gaussian``, D.
        rank: Rank of the signal of ``gaussian``.
        points: How many vectors of ``gaussian``.
        observe: Arrays of an npz that programs see beside the images, by their names.
        labelled: How many labels of the training data programs see, as many of each class; see `with_few_labels`.
        seed: Of the draw of these labels.
        progress: Called with what is being done, how much of it is done, and how much there is.

    Returns:
        The images or vectors with their split.

    Raises:
        ValueError: An unknown name, an option that the data set does not have or that is out of range, or bad data.
        OSError: Files that cannot be read, written or downloaded.

    >>> load("digits").images.shape
    torch.Size([1797, 1, 28, 28])
    """
    kind, source, path = _source_of(name)
    place = path if path in source.variants else place_of(path)
    typed: dict[str, Any] = {"image_size": image_size, "grey": grey or None, "crop": crop, "frames": frames}
    typed |= {"background": background, "levels": levels, "factors": factors, "subsample": subsample}
    typed |= {"leave_out": leave_out, "dim": dim, "rank": rank, "points": points, "observe": observe}
    given = checked({option: value for option, value in typed.items() if value is not None}, path)
    for option in given.keys() - source.options.keys():
        raise ValueError(f"the dataset {kind} has no `{option}`; leave it out")
    options = {**source.options, **given}
    taken = {option: value for option, value in options.items() if source.subsamples or option != "subsample"}
    taken |= {"progress": progress} if source.reports else {}
    where = _root_of_files(source, absolute(root or cache_folder()))
    data = source.load(place, where, **taken)
    if subsample is not None and not source.subsamples:
        data = part_of(data, subsample)
    settings = {"data_root": str(where) if root else None, **options, **({"labelled": labelled} if labelled else {})}
    data = replace(data, name=canonical(name), options=settings)
    return data if labelled is None else with_few_labels(data, labelled, seed)


def _source_of(name: str) -> tuple[str, Source, str]:
    """The kind of a data set, its source, and the path after the name, empty where there is none.

    Raises:
        ValueError: An unknown kind, or a path that is missing or too much.
    """
    kind, _, path = name.partition(":")
    if kind not in SOURCES and Path(name).expanduser().exists():
        ending = Path(name).suffix.removeprefix(".").lower()
        raise ValueError(f"{name!r} is no name of a data set; write {ending if ending in SOURCES else 'folder'}:{name}")
    source = SOURCES[check("dataset", kind, SOURCES)]
    if not path and source.path == "required":
        raise ValueError(f"write {source.spelled(kind)}")
    if ":" in name and (source.path == "none" or not path):
        raise ValueError(f"{kind} takes no path, got {name!r}" if path else f"a path is missing after {name!r}")
    return kind, source, path


def own_path(name: str) -> str:
    """The path of the user's own data in a name; empty where a name has none.

    >>> own_path("npz:mine.npz"), own_path("digits"), own_path("mpi3d:toy")
    ('mine.npz', '', '')
    """
    kind, _, path = name.partition(":")
    return "" if kind in SOURCES and path in SOURCES[kind].variants else path


def canonical(name: str) -> str:
    """The name with its path made absolute. A run stores it so, to load its data from any folder."""
    path = own_path(name)
    return f"{name.partition(':')[0]}:{absolute(path)}" if path else name


def _root_of_files(source: Source, root: Path) -> Path:
    """The data root, also where the folder named is one of the files' own below it, or the one above it.

    Raises:
        ValueError: The folder is above several data roots that have the files.
    """
    if source.folder is None or source.on_disk(root):
        return root
    above = [folder for folder in root.parents if root.relative_to(folder).parts[0] == source.folder]
    below = sorted(folder for folder in root.iterdir() if folder.is_dir()) if root.is_dir() else []
    meant = [folder for folder in (*above, *below) if source.on_disk(folder)]
    if len(meant) > 1:
        raise ValueError(f"{root} has {source.folder} in {' and in '.join(folder.name for folder in meant)}: name one")
    return meant[0] if meant else root


def cache_folder() -> Path:
    """Where downloads go by default: ``$XDG_CACHE_HOME/pyro_bvae``, or ``~/.cache/pyro_bvae``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pyro_bvae"
