"""Pictures to arrays: decoded, cropped, scaled and brought to grey or RGB by Pillow, in parallel."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from itertools import count
from math import prod
from typing import Any

import numpy as np
from PIL import Image, ImageOps, ImageSequence

from ..settings.words import plain
from .archives import Archive
from .kinds import kind_of, unread_picture
from .layers import Depth, colour_of, depth_of, rendered
from .levels import Levels
from .notes import counted, named

__all__ = [
    "Preparation",
    "UnreadPictureError",
    "decode",
    "decode_all",
    "frames_of",
    "loaded_frames",
    "opened_picture",
    "refuse",
    "shape_of",
]

PICTURES_A_BLOCK = 512  # decoded between two writes, or fewer:
BYTES_A_BLOCK = 2**27
MANY_FRAMES = ("GIF", "WEBP", "PNG", "AVIF", "TIFF", "FLI")  # animations and stacks; no layers, thumbnails or icons


@dataclass(frozen=True)
class Preparation:
    """What is done to each picture.

    Attributes:
        crop: The part that is cut out first, in pixels: the side of a square at the centre, or left, top, right and
            bottom; None or 0 for the whole picture.
        image_size: Side of the square that the picture is then scaled to (bicubic, antialiased), after cropping a
            picture that is not square at its centre. None leaves its size.
        grey: Whether there is one channel in place of three.
        frames: "first" or "all" of those of an animation or stack.
        background: The colour that shows through transparent pixels; "none" for the colours that are stored there.
        levels: The grey levels that become 0 and 1; None for those of the format.
        measured: The same, for pictures whose format does not say.
    """

    crop: Sequence[int] | None
    image_size: int | None
    grey: bool
    frames: str = "first"
    background: str = "white"
    levels: Sequence[float] | None = None
    measured: Levels | None = None

    @property
    def key(self) -> dict[str, Any]:
        """Everything that the result depends on besides the picture, as plain data."""
        return {**asdict(self), "resize": "bicubic"}

    def levels_of(self, depth: Depth) -> Levels | None:
        """The range of one picture; None for bytes as they are."""
        if self.levels is not None:
            if depth.is_reduced:
                raise ValueError(
                    "its colours have 16 bits, of which Pillow reads 8: `levels` cannot tell them apart; save all "
                    "pictures as one npy of uint16, N×3×H×W, or each with its levels spread over 8 bits"
                )
            return self.levels[0], self.levels[1]
        return self.measured if depth.levels is None else None


class UnreadPictureError(ValueError):
    """A file begins like a picture of a ``kind`` that Pillow does not read."""

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


@contextmanager
def opened_picture(content: bytes, name: str) -> Iterator[Image.Image]:
    """A file of Pillow; whatever a damaged one makes Pillow raise is a ValueError with the file's name."""
    try:
        with Image.open(io.BytesIO(content)) as file:
            yield file
    except MemoryError:
        raise
    except Image.DecompressionBombError as error:
        raise ValueError(f"{plain(name)} is too large to be opened safely, scale it down: {error}") from error
    except Exception as error:  # OSError, SyntaxError, struct.error, ...
        reason = " ".join(str(error).split()) or type(error).__name__
        if not content:
            reason = "the file is empty"
        elif "cannot identify" in reason:
            reason = kind_of(content)
        what = f"{plain(name)} is damaged or no image: {reason}"
        kind = unread_picture(content) if "cannot identify" in str(error) else None
        raise (ValueError(what) if kind is None else UnreadPictureError(what, kind)) from error


def frames_of(file: Image.Image) -> tuple[int, bool]:
    """How many frames a file has, and whether it ends as it should.

    What Pillow calls frames are layers or previews of one picture in the formats that are not in `MANY_FRAMES`.
    """
    if file.format not in MANY_FRAMES:
        return 1, True
    try:
        return getattr(file, "n_frames", 1), True
    except Exception:  # whatever the end of a file that is cut short makes Pillow raise
        for number in count(1):
            try:
                file.seek(number)
            except Exception:
                return number, False
    raise AssertionError


def decode(content: bytes, name: str, how: Preparation, frames: range = range(1)) -> np.ndarray:
    """One picture, ``(C, H, W)`` uint8; of several frames ``(F·C, H, W)``.

    Args:
        content: The bytes of its file.
        name: The file's name, for errors.
        how: What to do to it.
        frames: Which frames of the file.

    Raises:
        ValueError: The file is damaged or no picture, or the crop reaches beyond it.
    """
    loaded = list(loaded_frames(content, name, frames))
    try:
        pictures = [rendered(frame, depth, how.levels_of(depth), colour_of(how.background)) for frame, depth in loaded]
    except ValueError as error:
        raise ValueError(f"{plain(name)}: {error}") from error
    arrays = [_prepared(picture, name, how) for picture in pictures]
    for array in arrays:
        _check_sides(name, arrays[0].shape, name, array.shape)
    return np.concatenate(arrays)


