"""Go back to an earlier step of a run without losing what came after it.

What is later (lines of the history, checkpoints, numbered pictures) goes to ``set-aside-1`` in the run's folder, or to
the first such name that is free. It lies there, and on the disk, before the run's own files change, so that a kill or a
loss of power at any moment loses nothing, and the same command can begin again.
"""

from __future__ import annotations

import os
import re
import shutil
from itertools import count
from pathlib import Path

from ..files import atomic_write, check_lock, make_folder, sync
from .folder import RunFolder
from .history import write_lines

__all__ = ["set_aside"]

NUMBERED = re.compile(r"(?:step|traversal)-(\d+)\.(?:pt|png)")


def set_aside(folder: RunFolder, step: int) -> Path | None:
    """Make the numbered checkpoint of a step the latest, and move what is later out of the way.

    Args:
        folder: Of the run.
        step: One that has a numbered checkpoint.

    Returns:
        Where the later files are now; None where there are none.
    """
    path, latest = folder.path, folder.path / "checkpoint.pt"
    steps = {file: _step_of(file) for place in ("checkpoints", "figures") for file in sorted((path / place).glob("*"))}
    (chosen,) = (file for file, number in steps.items() if number == step and file.suffix == ".pt")
    later = [file for file, number in steps.items() if number > step]
    lines = [line for line in folder.read_history() if line["step"] > step]
    is_latest = latest.is_file() and latest.read_bytes() == chosen.read_bytes()
    if is_latest and not later and not lines:
        return None
    aside = next(place for number in count(1) if not (place := path / f"set-aside-{number}").exists())
    aside.mkdir()
    if lines:
        write_lines(aside / "history.jsonl", lines)
    if latest.is_file() and not is_latest:
        _copy(latest, aside / latest.name)
    targets = {file: aside / file.relative_to(path) for file in later}
    for file, target in targets.items():
        make_folder(target.parent)
        check_lock(target)
        os.replace(file, target)
    for place in {*(target.parent for target in targets.values()), *(file.parent for file in later), aside, path}:
        sync(place)
    _copy(chosen, latest)
    return aside


def _copy(file: Path, target: Path) -> None:
    with atomic_write(target) as partial:
        shutil.copyfile(file, partial)


def _step_of(file: Path) -> int:
    """The step in the name of a numbered checkpoint or picture, like ``step-000000013.pt``; −1 of any other file."""
    named = NUMBERED.fullmatch(file.name)
    return int(named[1]) if named else -1
