"""Files among the prepared images that no data set uses any more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from math import prod
from pathlib import Path
from typing import Any

from ..files import HeldError, locked, remove_abandoned
from .archives import opened
from .decoding import Preparation
from .mapped import facts_of

__all__ = ["Leftover", "remove_leftovers"]


@dataclass(frozen=True)
class Leftover:
    """A file that was removed.

    Attributes:
        file: Where it was.
        bytes: How many it had.
        reason: Why no data set uses it.
    """

    file: Path
    bytes: int
    reason: str


def remove_leftovers(root: Path) -> list[Leftover]:
    """Remove what killed processes and older versions left, and the copies of data that have changed or are gone.

    What another process is writing at the moment stays, and so does what was downloaded.

    Args:
        root: The data root.

    Raises:
        OSError: A file cannot be removed.
    """
    folder = root / "prepared"
    partial = {file: file.stat().st_size for file in folder.glob(".partial-*")}
    removed = [Leftover(file, partial.get(file, 0), "a killed process left it") for file in remove_abandoned(folder)]
    for file, reason in [*_half_written(folder), *_useless(folder)]:
        with suppress(HeldError), locked(file.with_name(f"{file.stem}.u8.lock"), str(file)):
            removed.append(Leftover(file, file.stat().st_size, reason))
            file.unlink()
    for lock in folder.glob("*.lock"):
        with suppress(HeldError), locked(lock, str(lock)):
            pass  # which deletes it
    return removed


def _half_written(folder: Path) -> Iterator[tuple[Path, str]]:
    """Partial files under the names of older versions."""
    for pattern in ("[!.]*.u8.partial", "[!.]*.partial.json"):
        for file in sorted(folder.glob(pattern)):
            yield file, "an older version was killed while it wrote it"


def _useless(folder: Path) -> Iterator[tuple[Path, str]]:
    """Images and their descriptions, where there is a reason that nobody will read them."""
    for images in sorted(folder.glob("[!.]*.u8")):
        facts = facts_of(images)
        if facts is None:
            reason: str | None = "it has no description"
        elif images.stat().st_size != prod(facts["shape"]):
            reason = "it is cut short"
        else:
            reason = _out_of_date(facts["key"])
        if reason is not None:
            yield images, reason
            if facts is not None:
                yield images.with_suffix(".json"), "it describes that file"
    for description in sorted(folder.glob("[!.]*.json")):
        if not description.with_suffix(".u8").exists() and not description.stem.endswith(".partial"):
            yield description, "the images that it describes are gone"


def _out_of_date(key: Mapping[str, Any]) -> str | None:
    """Why images made from this would be made anew; None if they are still good."""
    if "made_from" in key:
        return next(filter(None, (_changed(*facts) for facts in key["made_from"])), None)
    if "path" not in key:
        return None
    source = Path(key["path"])
    if not {part.name for part in fields(Preparation)} <= key.keys():
        return "an older version prepared it"
    if not source.exists():
        return f"{source} is gone"
    with suppress(OSError, ValueError), opened(source) as archive:
        return None if archive.signature == key.get("signature") else f"{source} has changed"
    return f"{source} cannot be read"


def _changed(file: str, size: int, time: int) -> str | None:
    """Why images are not made from a file of that size and time any more."""
    if not Path(file).is_file():
        return f"{file} is gone"
    facts = Path(file).stat()
    return None if (facts.st_size, facts.st_mtime_ns) == (size, time) else f"{file} has changed"
