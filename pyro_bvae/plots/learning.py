"""Learning curves of many runs, one over the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .axes import colours
from .bounds import DOTS_PER_INCH, MOST_CURVES, MOST_LABELS, MOST_POINTS, some_of, spread
from .comparisons import TITLES
from .labels import draws_plain_text, labels, say_below

__all__ = ["LearningCurve", "learning_curves"]

LONGEST_LABEL = 40  # characters
AFTER = 0.1  # share of the steps after which the curves determine what range is shown
INCHES_A_NAME = 0.165  # in the legend
FEW_LINES = 12  # of a history, whose points are marked


@dataclass(frozen=True)
class LearningCurve:
    """How the held-out ELBO of a run went.

    Attributes:
        label: The name that runs of other seeds share.
        nats: The kind of nats, see `evaluation.Evaluation`.
        steps: Of the lines of its history.
        epochs: Likewise.
        elbo: Held out, nats a datum, at β 1.
    """

    label: str
    nats: str
    steps: Sequence[int]
    epochs: Sequence[float]
    elbo: Sequence[float]


@draws_plain_text
def learning_curves(runs: Sequence[LearningCurve], there: int | None = None) -> Figure:
    """Held-out ELBO against the step: a line a run, and a colour a label.

    Nats of different kinds have panels of their own. The first tenth of the training, from which the ELBO rises
    steeply, may lie below what is shown.

    Args:
        runs: At least one.
        there: How many runs there are, if these are some of them.
    """
    drawn = [run for run in runs if len(run.steps)][:MOST_CURVES]
    kinds = list(dict.fromkeys(run.nats for run in drawn)) or ["no run has a history"]
    names = list(dict.fromkeys(run.label for run in drawn))
    colour_of = dict(zip(names, colours(len(names)), strict=True))
    is_long = len(names) > 6
    named = [names[place] for place in spread(len(names), MOST_LABELS)]
    size = (5.2 * len(kinds) + (2.6 if is_long else 0), max(4.2, INCHES_A_NAME * len(named) + 0.9))
    figure = Figure(figsize=size, layout="constrained", dpi=DOTS_PER_INCH)
    for panel, kind in zip(figure.subplots(1, len(kinds), squeeze=False).flat, kinds, strict=True):
        some = [run for run in drawn if run.nats == kind]
        for run in some:
            _draw(panel, run, colour_of[run.label], is_one_of_many=len(some) > len(names))
        _set_range(panel, some)
        panel.set(xlabel=_step(some), ylabel="held-out ELBO, nats a datum")
        if len(kinds) > 1:
            panel.set_title(TITLES.get(kind, kind), fontsize=10)
        panel.spines[["top", "right"]].set_visible(False)
    handles = [panel.plot([], [], color=colour_of[name])[0] for name in named]
    shown = labels(named, LONGEST_LABEL)
    if named:
        where, corner = ((1.02, 1.0), "upper left") if is_long else ((1.0, 0.0), "lower right")
        panel.legend(handles, shown, fontsize=7, frameon=False, loc=corner, bbox_to_anchor=where)
    left_out = some_of(len(shown), len(names), "labels have their names here")
    say_below(figure, some_of(len(drawn), there or len(runs), "runs"), left_out)
    return figure


def _draw(panel: Axes, run: LearningCurve, colour: Any, is_one_of_many: bool) -> None:
    chosen = spread(len(run.steps), MOST_POINTS)
    steps, elbo = [run.steps[place] for place in chosen], [run.elbo[place] for place in chosen]
    width, marker = 0.7 if is_one_of_many else 1.2, "." if len(steps) < FEW_LINES else None
    panel.plot(steps, elbo, color=colour, linewidth=width, marker=marker, markersize=3)


def _set_range(panel: Axes, runs: Sequence[LearningCurve]) -> None:
    """Show what the curves do after their first steps."""
    late = [
        value
        for run in runs
        for step, value in zip(run.steps, run.elbo, strict=True)
        if isfinite(value) and (step >= AFTER * run.steps[-1] or len(run.steps) == 1)
    ]
    if late:
        low, high = min(late), max(late)
        margin = 0.05 * (high - low) or 0.5
        panel.set_ylim(low - margin, high + margin)


def _step(runs: Sequence[LearningCurve]) -> str:
    """What the steps are called: with their number in an epoch, where that is the same for all runs."""
    lengths = [run.steps[-1] / run.epochs[-1] for run in runs if run.epochs[-1] > 0]
    is_one = bool(lengths) and max(lengths) < 1.001 * min(lengths)
    return f"step ({lengths[0]:,.0f} an epoch)" if is_one else "step"
