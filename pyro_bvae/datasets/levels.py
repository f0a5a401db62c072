"""Grey levels: which of them is black, 0, and which is white, 1.

x = (v − low) / (high − low), clipped to [0, 1]
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

import numpy as np

__all__ = [
    "BYTES",
    "FLOATS",
    "ROUNDING",
    "Levels",
    "are_hardly_used",
    "checked_levels",
    "interval",
    "measured_levels",
    "note_on_padding",
    "scaled",
    "scaled_images",
    "spread",
]

Levels = tuple[float, float]
BYTES: Levels = (0.0, 255.0)
FLOATS: Levels = (0.0, 1.0)  # where floats keep to them
ROUNDING = 8 * float(np.finfo(np.float32).eps)  # how far a pixel may lie outside [0, 1] to be taken for 0 or 1
SPARSE = 8  # a range is hardly used if what occurs is less than this part of it


def checked_levels(levels: Sequence[float]) -> list[float]:
    """The two ends of a range, as a config.json has them.

    Raises:
        ValueError: They are not two finite numbers, the lower first.
    """
    ends = [float(end) for end in levels]
    if len(ends) != 2 or not all(map(isfinite, ends)) or ends[0] >= ends[1]:
        raise ValueError(f"levels are two numbers, black and then white, got {' '.join(f'{end:g}' for end in ends)}")
    return ends


def scaled(values: np.ndarray, levels: Levels) -> np.ndarray:
    """Grey levels as floats between 0 and 1, float64, of the same shape.

    >>> scaled(np.array([0, 1000, 3000]), (1000, 2000)).tolist()
    [0.0, 0.0, 1.0]
    """
    low, high = levels
    return ((values.astype(np.float64) - low) / (high - low)).clip(0, 1)


def scaled_images(images: np.ndarray, levels: Levels) -> np.ndarray:
    """Many images as `scaled` makes each, in single precision and little more memory than that takes."""
    shares = np.empty(images.shape, np.float32)
    for image, share in zip(images, shares, strict=True):
        share[...] = scaled(image, levels)
    return shares


def measured_levels(lowest: float, highest: float, floats: bool) -> Levels:
    """The range of grey levels that have no natural one, from those that occur; [0, 1] for floats that lie there."""
    if floats and lowest >= -ROUNDING and highest <= 1 + ROUNDING:
        return FLOATS
    return (lowest, highest) if lowest < highest else (lowest, lowest + 1)


def interval(levels: Sequence[float]) -> str:
    """A range as it is said.

    >>> interval((-1024, 3071))
    '−1024…3071'
    """
    return "…".join(f"{end:.7g}".replace("-", "−") for end in levels)


def are_hardly_used(occur: Levels, levels: Levels) -> bool:
    """Whether what occurs is a small part of a range, and more than one level."""
    return 0 < (occur[1] - occur[0]) * SPARSE < levels[1] - levels[0]


def spread(occur: Levels, levels: Levels) -> str:
    """What occurs of a range, and, if that is a small part of it, how to spread it.

    >>> spread((0, 4095), (0, 65535))
    '; 0…4095 occur, `levels=(0, 4095)` spreads them'
    """
    advice = f", `levels=({occur[0]:.7g}, {occur[1]:.7g})` spreads them" if are_hardly_used(occur, levels) else ""
    return f"; {interval(occur)} occur{advice}"


def note_on_padding(levels: Levels, second: float) -> list[str]:
    """That a lone lowest level lies far below all others, as around a scan, and takes most of the range.

    Args:
        levels: The lowest and the highest level that occur.
        second: The lowest but for that one; the highest where there is none.
    """
    low, high = levels
    if second == high or 2 * (second - low) < high - low:
        return []
    advice = f"`levels=({second:.7g}, {high:.7g})` leaves it out of the range"
    return [f"nothing but {interval((low,))} lies below {interval((second,))}, as padding does: {advice}"]
