"""Pictures to arrays: decoded, cropped, scaled and brought to grey or RGB by Pillow, in parallel."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from .archives import Archive

__all__ = ["Preparation", "are_grey", "decode", "decode_all", "is_picture"]

PICTURES_A_BLOCK = 512  # decoded between two writes
# what Pillow raises for a damaged file
DECODING_ERRORS = (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError)


@dataclass(frozen=True)
class Preparation:
    """What is done to each picture.

    Attributes:
        crop: The part that is cut out first, in pixels: the side of a square at the centre, or left, top, right and
            bottom; None or 0 for the whole picture.
        image_size: Side of the square that the picture is then scaled to (bicubic, antialiased), after cropping a
            picture that is not square at its centre. None leaves its size.
        grey: Whether there is one channel in place of three.
    """

    crop: Sequence[int] | None
    image_size: int | None
    grey: bool

    @property
    def key(self) -> dict[str, Any]:
        """Everything that the result depends on besides the picture, as plain data."""
        return {**asdict(self), "resize": "bicubic"}


def is_picture(name: str) -> bool:
    """Whether a file's name ends like a picture that Pillow reads."""
    known = {ending for ending, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    return os.path.splitext(name)[1].lower() in known


def decode(content: bytes, name: str, how: Preparation) -> np.ndarray:
    """One picture, ``(C, H, W)`` uint8.

    Args:
        content: The bytes of its file.
        name: The file's name, for errors.
        how: What to do to it.

    Raises:
        ValueError: The file is damaged or no picture, or the crop reaches beyond it.
    """
    try:
        with Image.open(io.BytesIO(content)) as file:
            picture = _eight_bits(ImageOps.exif_transpose(file))
    except DECODING_ERRORS as error:
        raise ValueError(f"{name} is damaged or no image: {error}") from error
    picture = _cropped(picture, name, how.crop)
    if how.image_size is not None:
        picture = ImageOps.fit(picture, (how.image_size, how.image_size), method=Image.Resampling.BICUBIC)
    array = np.asarray(picture.convert("L" if how.grey else "RGB"))
    return array[None] if how.grey else array.transpose(2, 0, 1)


def decode_all(archive: Archive, names: Sequence[str], how: Preparation) -> Iterator[np.ndarray]:
    """All pictures of those names, decoded in parallel, in blocks ``(B, C, H, W)`` in the order of the names.

    Raises:
        ValueError: One is damaged, or they differ in size and are to keep it.
    """
    first: tuple[str, tuple[int, ...]] | None = None
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow decodes and scales outside Python's lock
        for start in range(0, len(names), PICTURES_A_BLOCK):
            some = names[start : start + PICTURES_A_BLOCK]
            pictures = list(pool.map(lambda name: decode(archive.read(name), f"{archive.path}/{name}", how), some))
            first = first or (some[0], pictures[0].shape)
            for name, picture in zip(some, pictures, strict=True):
                if picture.shape != first[1]:
                    raise ValueError(
                        f"images differ in size: {first[0]} is {_sides(first[1])}, {name} is {_sides(picture.shape)}; "
                        "bring them to one with --image-size"
                    )
            yield np.stack(pictures)


def are_grey(archive: Archive, names: Sequence[str]) -> bool:
    """Whether all pictures are grey; only their headers are decoded."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return all(pool.map(partial(_is_grey, archive), names))


def _is_grey(archive: Archive, name: str) -> bool:
    try:
        with Image.open(io.BytesIO(archive.read(name))) as file:
            return file.mode in ("1", "L", "LA") or file.mode.startswith("I")
    except DECODING_ERRORS:
        return True  # decoding it will say what is wrong


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
        raise ValueError(f"{name} is {width}×{height}, too small for --crop {said}; --crop 0 leaves pictures whole")
    return picture.crop(box)


def _eight_bits(picture: Image.Image) -> Image.Image:
    """The picture in mode L or RGB; pixels of 16 bits are scaled, where Pillow would clip them."""
    if picture.mode == "F":
        raise ValueError("a picture of floats has no known range; save it as 8 or 16 bits, or as an npy")
    if picture.mode.startswith("I"):
        return Image.fromarray((np.asarray(picture) / 257).round().astype(np.uint8))
    return picture.convert("L" if picture.mode in ("1", "L", "LA") else "RGB")


def _sides(shape: tuple[int, ...]) -> str:
    return f"{shape[2]}×{shape[1]}"
