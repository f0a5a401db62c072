"""A picture as values and transparency, and as bytes, grey or red-green-blue: what a viewer would show.

Colours c under a share of opacity a are laid on a background b,

    x = a c + (1 − a) b

so that what lies under transparent pixels has no effect. Grey levels of more than 8 bits are scaled from their range.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageColor

from .levels import BYTES, Levels, scaled
from .notes import shortened

__all__ = [
    "Depth",
    "checked_colour",
    "colour_of",
    "depth_of",
    "has_alpha",
    "is_deep",
    "is_grey",
    "layers",
    "rendered",
]

BITS_A_SAMPLE, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339  # tags of a TIFF
MISREAD = {(1, 32): "u4", (2, 8): "i1"}  # sample formats and bits that Pillow takes for signed, and for unsigned
SIXTEEN_BITS: Levels = (0.0, 65535.0)
UNSIGNED_MODES = ("I;16", "I;16B", "I;16L", "I;16N")
WITH_ALPHA = ("LA", "La", "RGBA", "RGBa", "PA")
STEPS = {"L;2": 85, "L;4": 17}  # what Pillow multiplies grey levels of few bits with


@dataclass(frozen=True)
class Depth:
    """What the header of a file says of its grey levels.

    Attributes:
        levels: Black and white; None where the format does not say, as for signed numbers and floats.
        is_inverted: Whether the lowest level is white, and Pillow leaves that to us.
        is_reduced: Whether colours have 16 bits in the file, of which Pillow reads 8.
        step: What grey levels of few bits, and so a transparent one, were multiplied with.
        dtype: What the numbers are, where Pillow takes them for others of the same bits.
    """

    levels: Levels | None
    is_inverted: bool = False
    is_reduced: bool = False
    step: int = 1
    dtype: str | None = None


def depth_of(file: Image.Image) -> Depth:
    """The depth of a file that is open and not decoded yet."""
    tags = getattr(file, "tag_v2", {})
    layout = _layout(file)
    bits, is_inverted = tags.get(BITS_A_SAMPLE, (16,))[0], tags.get(PHOTOMETRIC) == 0
    dtype = MISREAD.get((tags.get(SAMPLE_FORMAT, (1,))[0], bits))
    if dtype is not None and file.mode in ("L", "I"):
        return Depth(None, dtype=dtype)
    if not is_deep(file):
        return Depth(BYTES, is_reduced=";16" in layout, step=STEPS.get(layout, 1))
    if file.mode in UNSIGNED_MODES:
        return Depth((0.0, float(2**bits - 1)), is_inverted)
    return Depth(SIXTEEN_BITS if file.format in ("PNG", "PPM") and file.mode == "I" else None, is_inverted)


def is_deep(picture: Image.Image) -> bool:
    """Whether grey levels have more than 8 bits, or are floats."""
    return picture.mode.startswith(("I", "F"))


def is_grey(picture: Image.Image) -> bool:
    """Whether a picture is grey by its mode, or by its file's where that is open and not decoded yet."""
    return is_deep(picture) or picture.mode in ("1", "L", "LA", "La") or _layout(picture).startswith("LA;16")


def _layout(file: Image.Image) -> str:
    """How the pixels lie in a file that is not decoded yet, in Pillow's words."""
    for _, _, _, arguments in getattr(file, "tile", []):
        return arguments if isinstance(arguments, str) else str((arguments or ("",))[0])
    return ""


def has_alpha(picture: Image.Image) -> bool:
    """Whether some pixels may be transparent."""
    return picture.mode in WITH_ALPHA or "transparency" in picture.info or _has_clear_palette(picture)


def _has_clear_palette(picture: Image.Image) -> bool:
    """Whether the colours of a palette have an opacity, as in a TGA."""
    return picture.mode == "P" and picture.palette is not None and picture.palette.mode.endswith("A")


def layers(picture: Image.Image, depth: Depth) -> tuple[np.ndarray, np.ndarray | None]:
    """Values ``(H, W)`` or ``(H, W, 3)`` as they are stored, and opacity ``(H, W)`` from 0 to 255, if there is any."""
    clear = picture.info.get("transparency")
    if picture.mode in WITH_ALPHA or _has_clear_palette(picture) or (picture.mode == "P" and clear is not None):
        whole = np.asarray(picture.convert("LA" if picture.mode in ("LA", "La") else "RGBA"))
        return (whole[..., 0] if whole.shape[2] == 2 else whole[..., :3]), whole[..., -1]
    values = np.asarray(picture if is_deep(picture) else picture.convert("L" if is_grey(picture) else "RGB"))
    values = values if depth.dtype is None else values.view(depth.dtype)
    if clear is None or (values.ndim == 3 and not isinstance(clear, tuple)):
        return values, None
    key = np.asarray(clear) >> 8 if depth.is_reduced else np.asarray(clear) * depth.step
    is_clear = (values == key).all(axis=2) if values.ndim == 3 else values == key
    return values, np.where(is_clear, 0, 255).astype(np.uint8)


def rendered(
    picture: Image.Image, depth: Depth, levels: Levels | None, background: tuple[int, ...] | None
) -> Image.Image:
    """The picture in mode L or RGB.

    Args:
        picture: One frame, upright.
        depth: What the header says of its grey levels.
        levels: The range that becomes 0 ... 1; None for bytes as they are.
        background: What transparent pixels show: red, green and blue; None for the colours that are stored there.

    Raises:
        ValueError: Pixels are NaN or infinite, or have no known range.
    """
    is_flat = background is None or not has_alpha(picture)
    if is_flat and depth.levels == BYTES and levels is None:
        return picture.convert("L" if is_grey(picture) else "RGB")
    values, alpha = layers(picture, depth)
    levels = depth.levels if levels is None else levels
    if levels is None:
        raise ValueError(
            "floats and signed numbers have no grey levels of their own, and the run's data had none: save the picture "
            "with bytes, 0 to 255"
        )
    if not np.isfinite(values).all():
        raise ValueError(
            f"{int((~np.isfinite(values)).sum()):,} pixels are NaN or infinite; fill them, as np.nan_to_num does"
        )
    shares = scaled(values, levels)
    bytes_ = 255 * (1 - shares if depth.is_inverted else shares)
    if background is not None and alpha is not None:
        bytes_ = _laid_on(bytes_, alpha / 255, background)
    return Image.fromarray(bytes_.round().astype(np.uint8))


def _laid_on(bytes_: np.ndarray, alpha: np.ndarray, background: tuple[int, ...]) -> np.ndarray:
    """Values on a background; grey ones on a coloured background are coloured, unless none is transparent."""
    if bytes_.ndim == 2 and len({*background}) == 1:
        return alpha * bytes_ + (1 - alpha) * background[0]
    colours = bytes_[..., None].repeat(3, axis=2) if bytes_.ndim == 2 else bytes_
    return alpha[..., None] * colours + (1 - alpha[..., None]) * np.array(background)


def colour_of(text: str) -> tuple[int, ...] | None:
    """Red, green and blue of a colour as CSS names it; None for "none".

    >>> colour_of("white"), colour_of("#204060"), colour_of("none")
    ((255, 255, 255), (32, 64, 96), None)
    """
    return None if text == "none" else tuple(ImageColor.getrgb(text)[:3])


def checked_colour(text: str) -> str:
    """The text itself, if `colour_of` can read it.

    Raises:
        ValueError: It cannot.
    """
    try:
        colour_of(text)
    except ValueError as error:
        wanted = "a colour like white or #204060, or none to take what is stored under transparent pixels"
        raise ValueError(f"background must be {wanted}, got {shortened(text)!r}") from error
    return text
