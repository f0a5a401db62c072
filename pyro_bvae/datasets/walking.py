"""All files under a folder: links are followed, hidden files are left out, and what is left out is said."""

from __future__ import annotations

import os
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from .notes import counted, named

__all__ = ["is_hidden", "note_on_hidden", "walk"]

# what Mac OS, Windows and file servers keep beside files of ours; names that begin with a dot are hidden anyway
HIDDEN = {"__MACOSX", "Thumbs.db", "ehthumbs.db", "desktop.ini", "@eaDir", "$RECYCLE.BIN", "System Volume Information"}
LEFT_OUT = {
    "broken": ("link that leads nowhere", "links that lead nowhere"),
    "repeated": ("link to a folder that is read already", "links to folders that are read already"),
    "closed": ("folder that may not be read", "folders that may not be read"),
    "special": ("pipe, socket or device", "pipes, sockets and devices"),
}


def is_hidden(name: str) -> bool:
    """Whether a file is hidden, or lies in a folder that is."""
    return any(part.startswith(".") or part in HIDDEN for part in PurePosixPath(name).parts)


def note_on_hidden(hidden: Sequence[str]) -> list[str]:
    """What to say of hidden files that were left out."""
    many = "hidden files and folders"
    return [f"left out {counted(len(hidden), 'hidden file or folder', many)}: {named(hidden)}"] if hidden else []


def walk(root: Path) -> tuple[list[Path], list[str]]:
    """The files under a folder, sorted.

    Links to files and to folders are followed. Each folder is read once, and under its own name before that of a link,
    so that links in a circle end.

    Returns:
        The files, and notes on what was left out.
    """
    files: list[Path] = []
    left_out: dict[str, list[str]] = defaultdict(list)
    folders, links, seen = deque([root]), deque[Path](), set()
    while folders or links:
        folder = folders.popleft() if folders else links.popleft()
        name = folder.relative_to(root).as_posix()
        try:
            facts, entries = folder.stat(), sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            if folder == root:
                raise
            left_out["closed"].append(name)
            continue
        if (facts.st_dev, facts.st_ino) in seen:
            left_out["repeated"].append(name)
            continue
        seen.add((facts.st_dev, facts.st_ino))
        for entry in entries:
            kind = _kind(entry)
            if kind == "file":
                files.append(Path(entry.path))
            elif kind == "folder":
                (links if entry.is_symlink() else folders).append(Path(entry.path))
            else:
                left_out[kind].append(Path(entry.path).relative_to(root).as_posix())
    return sorted(files), _notes(left_out)


def _kind(entry: os.DirEntry[str]) -> str:
    if is_hidden(entry.name):
        return "hidden"
    try:
        if entry.is_dir():
            return "folder"
        if entry.is_file():
            return "file"
        entry.stat()
    except OSError:  # nothing there, or a link to itself
        return "broken"
    return "special"


def _notes(left_out: Mapping[str, Sequence[str]]) -> list[str]:
    said = [
        f"left out {counted(len(left_out[kind]), *words)}: {named(left_out[kind])}"
        for kind, words in LEFT_OUT.items()
        if kind in left_out
    ]
    return [*note_on_hidden(sorted(left_out.get("hidden", []))), *said]
