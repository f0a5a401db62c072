"""How much a figure shows at most, so that it can be drawn and looked at whatever the data and the model.

Thousands of latents or features would take gigabytes, and nobody could see them. What is left out stands below the
figure, and `traversal_note` and `features_note` say it before anything is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from ..traversal import Traversal

__all__ = [
    "DOTS_PER_INCH",
    "MOST_COVARIANCES",
    "MOST_CURVES",
    "MOST_LABELS",
    "MOST_LATENTS",
    "MOST_LINES",
    "MOST_MOVING",
    "MOST_PAIRED",
    "MOST_POINTS",
    "MOST_VALUES",
    "Extent",
    "cell_inches",
    "extent",
    "features_note",
    "most_active",
    "most_pictures",
    "part_of",
    "pictures_note",
    "some_of",
    "spread",
    "traversal_note",
]

DOTS_PER_INCH = 120
MOST_PICTURES = 2000  # small pictures in a figure
MOST_PIXELS = 20_000_000  # of a figure: 80 MB while it is drawn
MOST_LATENTS, MOST_VALUES, MOST_STARTS = 50, 30, 30  # rows, columns and panels of a traversal
MOST_MOVING = 20  # latents of an animation
MOST_PAIRED, MOST_COVARIANCES, MOST_LINES = 5, 100, 12  # features in pairs, in a covariance, in a traversal of vectors
MOST_POINTS = 1000  # of a set in a scatter, and of a curve
MOST_CURVES = 500  # runs whose learning curves are drawn
MOST_LABELS = 30  # choices of a comparison, in a picture or a legend
PICTURE_INCHES = 0.5  # width of a small picture on the figure
SMALL_SIDE, LARGE_SCALE = 64, 2.4  # a picture of more pixels a side is drawn larger, up to so many times
MOST_ASPECT = 4.0  # height to width and width to height; a picture that is more extreme is stretched


def cell_inches(sides: Sequence[int]) -> tuple[float, float]:
    """Width and height on a figure of a picture with ``sides`` (height, width) in pixels.

    >>> cell_inches((28, 28)), cell_inches((512, 512)), cell_inches((1, 400))
    ((0.5, 0.5), (1.2, 1.2), (2.4, 0.6))
    """
    aspect = min(MOST_ASPECT, max(1 / MOST_ASPECT, sides[0] / sides[1]))
    width = PICTURE_INCHES * min(LARGE_SCALE, max(1.0, max(sides) / SMALL_SIDE))
    width *= 2 / aspect if aspect > 2 else 0.5 / aspect if aspect < 0.5 else 1.0
    return width, width * aspect


def most_pictures(sides: Sequence[int]) -> int:
    """How many pictures with ``sides`` (height, width) in pixels a figure holds at most."""
    width, height = cell_inches(sides)
    return min(MOST_PICTURES, int(MOST_PIXELS / (width * height * DOTS_PER_INCH**2)))


class Extent(NamedTuple):
    """How many latents, values and starts a traversal has."""

    latents: int
    values: int
    starts: int


def extent(shape: Sequence[int], asked: Extent) -> Extent:
    """The part of a traversal that its figure shows.

    Args:
        shape: Of a datum, ``(C, H, W)`` or ``(D,)``.
        asked: What the traversal has.
    """
    if len(shape) == 1:  # curves, around the first start
        return Extent(min(asked.latents, MOST_LATENTS), min(asked.values, MOST_POINTS), 1)
    values = min(asked.values, MOST_VALUES)
    most, columns = most_pictures(shape[-2:]), values + 2  # and the original with its reconstruction
    latents = min(asked.latents, MOST_LATENTS, most // columns)
    return Extent(latents, values, min(asked.starts, MOST_STARTS, max(1, most // (latents * columns))))


def part_of(sweep: Traversal, most_latents: int = MOST_LATENTS) -> tuple[Traversal, str]:
    """The part of a traversal that is drawn: its first latents and starts, and values spread over the whole range.

    Args:
        sweep: All of it.
        most_latents: How many latents are drawn at most.

    Returns:
        That part, and what it is a part of, in words; "" where it is all.
    """
    shape, there = sweep.images.shape[3:], len(sweep.latents)
    there = sweep.codes.shape[-1] if there >= MOST_LATENTS else there  # few are few because somebody chose them
    asked = Extent(there, len(sweep.values), len(sweep.images))
    latents, values, starts = extent(shape, asked)
    latents = min(latents, len(sweep.latents), most_latents)
    columns = torch.from_numpy(spread(len(sweep.values), values))
    originals = sweep.base.originals
    part = replace(
        sweep,
        codes=sweep.codes[:starts, :latents, columns],
        images=sweep.images[:starts, :latents, columns],
        latents=sweep.latents[:latents],
        values=sweep.values[columns],
        kl=None if sweep.kl is None else sweep.kl[:latents],
        names=None if sweep.names is None else sweep.names[:latents],
        base=replace(sweep.base, originals=None if originals is None else originals[:starts]),
        reconstructions=sweep.reconstructions[:starts],
    )
    return part, _note(Extent(latents, values, starts), asked)


def traversal_note(shape: Sequence[int], asked: Extent) -> str:
    """What the figure of a traversal shows, where that is not all: "50 of 900 latents, 30 of 100 values"."""
    return _note(extent(shape, asked), asked)


def _note(shown: Extent, asked: Extent) -> str:
    return ", ".join(filter(None, map(some_of, shown, asked, Extent._fields)))


def pictures_note(shape: Sequence[int], count: int, what: str, each: int = 1) -> str:
    """How many of ``count`` data a figure shows, ``each`` of them as so many pictures, where that is not all."""
    most = MOST_POINTS if len(shape) == 1 else most_pictures(shape[-2:]) // each
    return some_of(most, count, what)


def features_note(features: int) -> str:
    """Which features the figures of vectors show, where that is not all."""
    bounds = {"samples and reconstructions": MOST_PAIRED, "the traversal": MOST_LINES, "covariances": MOST_COVARIANCES}
    shown = [f"{most} in {figure}" for figure, most in bounds.items() if features > most]
    return f"{', '.join(shown)}, of {features:,} features" if shown else ""


def some_of(shown: int, there: int, what: str) -> str:
    """How many of something are shown; nothing where it is all.

    >>> some_of(50, 900, "latents"), some_of(9, 9, "latents")
    ('50 of 900 latents', '')
    """
    return f"{shown:,} of {there:,} {what}" if shown < there else ""


def most_active(kl: Sequence[float], most: int = MOST_LATENTS) -> list[int]:
    """The latents of the largest KL, by falling KL.

    >>> most_active([0.1, 2.0, 0.5], most=2)
    [1, 2]
    """
    return sorted(range(len(kl)), key=lambda latent: -kl[latent])[:most]


def spread(count: int, most: int) -> np.ndarray:
    """At most ``most`` of the indices below ``count``, evenly spread, the first and the last among them.

    >>> spread(3, 5), spread(9, 3)
    (array([0, 1, 2]), array([0, 4, 8]))
    """
    return np.arange(count) if count <= most else np.linspace(0, count - 1, most).round().astype(int)
