"""Data sets by name: one source, one file, one entry of `SOURCES`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from . import (
    arrays,
    cars3d,
    celeba,
    chairs,
    digits,
    dsprites,
    folder,
    gaussian,
    mnist,
    mpi3d,
    shapes3d,
    smallnorb,
    text,
)
from .dataset import Dataset
from .decoding import Preparation

__all__ = ["SOURCES", "Source"]


@dataclass(frozen=True)
class Source:
    """How to load one data set, and what is known of it without loading it.

    Attributes:
        load: A function of the path after the name (or None), the data root, and the options, that returns a `Dataset`.
        size: Number of images, or "any".
        shape: Shape of an image, or "any".
        origin: Where the data come from.
        on_disk: A function of the data root that says whether loading needs no network.
        licence: Under what licence the data may be used, as their authors say it.
        folder: The folder of its files under the data root, where it has one.
        variants: The files of the folder that are data sets of their own, by what follows the name: ``mpi3d:toy``.
        sizes: The number of images of variants that have another.
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
    licence: str = ""
    folder: str | None = None
    variants: Mapping[str, str] = field(default_factory=dict)
    sizes: Mapping[str, str] = field(default_factory=dict)
    path: str = "none"
    options: Mapping[str, Any] = field(default_factory=lambda: {"subsample": None})
    subsamples: bool = False
    reports: bool = False

    def spelled(self, name: str) -> str:
        """The name as it is typed, with its path."""
        if self.variants:
            return f"{name}:{{{'|'.join(self.variants)}|PATH}}"
        return name + {"none": "", "optional": "[:PATH]", "required": ":PATH"}[self.path]


def _torchvision(name: str, origin: str, licence: str) -> Source:
    return Source(
        lambda path, root: mnist.load(name, root),  # noqa: ARG005
        size="70,000",
        shape="1×28×28",
        origin=origin,
        on_disk=lambda root: mnist.is_on_disk(name, root),
        licence=licence,
        folder=mnist.TORCHVISION_NAMES[name],
    )


def _file(load: Callable[..., Dataset], shape: str, origin: str, options: Mapping[str, Any] | None = None) -> Source:
    def from_file(path: Path, root: Path, **options: Any) -> Dataset:  # noqa: ARG001
        return load(path, **options)

    all_options = {**(options or {}), "subsample": None}
    return Source(from_file, "any", shape, origin, licence="yours", path="required", options=all_options)


def _streamed(load: Callable[..., Dataset], has_colours: bool = True, **facts: Any) -> Source:
    """A published set that is read in blocks, and brought to 64×64."""
    options = {"image_size": 64, **({"grey": False} if has_colours else {}), "subsample": None}
    return Source(load, options=options, subsamples=True, reports=True, **facts)


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
        licence="CC BY 4.0",
        options={"image_size": 28, "subsample": None},
    ),
    "mnist": _torchvision("mnist", "torchvision, handwritten digits", "CC BY-SA 3.0"),
    "fashion-mnist": _torchvision("fashion-mnist", "torchvision, articles of clothing", "MIT"),
    "kmnist": _torchvision("kmnist", "torchvision, cursive Japanese characters", "CC BY-SA 4.0"),
    "dsprites": Source(
        dsprites.load,
        size="737,280",
        shape="1×64×64",
        origin="2D shapes with five factors, drawn here (offline), or the published npz",
        licence="Apache 2.0",
        path="optional",
        options={"subsample": None},
        subsamples=True,
        reports=True,
    ),
    "shapes3d": _streamed(
        shapes3d.load,
        size="480,000",
        shape="3×64×64",
        origin="3D Shapes with six factors: a download of its HDF5, or yours; needs h5py",
        on_disk=lambda root: shapes3d.place(root).is_file(),
        licence="Apache 2.0",
        folder="shapes3d",
        path="optional",
    ),
    "mpi3d": _streamed(
        mpi3d.load,
        size="1,036,800",
        shape="3×64×64",
        origin="a robot's arm with seven factors: an npz to download (complex: by hand), or yours",
        on_disk=lambda root: any(mpi3d.place(root, which).is_file() for which in mpi3d.FILES),
        licence="CC BY 4.0",
        folder="mpi3d",
        variants=mpi3d.FILES,
        sizes={"complex": "460,800"},
        path="required",
    ),
    "cars3d": _streamed(
        cars3d.load,
        size="17,568",
        shape="3×64×64",
        origin="183 cars with three factors: a download of a tar.gz, or yours, or a folder",
        on_disk=lambda root: cars3d.place(root).is_file(),
        licence="none stated",
        folder="cars3d",
        path="optional",
    ),
    "smallnorb": _streamed(
        smallnorb.load,
        has_colours=False,
        size="48,600",
        shape="1×64×64",
        origin="fifty toys with five factors: a download of six files, or your folder",
        on_disk=smallnorb.is_on_disk,
        licence="research, not to be sold",
        folder="smallnorb",
        path="optional",
    ),
    "chairs": _pictures(
        chairs.load,
        image_size=64,
        crop=chairs.CROP,
        size="86,366",
        shape="3×64×64",
        origin="3D Chairs with three factors: a download of its tar, or your tar or folder",
        on_disk=chairs.is_on_disk,
        licence="none stated",
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
        licence="research, not commercial",
        folder="celeba",
        path="optional",
    ),
    "gaussian": Source(
        lambda path, root, **options: gaussian.load(**options),  # noqa: ARG005
        size="--points",
        shape="--dim",
        origin="vectors of a joint Gaussian whose likelihood is known, drawn here (offline)",
        licence="drawn here",
        options={"dim": 10, "rank": 2, "points": 300_000, "subsample": None},
    ),
    "folder": _pictures(
        folder.load,
        image_size=None,
        crop=None,
        size="any",
        shape="any",
        origin="image files of your own",
        licence="yours",
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
