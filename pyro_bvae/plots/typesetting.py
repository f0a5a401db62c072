"""A figure as wide as a column of a page, with text that can be read there.

A figure for a screen is wider than that, and scaled down its text would have three points. So it is laid out anew:
text has 7 or 8 points, panels that stood side by side go into as many rows as that takes, each panel keeps its shape,
and the height follows. Text that would then run into its neighbours is the business of `crowding`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from math import ceil

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpecBase
from matplotlib.image import AxesImage
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Affine2D, Bbox

from .crowding import legend_again, make_room, narrow_names, place_of

__all__ = ["DOTS_PER_INCH", "typeset"]

SMALLEST, LARGEST = 7.0, 8.0  # points of text
DOTS_PER_INCH = 300
MOST_INCHES = 9.0  # of height: a page
NARROWEST = 0.45  # of its width on the screen, to which a panel is narrowed before it goes into another row
NAMES_TAKE = 0.35  # of the width of a column of panels, at most
CELL = 1.3  # the height of a cell to that of its text
MOST_POINTS = 200  # of a scatter that is drawn point by point
LEAST_PANEL = 0.3  # inches of height
SETTLES = 2  # layouts until one more changes nothing
ROUNDS = 2  # of laying out: the height follows from the width, the text from both, and the height from that again


def typeset(figure: Figure, width: float) -> Figure:
    """A copy of a figure, laid out for a page.

    Args:
        figure: Its panels are made by ``figure.subplots``; it is laid out by matplotlib's "constrained" engine.
        width: In inches.
    """
    page = deepcopy(figure)
    FigureCanvasAgg(page)
    page.set_dpi(DOTS_PER_INCH)
    if page.get_layout_engine() is None:
        page.set_layout_engine("constrained")
    page.draw_without_rendering()
    panels = [panel for panel in page.axes if panel.get_subplotspec() is not None]
    shown = {panel: place_of(panel, page) for panel in panels if panel.axison}
    in_cells = {image: _shape(place_of(image, page)) for panel in shown for image in _in_cells(panel)}
    if len(shown) > 1:
        _into_rows(page, panels, shown, width)
    _set_type(page)
    page.set_size_inches(width, MOST_INCHES)
    for panel in shown:
        narrow_names(panel, page, NAMES_TAKE * width / _grid(panel).ncols)
    for _ in range(ROUNDS):
        _set_height(page, shown)
        before = _said(page)
        make_room(page, [*shown])
        if _said(page) == before:
            break
    else:
        _set_height(page, shown)
    page.draw_without_rendering()
    page.set_layout_engine("none")  # all has its place, whatever draws it
    for image, shape in in_cells.items():
        _keep_shape(image, shape / _shape(place_of(image, page)))
    _set_dots(page)
    return page


def _shape(place: Bbox) -> float:
    """Height to width."""
    return place.height / place.width


def _in_cells(panel: Axes) -> list[AxesImage]:
    """The pictures of a panel that stand in its cells, below text; not one that is the whole panel."""
    width = abs(panel.get_xlim()[1] - panel.get_xlim()[0])
    return [image for image in panel.get_images() if abs(image.get_extent()[1] - image.get_extent()[0]) < 0.99 * width]


def _keep_shape(image: AxesImage, change: float) -> None:
    """Make a picture in a cell lower or narrower around its centre, by the change of height to width that it lacks."""
    left, right, bottom, top = image.get_extent()
    across, down = min(1.0, 1 / change) * (right - left) / 2, min(1.0, change) * (top - bottom) / 2
    x, y = (left + right) / 2, (bottom + top) / 2
    image.set_extent((x - across, x + across, y - down, y + down))


def _grid(panel: Axes) -> GridSpecBase:
    """The rows and columns among which a panel stands."""
    place = panel.get_subplotspec()
    assert place is not None
    return place.get_gridspec()


def _into_rows(page: Figure, panels: Sequence[Axes], shown: Mapping[Axes, Bbox], width: float) -> None:
    """Put panels that stand side by side, and share no x, into more rows, if they would be too narrow."""
    grids = {_grid(panel) for panel in panels}
    if len(grids) > 1 or any(len(panel.get_shared_x_axes().get_siblings(panel)) > 1 for panel in shown):
        return
    columns = next(iter(grids)).ncols
    narrowest = NARROWEST * page.get_figwidth() / columns
    across = max(1, min(columns, len(shown), int(width / narrowest)))
    while (
        across < columns and ceil(len(shown) / across) * max(map(_shape, shown.values())) * width / across > MOST_INCHES
    ):
        across += 1
    grid = page.add_gridspec(ceil(len(shown) / across), across)
    for number, panel in enumerate(shown):
        row, column = divmod(number, across)
        panel.set_subplotspec(grid[row, column])
        if len(panel.get_shared_y_axes().get_siblings(panel)) > 1:
            panel.tick_params(labelleft=column == 0)
    for panel in {*panels} - {*shown}:
        panel.remove()


def _set_type(page: Figure) -> None:
    """Text of a size for print, and thin lines."""
    for panel in page.axes:
        for axes in (panel, *panel.child_axes):
            axes.tick_params(which="both", labelsize=SMALLEST, pad=2.0)
        for spine in panel.spines.values():
            spine.set_linewidth(0.6)
        if panel.get_legend() is not None:
            legend_again(panel)
    for text in page.findobj(Text):
        text.set_fontsize(min(LARGEST, max(SMALLEST, text.get_fontsize())))  # type: ignore[attr-defined]
    for line in page.findobj(Line2D):
        line.set_linewidth(min(1.0, line.get_linewidth()))  # type: ignore[attr-defined]
        line.set_markersize(min(3.0, line.get_markersize()))  # type: ignore[attr-defined]


def _said(page: Figure) -> list[object]:
    """All text and how it stands there, and where legends are."""
    texts = [text for text in page.findobj(Text) if isinstance(text, Text)]
    legends = [legend.get_label() for legend in page.findobj(Legend)]
    return [*((text.get_text(), text.get_rotation(), text.get_visible()) for text in texts), *legends]


def _set_height(page: Figure, shown: Mapping[Axes, Bbox]) -> None:
    """Lay the figure out at the height at which panels have their shapes, and hold the labels beside them.

    That is known of a figure that is too high. In one that is too low, pictures are not as wide as they may be, and the
    engine takes the room beside them for theirs.
    """
    _lay_out(page, MOST_INCHES)
    rows = max(_grid(panel).nrows for panel in shown)
    spare = min(_spare(panel, before, page) for panel, before in shown.items())
    _lay_out(page, MOST_INCHES - rows * max(0.0, spare))


def _lay_out(page: Figure, height: float) -> None:
    """Give everything its place at a height; this draws nothing."""
    page.set_figheight(height)
    engine = page.get_layout_engine()
    assert engine is not None
    for _ in range(SETTLES):
        engine.execute(page)
        for panel in page.axes:
            panel.apply_aspect()


def _spare(panel: Axes, before: Bbox, page: Figure) -> float:
    """By how much the cell of a panel is too high for its shape, and for the labels that stand in the cell too.

    Args:
        panel: The panel.
        before: Its place on the figure for the screen.
        page: The figure for the page.
    """
    inside, everything = place_of(panel, page), panel.get_tightbbox()
    assert everything is not None
    around = everything.transformed(page.dpi_scale_trans.inverted())
    cell = panel.get_position(original=True).transformed(Affine2D().scale(*page.get_size_inches()))
    beyond = max(0.0, around.y1 - cell.y1) + max(0.0, cell.y0 - around.y0)
    label = place_of(panel.yaxis.label, page).height if panel.yaxis.label.get_text() else 0.0
    text = before.height if _in_cells(panel) else _height_of_text(panel, page)
    wanted = max(_shape(before) * cell.width, LEAST_PANEL, label, text)
    return cell.height - wanted - (around.height - inside.height - beyond)


def _height_of_text(panel: Axes, page: Figure) -> float:
    """The height that the text in the cells of a table takes, where the panel is one."""
    texts = [text for text in panel.texts if not isinstance(text, Annotation) and text.get_visible()]
    rows = {text.get_position()[1] for text in texts}
    return sum(CELL * place_of(texts[0], page).height for _ in rows)


def _set_dots(page: Figure) -> None:
    """Keep the edges of pixels, and draw many points as pixels, which takes less room than each by itself."""
    for image in page.findobj(AxesImage):
        assert isinstance(image, AxesImage)
        if image.get_window_extent().width >= image.get_size()[1]:  # otherwise there are more pixels than dots
            image.set_interpolation("none")
    for points in page.findobj(PathCollection):
        assert isinstance(points, PathCollection)
        points.set_rasterized(len(points.get_offsets()) > MOST_POINTS)  # type: ignore[arg-type]
