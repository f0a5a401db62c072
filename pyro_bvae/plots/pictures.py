"""Pictures in a grid, on a matplotlib figure made without pyplot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from torch import Tensor
from torch.nn.functional import pad

from ..files import atomic_write

__all__ = ["PICTURE_INCHES", "make_panels", "save_figure", "save_figures", "show", "tile", "whole_rows"]

PICTURE_INCHES = 0.5  # width of a picture on the figure


def make_panels(
    blocks: int, rows: int, columns: int, sides: Sequence[int], width: float = PICTURE_INCHES
) -> tuple[Figure, list[Axes]]:
    """A figure of ``blocks`` panels, each sized for a grid of pictures with ``sides`` (height, width)."""
    across = ceil(blocks**0.5)
    down = ceil(blocks / across)
    height = width * sides[0] / sides[1]
    size = (across * (columns * width + 1.4), down * (rows * height + 0.6))
    figure = Figure(figsize=size, layout="constrained", dpi=120)
    FigureCanvasAgg(figure)
    panels = list(figure.subplots(down, across, squeeze=False).flat)
    for panel in panels[blocks:]:
        panel.set_axis_off()
    return figure, panels[:blocks]


def save_figure(figure: Figure, file: Path) -> None:
    """Write a figure atomically, in the format that the file's ending names."""
    with atomic_write(file) as partial:
        figure.savefig(partial)


def save_figures(figures: Mapping[str, Figure], folder: Path) -> list[Path]:
    """Write figures atomically into a folder, each as the PNG of its name.

    Returns:
        The files.
    """
    files = [folder / f"{name}.png" for name in figures]
    for file, figure in zip(files, figures.values(), strict=True):
        save_figure(figure, file)
    return files


def whole_rows(images: Tensor, columns: int) -> Tensor:
    """The pictures, followed by as many white ones as fill the last row."""
    missing = -len(images) % columns
    return torch.cat([images, images.new_ones(missing, *images.shape[1:])])


def show(panel: Axes, grid: Tensor) -> AxesImage:
    """Show pictures ``(R, C, channels, H, W)`` with the centre of each at its column and row."""
    rows, columns, _, height, width = grid.shape
    extent = (-0.5, columns - 0.5, rows - 0.5, -0.5)
    picture = panel.imshow(tile(grid), extent=extent, aspect=height / width, cmap="gray", vmin=0, vmax=1)
    panel.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False, labelsize=7)
    panel.set_frame_on(False)
    return picture


def tile(grid: Tensor) -> np.ndarray:
    """Pictures ``(R, C, channels, H, W)`` as one, with a white line around each: ``(h, w)`` grey or ``(h, w, 3)``."""
    channels = grid.shape[2]
    grid = grid if channels in (1, 3) else grid.mean(2, keepdim=True)
    framed = pad(grid.clamp(0, 1), (1, 1, 1, 1), value=1.0)
    whole = framed.permute(0, 3, 1, 4, 2).flatten(0, 1).flatten(1, 2)  # (R·H, C·W, channels)
    return whole.squeeze(-1).numpy()
