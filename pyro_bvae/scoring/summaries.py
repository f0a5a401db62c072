"""Means of scores over runs and repeats, and how far these differ.

A repeat is another draw of points, pairs and splits on the same codes; a run is another seed of the fit. The interval
is Student's, of the mean over runs, at 95%: mean ± t · deviation/√runs. Where runs are few it may reach beyond the
range of a score. What lies there is cut off: the mean of a score is in its range, so that the part that is left covers
it as often as the whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import inf
from statistics import mean, stdev
from typing import Any

from scipy.stats import t as students_t

from .registry import METRICS, score_columns
from .rows import ScoreRow

__all__ = ["ScoreSummary", "Spread", "summarise"]


@dataclass(frozen=True)
class Spread:
    """A score over the runs of a label and their repeats.

    Attributes:
        mean: Over runs and repeats.
        repeats: The standard deviation over the repeats of a run, mean over runs; None for a single repeat, or where
            repeats draw nothing.
        runs: The standard deviation of the runs' means; None for a single run.
        interval: 95% for the mean over runs, within the range of the score; None for a single run.
    """

    mean: float
    repeats: float | None
    runs: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class ScoreSummary:
    """The scores of a label.

    Attributes:
        label: Its name.
        runs: Number of runs.
        repeats: Number of repeats of each.
        kl_per_latent: For each run the mean KL of its latents on held-out data, nats; empty for baselines.
        scores: By column; None where a run or repeat has no score.
        missing: Why not, by column.
        site: The latent site whose codes are scored, see `ScoreRow`.
        by_factor: Of the scores of one factor the mean over runs and repeats, by the metric and then by the factor.
    """

    label: str
    runs: int
    repeats: int
    kl_per_latent: list[list[float]]
    scores: Mapping[str, Spread | None]
    missing: Mapping[str, str]
    site: str | None = None
    by_factor: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The summary as in scores.json."""
        return {name: value for name, value in asdict(self).items() if name != "site" or value is not None}


def summarise(rows: Sequence[ScoreRow]) -> list[ScoreSummary]:
    """A summary of each label, in the order of the rows."""
    labels: dict[str, list[ScoreRow]] = {}
    for row in rows:
        labels.setdefault(row.label, []).append(row)
    return [_summary(label, group) for label, group in labels.items()]


def _summary(label: str, rows: Sequence[ScoreRow]) -> ScoreSummary:
    of_run: dict[tuple[str, int | None], list[ScoreRow]] = {}
    for row in rows:
        of_run.setdefault((row.run, row.seed), []).append(row)
    runs = list(of_run.values())
    differ = score_columns([name for name, metric in METRICS.items() if metric.repeats_differ])
    return ScoreSummary(
        label=label,
        runs=len(runs),
        repeats=len(runs[0]),
        kl_per_latent=[run[0].kl_per_latent for run in runs if run[0].kl_per_latent is not None],
        scores={name: _spread([[row.scores[name] for row in run] for run in runs], name in differ, _range(name, rows))
                for name in rows[0].scores},
        missing={name: reason for row in reversed(rows) for name, reason in row.missing.items()},
        site=rows[0].site,
        by_factor=_by_factor(rows),
    )  # fmt: skip


def _by_factor(rows: Sequence[ScoreRow]) -> dict[str, dict[str, float]]:
    """Means of the scores of one factor that all rows have."""
    means: dict[str, dict[str, float]] = {}
    for column in rows[0].by_factor:
        values = [row.by_factor.get(column) for row in rows]
        known = [value for value in values if value is not None]
        name, factor = column.removesuffix("]").split("[", 1)
        if len(known) == len(rows):
            means.setdefault(name, {})[factor] = mean(known)
    return means


def _range(column: str, rows: Sequence[ScoreRow]) -> tuple[float, float]:
    """The least and the greatest that a score may be."""
    metric = next((metric for name, metric in METRICS.items() if column in score_columns([name])), None)
    latents = [len(row.kl_per_latent) for row in rows if row.kl_per_latent is not None]
    least, most = (-inf, inf) if metric is None else metric.limits
    return least, max(latents) if metric is not None and metric.counts_latents and latents else most


def _spread(
    values: Sequence[Sequence[float | None]], repeats_differ: bool, limits: tuple[float, float]
) -> Spread | None:
    """The spread of scores, one list a run with one score a repeat; None where a score is missing."""
    runs = [[value for value in run if value is not None] for run in values]
    if any(len(known) < len(run) for known, run in zip(runs, values, strict=True)):
        return None
    means = [mean(run) for run in runs]
    within = mean(stdev(run) for run in runs) if len(runs[0]) > 1 and repeats_differ else None
    if len(runs) < 2:
        return Spread(means[0], within, None, None)
    half = float(students_t.ppf(0.975, len(runs) - 1)) * stdev(means) / len(runs) ** 0.5
    centre = mean(means)
    least, most = limits
    return Spread(centre, within, stdev(means), (max(least, centre - half), min(most, centre + half)))
