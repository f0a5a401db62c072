"""What there is of each data set: its size and licence, whether it is on disk, and how many bytes it takes there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .arguments import absolute
from .loading import cache_folder
from .mapped import facts_of
from .sources import SOURCES, Source

__all__ = ["available"]


def available(root: str | os.PathLike[str] | None = None) -> list[Mapping[str, Any]]:
    """The name, size, shape, source, licence, on_disk and bytes of each data set.

    ``on_disk`` says whether loading needs no network, and is None where the user gives a path. ``bytes`` are those of
    downloads and of prepared images under the data root; None where ``on_disk`` is.

    Args:
        root: Folder of downloads and prepared images; by default the user's cache folder.
    """
    where = absolute(root or cache_folder())
    return [row for name, source in SOURCES.items() for row in _rows(name, source, where)]


def _rows(name: str, source: Source, root: Path) -> Iterator[dict[str, Any]]:
    """A row for a source, or for each of its variants, and for files of one's own where these have a row."""
    facts = {"size": source.size, "shape": source.shape, "source": source.origin, "licence": source.licence}
    for variant, file in source.variants.items():
        place = root / str(source.folder) / file
        there = place.is_file()
        known = {"name": f"{name}:{variant}", **facts, "size": source.sizes.get(variant, source.size)}
        yield {**known, "on_disk": there, "bytes": _bytes(name, place, root) if there else 0}
    if source.variants or source.path == "required":
        yield {"name": f"{name}:PATH", **facts, "on_disk": None, "bytes": None}
        return
    place = root / (source.folder or "")
    there = source.on_disk(root)
    yield {"name": source.spelled(name), **facts, "on_disk": there, "bytes": _bytes(name, place, root) if there else 0}


def _bytes(name: str, place: Path, root: Path) -> int:
    """The bytes of what was downloaded to a place, and of the images prepared from it."""
    files = [place] if place.is_file() else []
    files += [file for file in place.rglob("*") if file.is_file()] if place != root and place.is_dir() else []
    prepared = [file for file in (root / "prepared").glob("*.u8") if _is_of(name, place, root, file)]
    return sum(file.stat().st_size for file in (*files, *prepared))


def _is_of(name: str, place: Path, root: Path, prepared: Path) -> bool:
    """Whether a prepared file was made from what lies at a place; of data that are drawn, whether it has their name."""
    if place == root:
        return prepared.stem.partition("-")[0] == name
    facts = facts_of(prepared)
    key = {} if facts is None else facts["key"]
    sources = [key["path"]] if "path" in key else [file for file, *_ in key.get("made_from", ())]
    return any(Path(source).is_relative_to(place) for source in sources)
