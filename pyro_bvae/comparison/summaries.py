"""Means and standard deviations over seeds, and how far the slopes of rate–distortion curves are from −β."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from statistics import mean, median, stdev
from typing import Any, NamedTuple

from ..scoring import METRICS, score_columns
from .rows import RunRow

__all__ = ["LEAST_RATE", "MEASURES", "LabelSummary", "MeanDeviation", "departure", "summarise"]

MEASURES = (
    "elbo",
    "iw_bound",
    "distortion",
    "rate",
    "rate_standard_error",
    "bits_per_dim",
    "mse",
    "psnr",
    "ssim",
    "probe_accuracy",
    "active_units",
    "coverage_50",
    "coverage_90",
    "beta",
    "seconds",
)
COUNTS = ("active_units",)  # whole numbers within bounds, beyond which a mean ± a deviation may reach
COUNTED = score_columns([name for name, metric in METRICS.items() if metric.counts_latents])  # and these scores
LEAST_RATE = 1.0  # nats; at and below it a model is near collapse, and its slope says little


class MeanDeviation(NamedTuple):
    """The mean over seeds, and the standard deviation; that of a single seed is None."""

    mean: float
    deviation: float | None


@dataclass(frozen=True)
class LabelSummary:
    """The runs of a label.

    Attributes:
        label: Its name.
        nats: The kind of nats, see `evaluation.Evaluation`.
        seeds: Number of runs.
        curve: The rate–distortion curve that they lie on, and ``slope`` the curve's slope there; see `RunRow`.
        measures: Each of `MEASURES`; None where a run has none that is finite.
        scores: Each score that the runs hold, likewise.
        data: The data of the runs, see `RunRow`.
        still_falling: How many of the runs were still falling when they ended; see `RunRow`.
        varied: The settings that vary in the comparison, see `RunRow`.
        extremes: The least and the greatest of each count that all runs hold.
    """

    label: str
    nats: str
    seeds: int
    curve: str | None
    slope: float | None
    measures: Mapping[str, MeanDeviation | None]
    scores: Mapping[str, MeanDeviation | None]
    data: str = ""
    still_falling: int = 0
    varied: Mapping[str, Any] = field(default_factory=dict)
    extremes: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """All by name, as in comparison.json: settings that vary, measures and scores stand beside the rest."""
        names = ("data", "nats", "seeds", "curve", "slope", "still_falling")
        row = {"label": self.label, **self.varied, **{name: getattr(self, name) for name in names}}
        measures = {name: value for name, value in self.measures.items() if value is not None or name not in row}
        return {**row, **measures, **self.scores}


def summarise(rows: Sequence[RunRow]) -> list[LabelSummary]:
    """A summary of each label over its seeds, in the order of the labels; runs on different data are never one."""
    labels: dict[tuple[str, str], list[RunRow]] = {}
    for row in rows:
        labels.setdefault((row.label, row.data), []).append(row)
    return [_summary(label, group) for (label, _), group in labels.items()]


def _summary(label: str, rows: Sequence[RunRow]) -> LabelSummary:
    first, scores = rows[0], dict.fromkeys(name for row in rows for name in row.scores)
    counts = {name: [getattr(row, name) for row in rows] for name in COUNTS}
    counts |= {name: [row.scores.get(name) for row in rows] for name in scores if name in COUNTED}
    return LabelSummary(
        label=label,
        data=first.data,
        nats=first.nats,
        seeds=len(rows),
        curve=first.curve,
        slope=first.slope,
        measures={name: _mean_deviation([getattr(row, name) for row in rows]) for name in MEASURES},
        scores={name: _mean_deviation([row.scores.get(name) for row in rows]) for name in scores},
        still_falling=sum(row.still_falling for row in rows),
        varied=first.varied,
        extremes={name: (min(values), max(values)) for name, values in counts.items() if None not in values},
    )


def _mean_deviation(values: Sequence[float | None]) -> MeanDeviation | None:
    known = [value for value in values if value is not None and isfinite(value)]
    if len(known) < len(values):
        return None
    return MeanDeviation(mean(known), stdev(known) if len(known) > 1 else None)


def departure(summaries: Sequence[LabelSummary]) -> float | None:
    """The median of |slope + β|/β over the points with a rate above 1 nat and neighbours on both sides.

    At the optimum it is 0, up to the error of central differences on so few βs.

    Source: Alemi et al., Fixing a broken ELBO, https://arxiv.org/abs/1711.00464

    Args:
        summaries: Of `summarise`.

    Returns:
        The median; None where no such point has a slope.
    """
    curves: dict[tuple[str, str | None], list[LabelSummary]] = {}
    for summary in summaries:
        if summary.slope is not None:
            curves.setdefault((summary.data, summary.curve), []).append(summary)
    departures = []
    for points in curves.values():
        betas = [_mean(point, "beta") for point in points]
        for point, beta in zip(points, betas, strict=True):
            is_inner = min(betas) < beta < max(betas)
            if is_inner and _mean(point, "rate") > LEAST_RATE and point.slope is not None:
                departures.append(abs(point.slope + beta) / beta)
    return median(departures) if departures else None


def _mean(summary: LabelSummary, name: str) -> float:
    value = summary.measures[name]
    assert value is not None, f"a run on a curve has no {name}"
    return value.mean
