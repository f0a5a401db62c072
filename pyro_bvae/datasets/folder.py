"""A folder of image files, in any format that Pillow reads; its subfolders, where there are several, are the labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

from .dataset import Dataset

__all__ = ["load"]


def load(path: Path, image_size: int | None = None, grey: bool = False) -> Dataset:
    """All images under a folder, in the order of their paths.

    Args:
        path: The folder.
        image_size: Side in pixels of the square that each image is scaled to and cropped to at its centre
            (bicubic); by default images keep their size, which must then be one.
        grey: One channel in place of three. Images that are all grey already have one channel anyway.

    Raises:
        ValueError: No images, a damaged image, or images of several sizes and no ``image_size``.
        OSError: The folder cannot be read.
    """
    if not path.is_dir():
        raise FileNotFoundError(f"{path} is not a folder")
    known = {ending for ending, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    files = sorted(file for file in path.rglob("[!.]*") if file.suffix.lower() in known)
    if not files:
        raise ValueError(f"no image files under {path}")
    pictures = [_read(file, image_size) for file in files]
    sizes = {picture.size: file for picture, file in zip(pictures, files, strict=True)}
    if len(sizes) > 1:
        (first, one), (second, other) = list(sizes.items())[:2]
        raise ValueError(
            f"images differ in size: {one} is {first[0]}×{first[1]}, {other} is {second[0]}×{second[1]}; "
            "bring them to one with --image-size"
        )
    one_channel = grey or all(picture.mode == "L" for picture in pictures)
    stack = np.stack([np.asarray(picture.convert("L" if one_channel else "RGB")) for picture in pictures])
    images = torch.from_numpy(stack)
    images = images[:, None] if one_channel else images.permute(0, 3, 1, 2).contiguous()  # (N, C, H, W)
    classes = {folder: label for label, folder in enumerate(sorted({file.parent for file in files}))}
    labels = torch.tensor([classes[file.parent] for file in files]) if len(classes) > 1 else None
    return Dataset(f"folder:{path}", images, labels=labels, source=str(path))


def _read(file: Path, image_size: int | None) -> Image.Image:
    try:
        with Image.open(file) as opened:
            picture = ImageOps.exif_transpose(opened)
            picture = _eight_bits(picture)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{file} is damaged or no image: {error}") from error
    if image_size is None:
        return picture
    return ImageOps.fit(picture, (image_size, image_size), method=Image.Resampling.BICUBIC)


def _eight_bits(picture: Image.Image) -> Image.Image:
    """The picture in mode L or RGB. Pillow clips 16 bits to 8 where one would scale them."""
    if picture.mode == "F":
        raise ValueError("a picture of floats has no known range; save it as 8 or 16 bits, or as an npy")
    if picture.mode.startswith("I"):
        return Image.fromarray((np.asarray(picture) / 257).round().astype(np.uint8))
    return picture.convert("L" if picture.mode in ("1", "L", "LA") else "RGB")
