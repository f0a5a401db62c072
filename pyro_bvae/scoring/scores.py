"""Metrics taken of runs and baselines: images are encoded once, and all metrics see the same codes.

A repeat draws its own points, pairs and splits. In one repeat all runs are scored on the same draws, so that they
compare. A score that cannot be taken is None, beside the reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from ..datasets import Dataset, Progress
from ..runs.run import Run
from ..settings.names import BASELINES, check
from .draws import Draws, Sample, draws_of
from .registry import METRICS, ByFactor, Metric, Scores, score_columns
from .repetitions import named, sharing
from .representations import SEEDED, Representation, baseline, of_run, silent, width_of
from .requirements import applicable
from .rows import ScoreRow
from .settings import ScoreSettings, names_of_factors, of_factors

__all__ = ["score", "score_representations"]

MOST_LATENTS = 256  # of a code to each of whose latents something is fitted


@dataclass(frozen=True)
class _Outcome:
    """What came of taking a metric: its scores, and the reason where there are none."""

    scores: Scores
    reason: str = "it is not defined for this representation, or for these data"


def score(
    runs: Sequence[Run],
    chosen: Sequence[str] = (),
    *,
    repeats: int = 5,
    baselines: Sequence[str] = (),
    site: str | None = None,
    settings: ScoreSettings | None = None,
    progress: Progress | None = None,
) -> list[ScoreRow]:
    """Score runs of one data set, and baselines for them.

    Args:
        runs: Fitted to the same data, at least one; repetitions share a label, see `repetitions.named`.
        chosen: Names in `METRICS`; by default all that the data allow.
        repeats: How often points, pairs and splits are drawn anew.
        baselines: Names in `names.BASELINES`; those that draw anything are scored under each seed of the runs.
        site: The latent site whose posterior means are the codes, see `codes.code_site`.
        settings: How scores are taken.
        progress: Called as images are encoded and scores taken.

    Returns:
        A row for each representation and repeat.

    Raises:
        ValueError: Unknown names, a metric that these data or runs do not allow, or runs of different data.
    """
    if repeats < 1 or not runs:
        raise ValueError(f"there must be a run and a repeat at least, got {len(runs)} and {repeats}")
    if len({run.path for run in runs if run.path is not None}) < sum(run.path is not None for run in runs):
        raise ValueError("a run is given twice")
    if len({run.config["fingerprint"] for run in runs}) > 1:
        raise ValueError("these runs were fitted to different data: score them apart")
    runs, settings = sharing(runs), settings or ScoreSettings()
    whole = of_factors(runs[0].dataset(), settings.factors)
    chosen = applicable(chosen, whole, len(runs), max(width_of(run, site) for run in runs))
    if settings.active_only:
        chosen = with_active(chosen)
    for name in baselines:
        check("baseline", name, BASELINES)
    draws = None if any(METRICS[name].draws_by_factor for name in chosen) else draws_of(whole, repeats)
    data = whole if draws is None else draws.part_of(whole)
    seeds = list(dict.fromkeys(run.config["seed"] for run in runs))
    representations = [
        baseline(name, data, runs[0], seed, progress, whole, site)
        for name in baselines
        for seed in (seeds if name in SEEDED else seeds[:1])
    ]
    representations += [
        of_run(run, label, name, data, progress, site, settings.codes, None if draws is None else draws.index)
        for run, label, name in named(runs)
    ]
    return score_representations(
        representations, data, chosen, repeats=repeats, progress=progress, draws=draws, settings=settings
    )


def with_active(chosen: Sequence[str]) -> list[str]:
    """The metrics chosen, and of each that there is of active latents alone this one as well; as `METRICS` has them."""
    return [name for name, metric in METRICS.items() if name in chosen or metric.whole in chosen]


def score_representations(
    representations: Sequence[Representation],
    data: Dataset,
    chosen: Sequence[str],
    *,
    repeats: int,
    progress: Progress | None = None,
    draws: Draws | None = None,
    settings: ScoreSettings | None = None,
) -> list[ScoreRow]:
    """Score codes that have been made already; see `score`.

    Args:
        representations: The codes, of all ``data``.
        data: What was encoded.
        chosen: Names in `METRICS`.
        repeats: How often points, pairs and splits are drawn anew.
        progress: Called as scores are taken.
        draws: What all repeats draw, where ``data`` are only that; None where ``data`` are the whole data set.
        settings: How scores are taken.

    Returns:
        A row for each representation and repeat.
    """
    report, settings = progress or silent, settings or ScoreSettings()
    compared = {
        (name, repeat): _compare(METRICS[name], [Sample(one, data, repeat, draws, settings) for one in representations])
        for name in chosen
        if METRICS[name].take_of_runs is not None
        for repeat in range(repeats)
    }
    rows, done, total = [], 0, len(representations) * repeats * len(chosen)
    for place, one in enumerate(representations):
        for repeat in range(repeats):
            sample, outcomes = Sample(one, data, repeat, draws, settings), dict[str, _Outcome]()
            for name in chosen:
                report(f"{one.name}: {name}", done, total)
                together = compared.get((name, repeat))
                same = _of_all_latents(METRICS[name], sample, outcomes)
                outcomes[name] = same or (_take(METRICS[name], sample) if together is None else together[place])
                done += 1
            rows.append(_row(sample, outcomes))
    report("scored", total, total)
    return rows


def _of_all_latents(metric: Metric, sample: Sample, outcomes: Mapping[str, _Outcome]) -> _Outcome | None:
    """What came of the metric of all latents, where one of the active latents is the same: all of them are active."""
    return outcomes.get(metric.whole) if metric.whole is not None and sample.is_active.all() else None


def _take(metric: Metric, sample: Sample) -> _Outcome:
    """Take a metric of one sample."""
    assert metric.take is not None
    codes = sample.representation.codes
    if metric.fits_each_latent and (callable(codes) or codes.shape[1] > MOST_LATENTS):
        return _Outcome(None, f"it fits something to each latent, and these are more than {MOST_LATENTS}")
    try:
        return _Outcome(metric.take(sample))
    except ValueError as error:  # the other metrics go on
        return _Outcome(None, str(error))


def _compare(metric: Metric, samples: Sequence[Sample]) -> list[_Outcome]:
    """Take a metric that compares runs: among those of each label, where there are several."""
    assert metric.take_of_runs is not None
    outcomes = [_Outcome(None, "it is no run")] * len(samples)
    places: dict[str, list[int]] = {}
    for place, sample in enumerate(samples):
        if sample.representation.run is not None:
            places.setdefault(sample.representation.label, []).append(place)
    for group in places.values():
        scores: Sequence[float | None] = [None] * len(group)
        reason = "no other run shares its settings"
        if len(group) > 1:
            try:
                scores = metric.take_of_runs([samples[place] for place in group])
            except ValueError as error:  # the other metrics go on
                reason = str(error)
        for place, value in zip(group, scores, strict=True):
            outcomes[place] = _Outcome(value, reason)
    return outcomes


def _row(sample: Sample, outcomes: Mapping[str, _Outcome]) -> ScoreRow:
    """A row of scores; what is not finite counts as missing."""
    one = sample.representation
    missing: dict[str, str] = {}
    scores: dict[str, float | None] = {}
    by_factor: dict[str, float | None] = {}
    for name, outcome in outcomes.items():
        columns = score_columns([name])
        taken = outcome.scores
        if isinstance(taken, ByFactor):
            factors = zip(names_of_factors(sample.data), taken.factors.tolist(), strict=True)
            by_factor |= {f"{columns[0]}[{factor}]": value for factor, value in factors if isfinite(value)}
            taken = taken.score
        values = taken if isinstance(taken, tuple) else (taken,) * len(columns)
        for column, value in zip(columns, values, strict=True):
            scores[column] = value if value is not None and isfinite(value) else None
            if scores[column] is None:
                missing[column] = outcome.reason if value is None else "it is not finite"
    return ScoreRow(
        one.label, one.name, one.seed, sample.seed, one.kl, missing, scores, one.site, by_factor, one.run is None
    )
