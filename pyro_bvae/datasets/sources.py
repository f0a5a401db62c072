"""Data sets by name: one source, one file, one entry of `SOURCES`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ..settings.names import check
from . import arrays, celeba, chairs, digits, dsprites, folder, gaussian, mnist, text
from .arguments import absolute, checked, place_of
from .dataset import Dataset, part_of
from .decoding import Preparation
from .few_labels import with_few_labels
from .mapped import Progress

__all__ = ["SOURCES", "Source", "available", "cache_folder", "canonical", "load"]


@dataclass(frozen=True)
class Source:
    """How to load one data set, and what is known of it without loading it.

    Attributes:
        load: A function of the path after the name (or None), the data root, and the options, that returns a `Dataset`.
        size: Number of images, or "any".
        shape: Shape of an image, or "any".
        origin: Where the data come from.
        on_disk: A function of the data root that says whether loading needs no network.
        folder: The folder of its files under the data root, where it has one.
        path: Whether the name is followed by ``:PATH``: "none", "optional" or "required".
        options: The options of `load` that it has, with their defaults; ``subsample`` is one of every source.
        subsamples: Whether its ``load`` takes a ``subsample`` itself, since loading all may take long.
        reports: Whether its ``load`` takes a ``progress``, since loading may take long.
    """

    load: Callable[..., Dataset]
    size: str
    shape: str
    origin: str
    on_disk: Callable[[Path], bool] = lambda root: True  # noqa: ARG005
    folder: str | None = None
    path: str = "none"
    options: Mapping[str, Any] = field(default_factory=lambda: {"subsample": None})
    subsamples: bool = False
    reports: bool = False

    def spelled(self, name: str) -> str:
        """The name as it is typed, with its path."""
        return name + {"none": "", "optional": "[:PATH]", "required": ":PATH"}[self.path]


def _torchvision(name: str, origin: str) -> Source:
    return Source(
        lambda path, root: mnist.load(name, root),  # noqa: ARG005
        size="70,000",
        shape="1×28×28",
        origin=origin,
        on_disk=lambda root: mnist.is_on_disk(name, root),
        folder=mnist.TORCHVISION_NAMES[name],
    )


def _file(load: Callable[..., Dataset], shape: str, origin: str, options: Mapping[str, Any] | None = None) -> Source:
    def from_file(path: Path, root: Path, **options: Any) -> Dataset:  # noqa: ARG001
        return load(path, **options)

    return Source(from_file, "any", shape, origin, path="required", options={**(options or {}), "subsample": None})


def _pictures(load: Callable[..., Dataset], *, image_size: int | None, crop: list[int] | None, **facts: Any) -> Source:
    """A collection of picture files, each prepared as the options say."""
    defaults = {"image_size": image_size, "grey": False, "crop": crop, "background": "white", "levels": None}
    further = facts.pop("options", {})

    def prepared(path: Path | None, root: Path, **options: Any) -> Dataset:
        how = Preparation(**{part.name: options.pop(part.name) for part in fields(Preparation) if part.name in options})
        if options.get("factors") is not None:
            options["factors"] = Path(options["factors"])
        return load(path, root, how, **options)

    return Source(prepared, options={**defaults, **further, "subsample": None}, subsamples=True, reports=True, **facts)


SOURCES: dict[str, Source] = {
    "digits": Source(
        lambda path, root, **options: digits.load(**options),  # noqa: ARG005
        size="1,797",
        shape="1×28×28",
        origin="scikit-learn's handwritten digits, enlarged from 8×8 (offline)",
        options={"image_size": 28, "subsample": None},
    ),
    "mnist": _torchvision("mnist", "torchvision, handwritten digits"),
    "fashion-mnist": _torchvision("fashion-mnist", "torchvision, articles of clothing"),
    "kmnist": _torchvision("kmnist", "torchvision, cursive Japanese characters"),
    "dsprites": Source(
        dsprites.load,
        size="737,280",
        shape="1×64×64",
        origin="2D shapes with five factors, drawn here (offline), or the published npz",
        path="optional",
        options={"subsample": None},
        subsamples=True,
        reports=True,
    ),
    "chairs": _pictures(
        chairs.load,
        image_size=64,
        crop=chairs.CROP,
        size="86,366",
        shape="3×64×64",
        origin="3D Chairs with three factors: a download of its tar, or your tar or folder",
        on_disk=chairs.is_on_disk,
        folder="chairs",
        path="optional",
    ),
    "celeba": _pictures(
        celeba.load,
        image_size=64,
        crop=celeba.CROP,
        size="202,599",
        shape="3×64×64",
        origin="faces with 40 attributes: torchvision's files, or your zip or folder",
        on_disk=celeba.is_on_disk,
        folder="celeba",
        path="optional",
    ),
    "gaussian": Source(
        lambda path, root, **options: gaussian.load(**options),  # noqa: ARG005
        size="--points",
        shape="--dim",
        origin="vectors of a joint Gaussian whose likelihood is known, drawn here (offline)",
        options={"dim": 10, "rank": 2, "points": 300_000, "subsample": None},
    ),
    "folder": _pictures(
        folder.load,
        image_size=None,
        crop=None,
        size="any",
        shape="any",
        origin="image files of your own",
        path="required",
        options={"frames": "first", "factors": None},
    ),
    "npz": _file(
        arrays.load_npz, "any", "arrays images[, labels, factors, factor_names]", {"levels": None, "observe": None}
    ),
    "npy": _file(arrays.load_npy, "any", "one array, N×H×W, N×C×H×W or N×D", {"levels": None}),
    "txt": _file(text.load_txt, "any", "vectors, one a line, blanks between the numbers", {"leave_out": None}),
    "csv": _file(text.load_csv, "any", "vectors, one a line, commas between the numbers", {"leave_out": None}),
}


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
    leave_out: str | Sequence[str] | None = None,
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
    data = source.load(place_of(path), where, **taken)
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
        raise ValueError(f"write {kind}:PATH")
    if ":" in name and (source.path == "none" or not path):
        raise ValueError(f"{kind} takes no path, got {name!r}" if path else f"a path is missing after {name!r}")
    return kind, source, path


def canonical(name: str) -> str:
    """The name with its path made absolute. A run stores it so, to load its data from any folder."""
    kind, _, path = name.partition(":")
    return f"{kind}:{absolute(path)}" if path else name


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


def available(root: str | os.PathLike[str] | None = None) -> list[Mapping[str, Any]]:
    """The name, size, shape, source and on_disk of each data set; on_disk is None where the user gives a path."""
    where = absolute(root or cache_folder())
    return [
        {
            "name": source.spelled(name),
            "size": source.size,
            "shape": source.shape,
            "source": source.origin,
            "on_disk": None if source.path == "required" else source.on_disk(where),
        }
        for name, source in SOURCES.items()
    ]


def cache_folder() -> Path:
    """Where downloads go by default: ``$XDG_CACHE_HOME/pyro_bvae``, or ``~/.cache/pyro_bvae``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pyro_bvae"
