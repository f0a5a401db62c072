"""Data sets by name: one source, one file, one entry of `SOURCES`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..names import check
from . import arrays, digits, folder, mnist
from .dataset import Dataset

__all__ = ["SOURCES", "Source", "available", "cache_folder", "canonical", "load"]


@dataclass(frozen=True)
class Source:
    """How to load one data set and what to say of it without loading it.

    Attributes:
        load: From the path (or the data root) and the options to a `Dataset`.
        size: Number of images, or "any".
        shape: Shape of one, or "any".
        origin: Where it comes from.
        on_disk: From the data root to whether loading needs no network.
        takes_path: Whether the name is followed by ``:PATH``.
        options: Which of `load`'s options mean something here.
    """

    load: Callable[..., Dataset]
    size: str
    shape: str
    origin: str
    on_disk: Callable[[Path], bool] = lambda root: True  # noqa: ARG005
    takes_path: bool = False
    options: tuple[str, ...] = ()


def _torchvision(name: str, origin: str) -> Source:
    return Source(
        lambda root: mnist.load(name, root),
        size="70,000",
        shape="1×28×28",
        origin=origin,
        on_disk=lambda root: mnist.is_on_disk(name, root),
    )


SOURCES: dict[str, Source] = {
    "digits": Source(
        lambda root, **options: digits.load(**options),  # noqa: ARG005
        size="1,797",
        shape="1×28×28",
        origin="scikit-learn's handwritten digits, enlarged from 8×8 (offline)",
        options=("image_size",),
    ),
    "mnist": _torchvision("mnist", "torchvision, handwritten digits"),
    "fashion-mnist": _torchvision("fashion-mnist", "torchvision, articles of clothing"),
    "kmnist": _torchvision("kmnist", "torchvision, cursive Japanese characters"),
    "folder": Source(
        folder.load,
        size="any",
        shape="any",
        origin="image files of your own",
        takes_path=True,
        options=("image_size", "grey"),
    ),
    "npz": Source(arrays.load_npz, "any", "any", "arrays images[, labels, factors, factor_names]", takes_path=True),
    "npy": Source(arrays.load_npy, "any", "any", "one array, N×H×W, N×C×H×W or N×D", takes_path=True),
}


def load(
    name: str, root: str | os.PathLike[str] | None = None, *, image_size: int | None = None, grey: bool = False
) -> Dataset:
    """Load a data set by its name.

    Args:
        name: A key of `SOURCES`; ``folder``, ``npz`` and ``npy`` are followed by ``:PATH``.
        root: Where downloaded data lie or go, in torchvision's layout; by default the user's cache folder.
        image_size: Side in pixels to which images are brought, where the source can.
        grey: Turn colour images to grey, where the source can.

    Returns:
        The images or vectors with their split.

    Raises:
        ValueError: An unknown name, an option that the source does not have, or bad data.
        OSError: Files that cannot be read or downloaded.

    >>> load("digits").images.shape
    torch.Size([1797, 1, 28, 28])
    """
    kind, _, path = name.partition(":")
    source = SOURCES[check("dataset", kind, SOURCES)]
    if bool(path) != source.takes_path:
        raise ValueError(f"write {kind}:PATH" if source.takes_path else f"{kind} takes no path, got {name!r}")
    options: dict[str, Any] = {}
    if image_size is not None:
        options["image_size"] = image_size
    if grey:
        options["grey"] = True
    for option in options.keys() - set(source.options):
        raise ValueError(f"the dataset {kind} has no --{option.replace('_', '-')}; leave it out")
    if image_size is not None and image_size < 1:
        raise ValueError(f"image_size must be at least 1, got {image_size}")
    where = _absolute(path or root or cache_folder())
    data = source.load(where, **options)
    settings = {"data_root": str(where) if root and not path else None, "image_size": image_size, "grey": grey}
    return replace(data, name=canonical(name), options=settings)


def canonical(name: str) -> str:
    """The name with its path, where it has one, made absolute: what a run stores, so that it loads from anywhere."""
    kind, _, path = name.partition(":")
    return f"{kind}:{_absolute(path)}" if path else name


def available(root: str | os.PathLike[str] | None = None) -> list[Mapping[str, Any]]:
    """What `load` knows: name, size, shape, source and on_disk (None where the user gives a path) of each."""
    where = _absolute(root or cache_folder())
    return [
        {
            "name": f"{name}:PATH" if source.takes_path else name,
            "size": source.size,
            "shape": source.shape,
            "source": source.origin,
            "on_disk": None if source.takes_path else source.on_disk(where),
        }
        for name, source in SOURCES.items()
    ]


def cache_folder() -> Path:
    """Where downloads go by default: ``$XDG_CACHE_HOME/pyro_bvae``, or ``~/.cache/pyro_bvae``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pyro_bvae"


def _absolute(path: str | os.PathLike[str]) -> Path:
    return Path(path).expanduser().resolve()
