"""Where things lie: in a folder, or beside a file that stands for one; and texts that do not say it."""

from __future__ import annotations

from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any

__all__ = ["holds_run", "place_in", "without_places"]


def holds_run(place: Path) -> bool:
    """Whether a run lies there: a folder with its config.json, or a file, which stands for one."""
    return place.is_file() or (place / "config.json").is_file()


def place_in(run: Path, name: str) -> Path:
    """Where what is made of a run goes by default: into its folder; or beside a run that is one file, under its name.

    >>> place_in(Path("runs/photos"), "codes.npz").as_posix()  # of the file runs/photos.zip, runs/photos-codes.npz
    'runs/photos/codes.npz'
    """
    return run.with_name(f"{run.stem}-{name}") if run.is_file() else run / name


def without_places(content: Any) -> Any:
    r"""Plain data in which texts that are absolute paths, or ``kind:PATH``, have the last part of the path alone.

    >>> without_places({"dataset": "npz:/home/me/photos.npz", "source": "C:\\data\\x.csv", "likelihood": "beta"})
    {'dataset': 'npz:photos.npz', 'source': 'x.csv', 'likelihood': 'beta'}
    """
    if isinstance(content, dict):
        return {name: without_places(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [without_places(value) for value in content]
    return _without_place(content) if isinstance(content, str) else content


def _without_place(text: str) -> str:
    kind, colon, rest = text.partition(":")
    for start, path in (("", text), (kind + colon, rest)):
        kinds: tuple[type[PurePath], ...] = (PurePosixPath, PureWindowsPath)
        absolute = next((place for place in (of(path) for of in kinds) if place.is_absolute()), None)
        if absolute is not None:
            return start + absolute.name
    return text
