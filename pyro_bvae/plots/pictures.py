"""Pictures in a grid, on a matplotlib figure made without pyplot."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from math import ceil

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.image import AxesImage
from matplotlib.textpath import text_to_path
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn.functional import interpolate, pad

from ..files import LostError
from .bounds import DOTS_PER_INCH, cell_inches
from .labels import draws_plain_text

__all__ = ["make_panels", "optional", "png_of", "show", "tile", "whole_rows"]

POINTS = 7  # of the size of names beside rows
LEAST_ACROSS = 2.0  # inches, of a panel: what stands below must have room
LEVELS, COLOURS, MARGIN = 64, 128, 6  # of a small PNG
LEAST_ENLARGED = 1.5  # from which on a picture is drawn with the edges of its pixels, which takes less room
LEAST_SIDE, MOST_SIDE = 4, 160  # pixels, of a picture in a grid: fewer are repeated, more are averaged


def make_panels(
    blocks: int, rows: int, columns: int, sides: Sequence[int], *, enlarged: float = 1.0, names: Sequence[str] = ()
) -> tuple[Figure, list[Axes]]:
    """A figure of ``blocks`` panels, each sized for a grid of pictures with ``sides`` (height, width).

    Args:
        blocks: How many panels.
        rows: Of pictures in a panel.
        columns: Likewise.
        sides: Of a picture, in pixels.
        enlarged: How much larger than usual pictures are drawn.
        names: That will stand beside the rows, if any.
    """
    across = ceil(blocks**0.5)
    down = ceil(blocks / across)
    width, height = (enlarged * inches for inches in cell_inches(sides))
    beside = 0.65 + max(map(_inches, names)) if names else 0.1
    size = (across * max(columns * width + beside, LEAST_ACROSS), down * (rows * height + 0.6))
    figure = Figure(figsize=size, layout="constrained", dpi=DOTS_PER_INCH)
    FigureCanvasAgg(figure)
    panels = list(figure.subplots(down, across, squeeze=False).flat)
    for panel in panels[blocks:]:
        panel.set_axis_off()
    return figure, panels[:blocks]


def _inches(name: str) -> float:
    """How wide a name beside a row is."""
    width, _, _ = text_to_path.get_text_width_height_descent(name, FontProperties(size=POINTS), False)
    return float(width) / 72


@contextmanager
def optional(picture: object) -> Iterator[None]:
    """Go on without a picture that cannot be drawn or written, with a warning that names it: it ends no fit.

    Args:
        picture: Its name or file.
    """
    try:
        yield
    except LostError:
        raise
    except Exception as error:  # whatever it is, what a picture shows is safe elsewhere
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or "it takes too much memory"
        warnings.warn(f"{picture} is left out: {reason}", stacklevel=3)


@draws_plain_text
def png_of(figure: Figure) -> bytes:
    """A figure as the bytes of a small PNG: small pictures keep their pixels, and grey has 64 levels.

    Curves have the colours of a palette of 128; pictures in colour and heat maps have all of theirs.
    """
    pictures = [image for image in figure.findobj(AxesImage) if isinstance(image, AxesImage)]
    figure.draw_without_rendering()  # so that all have their place
    for image in pictures:
        if image.get_window_extent().width >= LEAST_ENLARGED * image.get_size()[1]:
            image.set_interpolation("nearest")
    content = BytesIO()
    figure.savefig(content, format="png")
    drawn = _without_margin(Image.open(content).convert("RGB"))
    red, green, blue = drawn.split()
    if red.tobytes() == green.tobytes() == blue.tobytes():
        drawn = red.point([round(level / 255 * (LEVELS - 1)) * 255 // (LEVELS - 1) for level in range(256)])
    elif not pictures:
        drawn = drawn.quantize(COLOURS)
    small = BytesIO()
    drawn.save(small, "PNG", optimize=True)
    return small.getvalue()


def _without_margin(picture: Image.Image) -> Image.Image:
    """A picture without most of the white around what is drawn."""
    there = ImageOps.invert(picture.convert("L")).getbbox() or (0, 0, *picture.size)
    left, top = (max(0, side - MARGIN) for side in there[:2])
    right, bottom = (min(end, side + MARGIN) for end, side in zip(picture.size, there[2:], strict=True))
    return picture.crop((left, top, right, bottom))


def whole_rows(images: Tensor, columns: int) -> Tensor:
    """The pictures, followed by as many white ones as fill the last row."""
    missing = -len(images) % columns
    return torch.cat([images, images.new_ones(missing, *images.shape[1:])])


def show(panel: Axes, grid: Tensor) -> AxesImage:
    """Show pictures ``(R, C, channels, H, W)`` with the centre of each at its column and row."""
    rows, columns, _, height, width = grid.shape
    extent = (-0.5, columns - 0.5, rows - 0.5, -0.5)
    across, down = cell_inches((height, width))
    picture = panel.imshow(tile(grid), extent=extent, aspect=down / across, cmap="gray", vmin=0, vmax=1)
    panel.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False, labelsize=POINTS)
    panel.set_anchor("W")  # or else the layout takes room that is left over for that of the names
    panel.set_frame_on(False)
    return picture


def tile(grid: Tensor) -> np.ndarray:
    """Pictures ``(R, C, channels, H, W)`` as one, with a white line around each: ``(h, w)`` grey or ``(h, w, 3)``."""
    channels = grid.shape[2]
    grid = grid if channels in (1, 3) else grid.mean(2, keepdim=True)
    grid = _sized(grid)
    framed = pad(grid.clamp(0, 1), (1, 1, 1, 1), value=1.0)
    whole = framed.permute(0, 3, 1, 4, 2).flatten(0, 1).flatten(1, 2)  # (R·H, C·W, channels)
    return whole.squeeze(-1).numpy()


def _sized(grid: Tensor) -> Tensor:
    """Pictures with as many pixels a side as can be seen: more are averaged, fewer than four are repeated."""
    height, width = grid.shape[-2:]
    if max(height, width) > MOST_SIDE:
        size = (min(height, MOST_SIDE), min(width, MOST_SIDE))
        grid = interpolate(grid.flatten(0, 1), size, mode="area").unflatten(0, grid.shape[:2])
    return grid.repeat_interleave(ceil(LEAST_SIDE / height), dim=-2).repeat_interleave(ceil(LEAST_SIDE / width), dim=-1)
