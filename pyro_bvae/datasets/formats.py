"""Which files are pictures that Pillow reads, by the endings of their names, and what to say of the others."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import PurePosixPath

from PIL import Image, features

from .notes import counted, named, shortened

__all__ = ["is_picture", "note_on_others", "note_on_unreadable", "sorted_out"]

# Pillow knows these by name alone, or hands them to another program
UNREAD = {"BUFR", "GRIB", "HDF5", "MPEG", "WMF", "EPS", "PDF", "PALM"}
NEEDED = {"AVIF": "avif", "WEBP": "webp", "JPEG2000": "jpg_2000"}  # what a Pillow must be built with to read them
# pictures and drawings that this Pillow does not read: of phones, cameras, scanners and the web
PHOTOS = {".heic", ".heif", ".hif", ".avif", ".avifs", ".jxl", ".jxr", ".webp", ".jp2", ".j2k"}
RAW = {".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2", ".pef", ".srw", ".raw", ".x3f"}
DRAWINGS = {".svg", ".svgz", ".eps", ".ps", ".ai", ".pdf", ".wmf", ".emf", ".xcf", ".psb", ".djvu"}
SCIENCE = {".dcm", ".dicom", ".nii", ".czi", ".lif", ".nd2", ".svs", ".exr", ".hdr", ".mrc", ".vsi", ".oib", ".oif"}


@cache
def _endings() -> frozenset[str]:
    """Endings of the formats that this Pillow reads."""
    lacking = {kind for kind, feature in NEEDED.items() if not features.check(feature)}
    read = {*Image.OPEN, "MPO"} - UNREAD - lacking if Image.registered_extensions() else set()
    return frozenset(ending for ending, kind in Image.registered_extensions().items() if kind in read)


def is_picture(name: str) -> bool:
    """Whether a file's name ends like a picture that this Pillow reads."""
    return _ending(name) in _endings()


def sorted_out(names: Sequence[str]) -> tuple[list[str], dict[str, str], list[str]]:
    """Names of pictures, of pictures that this Pillow does not read, with their endings, and of all other files."""
    pictures = [name for name in names if is_picture(name)]
    unread = (PHOTOS | RAW | DRAWINGS | SCIENCE) - _endings()
    unreadable = {name: _ending(name) for name in names if _ending(name) in unread}
    others = [name for name in names if not is_picture(name) and _ending(name) not in unread]
    return pictures, unreadable, others


def note_on_unreadable(kinds: Mapping[str, str]) -> str:
    """What to say of pictures that are left out, since this Pillow does not read them.

    Args:
        kinds: Their names, each with the kind that it is of.

    >>> note_on_unreadable({"a/1.HEIC": ".heic", "a/2.HEIC": ".heic"})
    'left out 2 pictures of kinds that Pillow does not read (2 .heic): a/1.HEIC, a/2.HEIC; convert them to PNG'
    """
    names = [*kinds]
    counts = ", ".join(f"{count:,} {shortened(ending)}" for ending, count in Counter(kinds.values()).most_common(5))
    them = "it" if len(names) == 1 else "them"
    whole = counted(len(names), "picture of a kind", "pictures of kinds")
    return f"left out {whole} that Pillow does not read ({counts}): {named(names)}; convert {them} to PNG"


def note_on_others(names: Sequence[str]) -> str:
    """What to say of files that are left out, since their names do not end like pictures.

    >>> note_on_others(["labels.h5", "clip.mpg"])
    'left out 2 files that are no pictures by their names: labels.h5, clip.mpg'
    """
    whole = counted(len(names), "file that is no picture by its name", "files that are no pictures by their names")
    return f"left out {whole}: {named(names)}"


def _ending(name: str) -> str:
    return os.path.splitext(PurePosixPath(name).name)[1].lower()
