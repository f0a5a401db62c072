"""A column of a comparison as a heat map over two settings that vary, with pictures of the models in its cells.

Source: Higgins et al., β-VAE, https://openreview.net/forum?id=Sy2fzU9gl, figure 6: the metric over β_norm and the
number of latents, with pictures of some of the models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, isfinite
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from torch import Tensor

from .axes import are_numbers, in_order, name_columns, option_title, said
from .bounds import DOTS_PER_INCH, cell_inches, most_pictures, some_of
from .labels import draws_plain_text, labels, say_below
from .pictures import tile

__all__ = ["MapCell", "column_map", "fits_pictures"]

MOST_SIDE, MOST_CELLS, MOST_PANELS = 40, 1600, 9  # cells a side of a map, in all maps, and maps
LONGEST_TITLE = 50  # characters
SCALE = 0.62  # of a small picture in a cell to one in a grid
LINE_INCHES, LETTER_INCHES, LEAST_INCHES = 0.13, 0.072, 0.72  # of the text of a cell, and width of a cell
COLOURS = colormaps["viridis"]
DARK_BELOW = 0.5  # luminance of a cell on which text is white


@dataclass(frozen=True)
class MapCell:
    """A cell of a map.

    Attributes:
        value: The number that colours it; NaN where there is none.
        text: The number as it is written, on one line or two.
        pictures: What is shown below the text, ``(R, C, channels, H, W)``; None for nothing.
    """

    value: float
    text: str
    pictures: Tensor | None = None


def fits_pictures(cells: int, pictures: int, sides: Sequence[int]) -> bool:
    """Whether a figure holds so many pictures with ``sides`` (height, width) in each of its cells."""
    return cells * pictures <= most_pictures(sides)


@draws_plain_text
def column_map(
    panels: Mapping[str, Mapping[tuple[Any, Any], MapCell]], settings: tuple[str, str], title: str, note: str = ""
) -> Figure:
    """A column over two settings that vary: its number as the colour of a cell, and as text, with pictures below.

    Numbers rise to the right and upwards. A combination that was not fitted is grey.

    Args:
        panels: For each combination of the other settings, by its name, the cells, by the values of the two settings;
            one panel without a name where no others vary. At most 9 are drawn.
        settings: The names of the two: across and up.
        title: What the numbers are.
        note: What the pictures are.
    """
    columns, rows = (in_order(key[side] for cells in panels.values() for key in cells) for side in (0, 1))
    there = (len(columns), len(rows))
    columns, rows = columns[:MOST_SIDE], rows[:MOST_SIDE]
    most = max(1, MOST_CELLS // max(1, len(columns) * len(rows)))
    drawn = dict(list(panels.items())[: min(MOST_PANELS, most)])
    rows = rows[::-1] if are_numbers(rows) else rows
    title = labels([title], LONGEST_TITLE)[0]
    size = _Size.of([cell for cells in drawn.values() for cell in cells.values()])
    figure, axes = _panels(len(drawn), size.width * len(columns), size.height * len(rows))
    values = [cell.value for cells in drawn.values() for cell in cells.values() if isfinite(cell.value)]
    norm = Normalize(min(values, default=0.0), max(values, default=1.0))
    for panel, name, cells in zip(axes, labels([*drawn], LONGEST_TITLE), drawn.values(), strict=False):
        _draw_map(panel, cells, (columns, rows), norm, size)
        panel.set_xlabel(option_title(settings[0]))
        panel.set_ylabel(option_title(settings[1]))
        if len(drawn) > 1:
            panel.set_title(name, fontsize=8)
        else:  # where there are several, their numbers have to do
            bar = figure.colorbar(ScalarMappable(norm, COLOURS), ax=panel, label=title, aspect=30, pad=0.02)
            bar.ax.tick_params(labelsize=7)
    for panel in axes[len(drawn) :]:
        panel.set_axis_off()
    left_out = [some_of(len(drawn), len(panels), "panels"), some_of(len(columns), there[0], "columns"),
                some_of(len(rows), there[1], "rows")]  # fmt: skip
    what = f"{title}: the larger, the brighter" if len(drawn) > 1 else ""
    say_below(figure, what, note, *left_out)
    return figure


@dataclass(frozen=True)
class _Size:
    """Of a cell: width and height in inches, and the share of the height that the text takes."""

    width: float
    height: float
    text: float

    @classmethod
    def of(cls, cells: Sequence[MapCell]) -> _Size:
        """The size that all cells fit into."""
        lines = [line for cell in cells for line in cell.text.split("\n")]
        width = max(LEAST_INCHES, LETTER_INCHES * max(map(len, lines), default=1) + 0.15)
        text = LINE_INCHES * max((cell.text.count("\n") + 1 for cell in cells), default=1) + 0.12
        shown = next((cell.pictures for cell in cells if cell.pictures is not None), None)
        if shown is None:
            return cls(width, text + 0.12, 1.0)
        across, down = (SCALE * inches for inches in cell_inches(shown.shape[-2:]))
        height = text + shown.shape[0] * down + 0.06
        return cls(max(width, shown.shape[1] * across + 0.12), height, text / height)


def _panels(count: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """A figure with at least so many panels of a size in inches, and room for what stands around them."""
    across = min(count, 3 if width < 4 else 2)
    down = ceil(count / across)
    above = 0.3 if count > 1 else 0.0
    size = (across * (width + 0.9) + (1.1 if count == 1 else 0.2), down * (height + 0.7 + above) + 0.3)
    figure = Figure(figsize=(max(3.4, size[0]), max(2.0, size[1])), layout="constrained", dpi=DOTS_PER_INCH)
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(down, across, squeeze=False).flat)


def _draw_map(
    panel: Axes,
    cells: Mapping[tuple[Any, Any], MapCell],
    values: tuple[Sequence[Any], Sequence[Any]],
    norm: Normalize,
    size: _Size,
) -> None:
    """Draw the cells, each with its text on top and its pictures below."""
    columns, rows = values
    table = np.full((len(rows), len(columns)), np.nan)
    panel.set_facecolor("0.9")
    for row, column in np.ndindex(table.shape):
        cell = cells.get((columns[column], rows[row]), MapCell(np.nan, "–"))
        table[row, column] = cell.value
        place = row if cell.pictures is None else row - 0.5 + size.text / 2
        style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 7, "zorder": 3}
        panel.text(column, place, cell.text, color=_ink(norm, cell.value), **style)
        if cell.pictures is not None:
            ends = (column - 0.46, column + 0.46, row + 0.46, row - 0.5 + size.text)
            panel.imshow(tile(cell.pictures), extent=ends, aspect="auto", cmap="gray", vmin=0, vmax=1, zorder=2)
    panel.imshow(np.ma.masked_invalid(table), cmap=COLOURS, norm=norm, aspect="auto", zorder=1,
                 extent=(-0.5, len(columns) - 0.5, len(rows) - 0.5, -0.5))  # fmt: skip
    panel.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5))
    name_columns(panel, columns, size.width)
    panel.set_yticks(range(len(rows)), said(rows), fontsize=8)
    panel.tick_params(length=0)


def _ink(norm: Normalize, value: float) -> str:
    """The colour of text that can be read on a cell."""
    if not isfinite(value):
        return "black"
    red, green, blue, _ = COLOURS(float(norm(value)))
    return "white" if 0.3 * red + 0.59 * green + 0.11 * blue < DARK_BELOW else "black"