def loaded_frames(content: bytes, name: str, frames: range) -> Iterator[tuple[Image.Image, Depth]]:
    """Some frames of a file, upright, each with its depth."""
    with opened_picture(content, name) as file:
        for number, frame in enumerate(ImageSequence.Iterator(file) if frames.stop > 1 else [file]):
            if number >= frames.stop:
                break
            if number in frames:
                depth = depth_of(frame)  # decoding forgets it
                yield ImageOps.exif_transpose(frame), depth


def shape_of(archive: Archive, names: Sequence[str], how: Preparation) -> tuple[int, ...]:
    """The shape of the first picture that can be read, ``(C, H, W)``.

    Raises:
        ValueError: None can.
    """
    errors: dict[str, ValueError] = {}
    for name in names:
        with warnings.catch_warnings(action="ignore"):  # Pillow's, of what it mends
            tried = _attempt(archive, how, (name, range(1)))
        if not isinstance(tried, ValueError):
            return tried.shape
        errors[name] = tried
    refuse(errors)
    raise AssertionError


def decode_all(
    archive: Archive, names: Sequence[str], how: Preparation, shape: Sequence[int], counts: Sequence[int] | None = None
) -> Iterator[np.ndarray]:
    """All pictures of those names, decoded in parallel, in blocks ``(B, C, H, W)`` in the order of the names.

    Args:
        archive: Where the files are.
        names: Of the files.
        how: What to do to them.
        shape: Of the first picture, ``(C, H, W)``, and so of all.
        counts: How many frames of each file; by default the first alone.

    Raises:
        ValueError: Some are damaged, all of which are named; or they differ in size and are to keep it.
    """
    errors: dict[str, ValueError] = {}
    most = max(1, min(PICTURES_A_BLOCK, BYTES_A_BLOCK // prod(shape)))
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow decodes and scales outside Python's lock
        for block in _blocks(names, counts or [1] * len(names), most):
            with warnings.catch_warnings(action="ignore"):  # Pillow's, of what it mends
                tried = list(pool.map(partial(_attempt, archive, how), block))
            errors |= {name: each for (name, _), each in zip(block, tried, strict=True) if isinstance(each, ValueError)}
            if errors:  # and look on, to name all of them
                continue
            pictures = [each for each in tried if not isinstance(each, ValueError)]
            for (name, _), picture in zip(block, pictures, strict=True):
                _check_sides(names[0], shape, name, picture.shape)
            yield np.concatenate(pictures).reshape(-1, *shape)
    refuse(errors)


def _attempt(archive: Archive, how: Preparation, part: tuple[str, range]) -> np.ndarray | ValueError:
    try:
        return decode(archive.read(part[0]), f"{archive.path}/{part[0]}", how, part[1])
    except ValueError as error:
        return error


def _blocks(names: Sequence[str], counts: Sequence[int], most: int) -> Iterator[list[tuple[str, range]]]:
    """Files and the frames of each, so many pictures at a time at most."""
    block: list[tuple[str, range]] = []
    room = most
    for name, frames in zip(names, counts, strict=True):
        start = 0
        while start < frames:
            taken = min(room, frames - start)
            block.append((name, range(start, start + taken)))
            start, room = start + taken, room - taken
            if room == 0:
                yield block
                block, room = [], most
    if block:
        yield block


def refuse(errors: Mapping[str, ValueError]) -> None:
    """Raise the first error, if there is any, and name the other files.

    Raises:
        ValueError: There is one.
    """
    if errors:
        (_, first), *others = errors.items()
        more = f"; and {counted(len(others), 'other')}: {named([name for name, _ in others])}" if others else ""
        raise ValueError(f"{first}{more}") from first


def _prepared(picture: Image.Image, name: str, how: Preparation) -> np.ndarray:
    """A picture in mode L or RGB, cropped, scaled, and with the channels that are wanted, ``(C, H, W)``."""
    picture = _cropped(picture, name, how.crop)
    if how.image_size is not None:
        picture = ImageOps.fit(picture, (how.image_size, how.image_size), method=Image.Resampling.BICUBIC)
    array = np.asarray(picture.convert("L" if how.grey else "RGB"))
    return array[None] if how.grey else array.transpose(2, 0, 1)


def _cropped(picture: Image.Image, name: str, crop: Sequence[int] | None) -> Image.Image:
    if crop is None or tuple(crop) == (0,):
        return picture
    width, height = picture.size
    if len(crop) == 1:
        left, top = round((width - crop[0]) / 2), round((height - crop[0]) / 2)
        box = (left, top, left + crop[0], top + crop[0])
    else:
        box = (crop[0], crop[1], crop[2], crop[3])
    if min(box) < 0 or box[2] > width or box[3] > height:
        said = ",".join(map(str, crop))
        raise ValueError(f"{name} is {width}×{height}, too small for the crop {said}; `crop=[0]` leaves pictures whole")
    return picture.crop(box)


def _check_sides(name: str, shape: Sequence[int], other: str, other_shape: Sequence[int]) -> None:
    if tuple(other_shape[1:]) != tuple(shape[1:]):
        one, two = (f"{plain(each)} is {sides[2]}×{sides[1]}" for each, sides in ((name, shape), (other, other_shape)))
        raise ValueError(f"images differ in size: {one}, {two}; bring them to one with `image_size`")
