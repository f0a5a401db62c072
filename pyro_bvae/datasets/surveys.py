"""What picture files hold, before they are prepared: frames, channels, transparency, grey levels; and notes on it.

A header is enough for most files. Pixels are decoded where some are transparent, where grey levels have more than eight
bits, and where a range of levels is asked for, since then it matters which occur.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from time import monotonic

import numpy as np
from PIL import Image

from .archives import Archive
from .decoding import Preparation, UnreadPictureError, frames_of, loaded_frames, opened_picture, refuse
from .formats import note_on_unreadable
from .layers import Depth, colour_of, depth_of, has_alpha, is_grey, layers
from .levels import BYTES, Levels, interval, measured_levels, note_on_padding, spread
from .mapped import Progress
from .notes import counted, named, shortened

__all__ = ["Survey", "surveyed"]

LONGEST_SILENCE = 2.0  # seconds, before progress is shown


@dataclass(frozen=True)
class Survey:
    """What is known of some picture files.

    Attributes:
        counts: How many frames of each file are read; 0 of one that is left out.
        is_grey: Whether all pictures are grey, on the background that they are laid on.
        measured: The grey levels that become black and white where the format does not say; None if it always does.
        notes: What to say, a line each.
        are_bytes: Whether grey levels have 8 bits or fewer in all files.
    """

    counts: list[int]
    is_grey: bool
    measured: Levels | None
    notes: list[str]
    are_bytes: bool = True


@dataclass(frozen=True)
class Look:
    """What one file holds.

    Attributes:
        frames: How many.
        is_cut: Whether its end is missing, although what is there can be read.
        is_square: Whether it is as wide as it is high.
        depth: Of its grey levels.
        is_deep: Whether grey levels have more than 8 bits, or are floats.
        is_grey: Whether all that is read of it is grey.
        is_transparent: Whether a pixel is.
        occur: The lowest and the highest level, where it was decoded.
        second: The lowest level but for that one; the highest where there is none.
        are_floats: Whether levels are floats.
    """

    frames: int
    is_cut: bool
    is_square: bool
    depth: Depth
    is_deep: bool
    is_grey: bool
    is_transparent: bool = False
    occur: Levels | None = None
    second: float = 0.0
    are_floats: bool = False


def surveyed(
    archive: Archive,
    names: Sequence[str],
    how: Preparation,
    progress: Progress | None = None,
    leaves_out: bool = False,
) -> Survey:
    """Look at all files, in parallel.

    Args:
        archive: Where they are.
        names: Of the files.
        how: What is done to each picture.
        progress: Called with the number of files looked at.
        leaves_out: Whether pictures of a kind that Pillow does not read are left out, and are no error.

    Raises:
        ValueError: Some are damaged or no pictures, or all are left out; the message names them.
    """
    looks: dict[str, Look] = {}
    errors: dict[str, ValueError] = {}
    counts, silent_until = [], monotonic() + LONGEST_SILENCE
    with warnings.catch_warnings(action="ignore"), ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, look in zip(names, pool.map(partial(_look, archive, how), names), strict=True):
            if isinstance(look, ValueError):
                errors[name] = look
            else:
                looks[name] = look
            counts.append(looks[name].frames if name in looks and how.frames == "all" else 1)
            if progress is not None and monotonic() > silent_until:
                progress(f"looking at {archive.path.stem}", len(counts), len(names))
    unread = {
        name: error.kind for name, error in errors.items() if leaves_out and isinstance(error, UnreadPictureError)
    }
    refuse({name: error for name, error in errors.items() if name not in unread or not looks})
    counts = [0 if name in errors else count for name, count in zip(names, counts, strict=True)]
    background = colour_of(how.background)
    stays_grey = (
        background is None or len({*background}) == 1 or not any(look.is_transparent for look in looks.values())
    )
    unknown = [look for look in looks.values() if look.depth.levels is None and look.occur is not None]
    measured = None
    if unknown and how.levels is None:
        lowest, highest = _reach(unknown)
        measured = measured_levels(lowest, highest, all(look.are_floats for look in unknown))
    are_grey = all(look.is_grey for look in looks.values())
    are_bytes = not any(look.is_deep for look in looks.values())
    notes = [note_on_unreadable(unread)] if unread else []
    return Survey(counts, are_grey and stays_grey, measured, notes + _notes(looks, how, measured), are_bytes)


def _look(archive: Archive, how: Preparation, name: str) -> Look | ValueError:
    try:
        content, whole = archive.read(name), f"{archive.path}/{name}"
        with opened_picture(content, whole) as file:
            needs_pixels = has_alpha(file) or depth_of(file).levels != BYTES or how.levels is not None
            header = _header(file, content)
        read = range(header.frames if how.frames == "all" else 1)
        return _looked_into(content, whole, read, header) if needs_pixels or len(read) > 1 else header
    except ValueError as error:
        return error


def _header(file: Image.Image, content: bytes) -> Look:
    """What the header of a file says, and the end of a GIF; of other formats that are cut short decoding raises."""
    depth, grey, square = depth_of(file), is_grey(file), file.width == file.height
    frames, is_whole = frames_of(file)
    is_cut = not is_whole or (file.format == "GIF" and not content.rstrip(b"\0\r\n").endswith(b";"))
    return Look(frames, is_cut, square, depth, depth.levels != BYTES, grey)


def _looked_into(content: bytes, name: str, read: range, header: Look) -> Look:
    """What the pixels of the frames say."""
    grey, transparent, ends, floats = True, False, [], False
    for frame, depth in loaded_frames(content, name, read):
        values, alpha = layers(frame, depth)
        grey &= is_grey(frame) or (header.is_grey and _has_no_colour(frame))
        transparent |= alpha is not None and bool(alpha.min() < 255)
        finite = values[np.isfinite(values)]
        if finite.size:
            low, high = finite.min(), finite.max()
            ends += [low.item(), finite.min(where=finite > low, initial=high).item(), high.item()]
        floats |= values.dtype.kind == "f"
    occur = (float(min(ends)), float(max(ends))) if ends else None
    second = 0.0 if occur is None else float(min((end for end in ends if end > occur[0]), default=occur[1]))
    return replace(header, is_grey=grey, is_transparent=transparent, occur=occur, second=second, are_floats=floats)


def _has_no_colour(frame: Image.Image) -> bool:
    """Whether red, green and blue are equal everywhere, as in the later frames of a grey GIF."""
    red, green, blue = np.asarray(frame.convert("RGB")).transpose(2, 0, 1)
    return bool((red == green).all() and (green == blue).all())


def _reach(looks: Sequence[Look]) -> Levels:
    """The lowest and the highest level of those that were decoded."""
    occur = [look.occur for look in looks if look.occur is not None]
    return min(low for low, _ in occur), max(high for _, high in occur)


def _notes(looks: dict[str, Look], how: Preparation, measured: Levels | None) -> list[str]:
    def those(wanted: Callable[[Look], bool]) -> list[str]:
        return [name for name, look in looks.items() if wanted(look)]

    notes = _on_frames(looks, those(lambda look: look.frames > 1), how.frames)
    cut_short = those(lambda look: look.is_cut)
    if cut_short:
        ends = counted(len(cut_short), "animation ends", "animations end")
        notes.append(f"{ends} early, and may have had more frames: {named(cut_short)}")
    oblong = those(lambda look: not look.is_square)
    if oblong and how.image_size is not None and tuple(how.crop or (0,)) == (0,):
        cut = counted(len(oblong), "picture that is not square", "pictures that are not square")
        notes.append(f"{cut}, cut to the square at the centre: {named(oblong)}")
    transparent = those(lambda look: look.is_transparent)
    if transparent:
        done = f"laid on {shortened(how.background)} (`background` takes another colour)"
        if how.background == "none":
            done = "read with the colours that are stored there"
        notes.append(f"{counted(len(transparent), 'picture')} with transparent pixels, {done}: {named(transparent)}")
    grey = those(lambda look: look.is_grey)
    if len(grey) < len(looks) and grey and not how.grey:
        notes.append(f"{counted(len(grey), 'grey picture')} among colours, read with three channels: {named(grey)}")
    reduced = those(lambda look: look.depth.is_reduced)
    if reduced:
        notes.append(f"{counted(len(reduced), 'picture')} with 16 bits a colour, of which 8 are read: {named(reduced)}")
    if how.levels is not None:
        return notes + _on_given((how.levels[0], how.levels[1]), looks)
    notes += _on_depth({name: look for name, look in looks.items() if look.is_deep and look.depth.levels})
    if measured is not None:
        unknown = those(lambda look: look.depth.levels is None)
        notes.append(
            f"{counted(len(unknown), 'picture')} of floats, signed or 32-bit numbers, of which {interval(measured)} "
            f"become 0…1 (`levels=(LOW, HIGH)` sets it): {named(unknown)}"
        )
        notes += _on_padding([looks[name] for name in unknown], measured)
    return notes


def _on_depth(looks: Mapping[str, Look]) -> list[str]:
    """Notes on pictures of more than 8 bits, those of each range together."""
    notes = []
    for levels in sorted({look.depth.levels for look in looks.values() if look.depth.levels is not None}):
        names = [name for name, look in looks.items() if look.depth.levels == levels]
        many = f"{counted(len(names), 'picture')} of {int(levels[1]).bit_length()} bits"
        some = [looks[name] for name in names]
        occur = spread(_reach(some), levels)
        notes.append(f"{many}, grey levels {interval(levels)} become 0…1{occur}: {named(names)}")
        notes += _on_padding(some, levels)
    return notes


def _on_padding(looks: Sequence[Look], levels: Levels) -> list[str]:
    """What is to be said where the lowest of the levels that become 0…1 occurs, far below all others."""
    ends = [end for look in looks if look.occur is not None for end in (look.occur[0], look.second)]
    if levels[0] not in ends:
        return []
    return note_on_padding(levels, min((end for end in ends if end > levels[0]), default=levels[1]))


def _on_frames(looks: dict[str, Look], names: Sequence[str], frames: str) -> list[str]:
    total = sum(looks[name].frames for name in names)
    if not names:
        return []
    many = f"{counted(len(names), 'file')} of several frames"
    if frames == "all":
        return [f"{many}, each of the {total:,} frames read as an image: {named(names)}"]
    left = f"the first is read and {total - len(names):,} frames are left out (`frames='all'` reads them)"
    return [f"{many}, of which {left}: {named(names)}"]


def _on_given(levels: Levels, looks: dict[str, Look]) -> list[str]:
    occur = _reach(list(looks.values())) if looks else levels
    low, high = levels
    beyond = [name for name, look in looks.items() if look.occur and (look.occur[0] < low or look.occur[1] > high)]
    said = f"grey levels {interval(levels)} become 0…1; {interval(occur)} occur"
    return [f"{said}, clipped in {counted(len(beyond), 'picture')}: {named(beyond)}" if beyond else said]
