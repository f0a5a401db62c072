"""Figures of a search: the trials in the plane of two aims with their Pareto front, and what the settings explain."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import combinations
from math import ceil

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .bounds import DOTS_PER_INCH, some_of
from .labels import FADED_GREY, draws_plain_text, labels, say_below

__all__ = ["importances", "pareto"]

MOST_AIMS = 4  # of which each pair has a panel
MOST_BARS = 20  # settings in a chart
ROOM = 0.05  # between two labels, as a share of the panel


@draws_plain_text
def pareto(table: Mapping[str, Sequence[float]], front: Collection[int], maximised: Collection[str] = ()) -> Figure:
    """The trials of a search, those of its front in colour and with their numbers.

    Of two aims there is one panel, of more one for each pair: a trial of the front of all aims may then lie behind
    another. Of one aim, the panel shows it against the number of the trial, with a line for the best until then.

    Args:
        table: For each aim the values of the trials, NaN for those that failed; at least one aim.
        front: The numbers of the trials of the front.
        maximised: The aims that are to be large.
    """
    names = [*table]
    pairs = list(combinations(names[:MOST_AIMS], 2))
    across, down = min(3, len(pairs)) or 1, ceil(len(pairs) / 3) or 1
    figure = Figure(figsize=(5.2 * across, 4.2 * down), layout="constrained", dpi=DOTS_PER_INCH)
    panels = list(figure.subplots(down, across, squeeze=False).flat)
    if not pairs:
        _draw_history(panels[0], np.asarray(table[names[0]]), names[0] in maximised)
        panels[0].set(xlabel="trial", ylabel=_said(names[0], maximised))
    for panel, (x, y) in zip(panels, pairs, strict=False):
        better = (1 if x in maximised else -1, 1 if y in maximised else -1)
        _draw_pair(panel, np.array([table[x], table[y]]).T, sorted(front), better, has_line=len(names) == 2)
        panel.set(xlabel=_said(x, maximised), ylabel=_said(y, maximised))
    for panel in panels:
        panel.spines[["top", "right"]].set_visible(False)
    for panel in panels[len(pairs) or 1 :]:
        panel.set_axis_off()
    what = "in colour the Pareto front, by the numbers of its trials" if pairs else ""
    say_below(figure, what, some_of(min(len(names), MOST_AIMS), len(names), "aims"))
    return figure


@draws_plain_text
def importances(shares: Mapping[str, Mapping[str, float]]) -> Figure:
    """For each aim, how much of its variance each setting explains: a bar a setting and an aim.

    Of many settings the 20 are drawn that explain most.

    Args:
        shares: For each aim, the share of each setting; at least one aim, the same settings in each.
    """
    settings = sorted(next(iter(shares.values())), key=lambda name: -max(of_aim[name] for of_aim in shares.values()))
    drawn = settings[:MOST_BARS]
    height = 0.8 / max(2, len(shares))
    size = (5.2, 1.2 + 0.3 * len(drawn) * max(1.0, 0.6 * len(shares)))
    figure = Figure(figsize=size, layout="constrained", dpi=DOTS_PER_INCH)
    panel = figure.subplots()
    places = np.arange(len(drawn), dtype=float)
    for number, (aim, name) in enumerate(zip(shares, labels([*shares]), strict=True)):
        bars = panel.barh(places + number * height, [shares[aim][setting] for setting in drawn], height, label=name)
        panel.bar_label(bars, fmt="%.2f", padding=2, fontsize=7)
    panel.set_yticks(places + (len(shares) - 1) * height / 2, labels(drawn))
    panel.invert_yaxis()
    panel.set_xlim(0, 1.1)
    panel.set_xlabel("share of the variance over the searched space (fANOVA)", fontsize=8)
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(fontsize=7, frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(shares))
    say_below(figure, some_of(len(drawn), len(settings), "settings"))
    return figure


def _said(name: str, maximised: Collection[str]) -> str:
    return f"{name} ({'larger' if name in maximised else 'smaller'} is better)"


def _draw_pair(panel: Axes, points: np.ndarray, front: Sequence[int], better: tuple[int, int], has_line: bool) -> None:
    """Draw the trials ``(T, 2)``, and a line along the front where it is that of these two aims alone.

    Numbers stand where both aims are ``better``, which is where no trial is.
    """
    best = points[[*front]]
    panel.scatter(points[:, 0], points[:, 1], s=14, color=FADED_GREY, lw=0)
    if has_line:
        panel.plot(*best[np.argsort(best[:, 0])].T, color="C0", linewidth=1)
    panel.scatter(best[:, 0], best[:, 1], s=26, color="C0", lw=0, zorder=3)
    room = ROOM * np.array([np.ptp(panel.get_xlim()), np.ptp(panel.get_ylim())])
    labelled: list[np.ndarray] = []
    for number, place in zip(front, best, strict=True):
        if all((np.abs(place - other) > room).any() for other in labelled):
            _write(panel, number, place[0], place[1], better)
            labelled.append(place)


def _draw_history(panel: Axes, values: np.ndarray, is_maximised: bool) -> None:
    """Draw an aim against the number of the trial, and the best until then."""
    best = (np.fmax if is_maximised else np.fmin).accumulate(values)
    panel.scatter(range(len(values)), values, s=14, color=FADED_GREY, lw=0, label="trial")
    panel.step(range(len(values)), best, color="C0", linewidth=1, where="post", label="best so far")
    first = int(np.argmax(values == best[-1]))
    panel.scatter(first, values[first], s=26, color="C0", lw=0, zorder=3)
    _write(panel, first, first, values[first], (1, 1))
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.legend(fontsize=7, frameon=False)


def _write(panel: Axes, number: int, x: float, y: float, side: tuple[int, int]) -> None:
    """Write the number of a trial beside its place: to the right or left, above or below it."""
    right, up = side
    panel.annotate(
        str(number),
        (x, y),
        (4 * right, 3 * up),
        textcoords="offset points",
        ha="left" if right > 0 else "right",
        va="bottom" if up > 0 else "top",
        fontsize=7,
        color="C0",
    )
