"""Text that would run into its neighbours on a small figure: wrapped, shortened, thinned out, slanted or left out.

All lengths are in inches. A figure is laid out before it is asked where its text is.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import Axis, XAxis
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Annotation, Text
from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator
from matplotlib.transforms import Bbox, ScaledTranslation

from ..settings.shown import short, short_names

__all__ = ["legend_again", "make_room", "narrow_names", "place_of"]

GAP = 0.03  # between two labels
LINE = 0.115  # a line of text
TITLE_TAKES = 1.25  # of the width of a panel, at most
WORD_TAKES = 1.1  # of the room for a line, at most; a word that takes more is shortened
LEGEND_TAKES = 0.6  # of the width or height of a panel that a legend stands in, at most
BELOW = "below"  # the label of a legend that stands below its panel
OF_LEGENDS: dict[str, Any] = {"fontsize": 7, "borderpad": 0.3, "labelspacing": 0.25}
OF_LEGENDS |= {"handlelength": 1.2, "handletextpad": 0.4, "columnspacing": 0.8}
FEWEST_LETTERS = 5  # of a line
NUMBER = re.compile(r"[-−+]?[\d.]+(e[-+]?\d+)?")


def place_of(thing: Any, figure: Figure) -> Bbox:
    """Where something is drawn, in inches."""
    drawn: Bbox = thing.get_window_extent(figure.canvas.get_renderer())  # type: ignore[attr-defined]
    return drawn.transformed(figure.dpi_scale_trans.inverted())


def make_room(figure: Figure, panels: Sequence[Axes]) -> None:
    """Give all text of a laid-out figure the room that it needs, or less text."""
    width, height = figure.get_size_inches()
    for text in (figure._suptitle, figure._supxlabel):  # type: ignore[attr-defined]
        _wrap(text, figure, width - 4 * GAP)
    _wrap(figure._supylabel, figure, height - 4 * GAP)  # type: ignore[attr-defined]
    for panel in panels:
        place = place_of(panel, figure)
        middle = (place.x0 + place.x1) / 2
        _wrap(panel.title, figure, min(TITLE_TAKES * place.width, 2 * min(middle, width - middle) - 2 * GAP))
        _wrap(panel.xaxis.label, figure, place.width)
        _wrap(panel.yaxis.label, figure, max(place.height, 5 * LINE))
        _move_legend(panel, figure)
        for axes in (panel, *panel.child_axes):
            _thin_out(axes.xaxis, figure)
            _thin_out(axes.yaxis, figure)
        _leave_out(panel, figure)


def _wrap(text: Text | None, figure: Figure, room: float) -> None:
    """Break a text into lines that are no longer than the room, and shorten words that are."""
    if text is None or not text.get_text().strip():
        return
    said, place = text.get_text(), place_of(text, figure)
    length = place.height if text.get_rotation() % 180 == 90 else place.width
    if length > room:
        letters = max(FEWEST_LETTERS, int(max(map(len, said.split("\n"))) * room / length))
        lines = textwrap.wrap(" ".join(said.split()), letters, break_long_words=False)
        text.set_text("\n".join(short(line, int(WORD_TAKES * letters)) for line in lines))


def legend_again(panel: Axes, **options: Any) -> Legend:
    """The legend of a panel anew, since a legend keeps the measures that it was made with.

    Args:
        panel: It has a legend.
        options: What is to be otherwise, see `Axes.legend`.
    """
    legend = panel.get_legend()
    assert legend is not None
    texts = [text.get_text() for text in legend.get_texts()]
    handles = dict(zip(*reversed(panel.get_legend_handles_labels()), strict=True))
    own: list[Any] = [handles.get(text, handle) for text, handle in zip(texts, legend.legend_handles, strict=True)]
    options = {"ncols": legend._ncols, "frameon": legend.get_frame_on()} | OF_LEGENDS | options  # type: ignore[attr-defined]
    drawn = panel.legend(own, texts, **options)
    drawn.set_in_layout("bbox_transform" in options)  # inside its panel it takes no room beside it
    return drawn


def _move_legend(panel: Axes, figure: Figure) -> None:
    """Put a legend that would hide much of its panel below it."""
    legend = panel.get_legend()
    if legend is None or legend.get_label() == BELOW:
        return
    place, inside = place_of(legend, figure), place_of(panel, figure)
    if place.width < LEGEND_TAKES * inside.width and place.height < LEGEND_TAKES * inside.height:
        return
    lowest = min(place_of(text, figure).y0 for text in (panel.xaxis.label, *_labels(panel.xaxis), panel.patch))
    below = ScaledTranslation(0, lowest - inside.y0 - GAP, figure.dpi_scale_trans)
    entry = place.width / legend._ncols  # type: ignore[attr-defined]
    moved = legend_again(
        panel, loc="upper center", bbox_to_anchor=(0.5, 0), bbox_transform=panel.transAxes + below,
        ncols=max(1, min(len(legend.get_texts()), int(inside.width / entry))), frameon=False, borderaxespad=0,
    )  # fmt: skip
    moved.set_label(BELOW)


def _labels(axis: Axis) -> list[Text]:
    """The labels of an axis that are drawn."""
    low, high = sorted(axis.get_view_interval())
    ticks = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    return [text for tick in ticks for text in (tick.label1, tick.label2) if text.get_visible() and text.get_text()]


def narrow_names(panel: Axes, figure: Figure, room: float) -> None:
    """Shorten names beside the rows of a panel to the room that they may take; this needs no layout."""
    texts = _labels(panel.yaxis)
    widest = max((place_of(text, figure).width for text in texts), default=0.0)
    if widest > room and isinstance(panel.yaxis.get_major_locator(), FixedLocator):
        names = [text.get_text() for text in texts]
        most = max(FEWEST_LETTERS, int(max(map(len, names)) * room / widest))
        _say(panel.yaxis, dict(zip(names, short_names(names, most), strict=True)))


def _say(axis: Axis, said: dict[str, str]) -> None:
    """Say other words at the ticks of an axis."""
    axis.set_ticklabels([said.get(text.get_text(), text.get_text()) for text in axis.get_majorticklabels()])


def _thin_out(axis: Axis, figure: Figure) -> None:
    """Leave out labels of an axis, evenly, or slant names below columns, until none touches the next."""
    locator = axis.get_major_locator()
    if isinstance(locator, FixedLocator):
        _thin_out_fixed(axis, figure)
        return
    for count in range(6, 0, -1):
        if not _collide(_labels(axis), axis, figure):
            return
        if isinstance(locator, MaxNLocator):
            locator.set_params(nbins=count, min_n_ticks=1)
        elif isinstance(locator, LogLocator):
            locator.set_params(numticks=count)


def _thin_out_fixed(axis: Axis, figure: Figure) -> None:
    labels = _labels(axis)
    if not _collide(labels, axis, figure):
        return
    said = [text.get_text() for text in axis.get_majorticklabels()]
    numbers = [place for place, text in enumerate(said) if NUMBER.fullmatch(text)]
    if not numbers and isinstance(axis, XAxis):
        _break_or_slant(labels, axis, figure)
        return
    others = [text for text in labels if not NUMBER.fullmatch(text.get_text())] if numbers else []
    thinned = [text for text in labels if text not in others]
    step = next(step for step in range(1, len(labels) + 1) if not _collide(thinned[::step], axis, figure))
    kept: list[Text] = []
    for text in (*others, *thinned[::step]):
        kept += [] if _collide([*kept, text], axis, figure) else [text]
    words = {text.get_text() for text in kept}
    axis.set_ticklabels([text if text in words else "" for text in said])


def _break_or_slant(labels: Sequence[Text], axis: Axis, figure: Figure) -> None:
    """Break names below columns into two lines, or slant them as little as it takes for the lines not to touch."""
    places = [place_of(text, figure) for text in labels]
    pitch = min((right.x0 + right.x1 - left.x0 - left.x1) / 2 for left, right in pairwise(places))
    broken = {text.get_text(): _in_two(text.get_text()) for text in labels}
    _say(axis, broken)
    figure.draw_without_rendering()
    if not _collide(_labels(axis), axis, figure):
        return
    _say(axis, {two: one for one, two in broken.items()})
    slant = 30 if pitch > 2 * LINE else 45 if pitch > 1.5 * LINE else 90
    for text in labels:
        text.set(rotation=slant, ha="right", va="top", rotation_mode="anchor")
        if slant == 90:
            text.set(ha="center", rotation_mode="default")


def _in_two(name: str) -> str:
    """A name in two lines of similar length, if it has two words."""
    blanks = [place for place, letter in enumerate(name) if letter == " "]
    if not blanks:
        return name
    middle = min(blanks, key=lambda place: abs(place - len(name) / 2))
    return f"{name[:middle]}\n{name[middle + 1 :]}"


def _collide(labels: Sequence[Text], axis: Axis, figure: Figure) -> bool:
    """Whether two neighbouring labels of an axis touch; slanted ones do not, see `_slant`."""
    if any(text.get_rotation() % 360 for text in labels):
        return False
    places = [place_of(text, figure) for text in labels]
    ends = [
        (place.x0, place.x1) if isinstance(axis, XAxis) else (place.y0 + GAP, place.y1 - GAP / 2) for place in places
    ]
    return any(right[0] < left[1] + GAP for left, right in pairwise(sorted(ends)))


def _leave_out(panel: Axes, figure: Figure) -> None:
    """Leave out notes in a panel that lie on others, or on a picture in a cell; numbers in cells go together."""
    texts = [text for text in panel.texts if text.get_visible() and text.get_text()]
    kept: list[Bbox] = [place_of(picture, figure) for picture in panel.images[:-1]]  # the last one is the panel's own
    for text in texts:
        place = place_of(text, figure)
        if any(place.overlaps(other) for other in kept):
            if not isinstance(text, Annotation):
                break
            text.set_visible(False)
        else:
            kept.append(place)
    else:
        return
    for text in texts:
        text.set_visible(False)
