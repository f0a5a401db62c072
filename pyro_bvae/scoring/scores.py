"""Metrics over runs and baselines: images are encoded once, and all metrics see the same codes.

A repeat draws its own points, pairs and splits. In one repeat all runs are scored on the same draws, so that they
compare. Points are data drawn without replacement: 15,000 for classifiers, of which they see two thirds, 10,000 for
information; fewer where there are fewer. A score that cannot be taken is None, and its reason is told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import isfinite
from typing import Any

from .. import metrics
from ..datasets import Dataset, Progress
from ..runs.run import Run
from ..settings.names import BASELINES, METRICS, check
from ..terms import count_active
from .draws import CLASSIFIER_POINTS, INFORMATION_POINTS, UDR_POINTS, Draws, Sample, draws_of
from .repetitions import labels_of, sharing
from .representations import SEEDED, Representation, baseline, of_run
from .requirements import applicable

__all__ = ["COLUMNS", "REPEATED", "score", "score_columns", "score_representations"]

SAMPLING = ("beta-vae-paper", "beta-vae", "factor-vae")  # which need all data, to draw from
NARROW = ("sap", "dci", "explicitness", "total-correlation")  # which fit something to each latent
WIDE = 256  # latents, above which these are left out
COLUMNS = {name: (name,) for name in METRICS} | {
    "dci": ("dci-disentanglement", "dci-completeness", "dci-informativeness")
}


def _dci(sample: Sample) -> tuple[float, float, float]:
    found = metrics.dci(*sample.points(CLASSIFIER_POINTS), seed=sample.seed)
    return found.disentanglement, found.completeness, found.informativeness


SCORES: dict[str, Callable[[Sample], float | tuple[float, ...] | None]] = {
    "beta-vae-paper": lambda s: metrics.beta_vae_score(*s.arguments, protocol="paper", seed=s.seed),
    "beta-vae": lambda s: metrics.beta_vae_score(*s.arguments, protocol="sklearn", seed=s.seed),
    "factor-vae": lambda s: metrics.factor_vae_score(*s.arguments, seed=s.seed),
    "mig": lambda s: metrics.mig(*s.points(INFORMATION_POINTS)),
    "modularity": lambda s: metrics.modularity(*s.points(INFORMATION_POINTS)),
    "sap": lambda s: metrics.sap(*s.points(CLASSIFIER_POINTS), seed=s.seed),
    "dci": _dci,
    "explicitness": lambda s: metrics.explicitness(*s.points(CLASSIFIER_POINTS), seed=s.seed),
    "irs": lambda s: metrics.irs(*s.points(INFORMATION_POINTS)),
    "total-correlation": lambda s: metrics.total_correlation(s.points(INFORMATION_POINTS)[0]),
    "active-units": lambda s: count_active(s.representation.kl),
    "probe": lambda s: s.representation.probe,
}
# columns that differ from repeat to repeat
REPEATED = {column for name in METRICS if name not in ("active-units", "probe") for column in COLUMNS[name]}


def score(
    runs: Sequence[Run],
    chosen: Sequence[str] = (),
    *,
    repeats: int = 5,
    baselines: Sequence[str] = (),
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Score runs of one data set, and baselines for them.

    Args:
        runs: Fitted to the same data, at least one; repetitions share a label, see `labels_of`.
        chosen: Names in `names.METRICS`; by default all that the data allow.
        repeats: How often everything is drawn anew.
        baselines: Names in `names.BASELINES`, each scored with the seeds of the runs where it draws anything.
        progress: Told of images encoded and of scores taken.

    Returns:
        A row for each representation and repeat: label, run, seed, repeat, kl_per_latent, `COLUMNS` of each metric,
        None where it cannot be taken, and ``missing``, the reasons for that by column.

    Raises:
        ValueError: Unknown names, a metric that these data or runs do not allow, or runs of different data.
    """
    if repeats < 1 or not runs:
        raise ValueError(f"there must be a run and a repeat at least, got {len(runs)} and {repeats}")
    if len({run.path for run in runs if run.path is not None}) < sum(run.path is not None for run in runs):
        raise ValueError("a run is given twice")
    if len({run.config["fingerprint"] for run in runs}) > 1:
        raise ValueError("these runs were fitted to different data: score them apart")
    whole = runs[0].dataset()
    chosen = applicable(chosen, whole, len(runs), max(run.model.latent_dim for run in runs))
    for name in baselines:
        check("baseline", name, BASELINES)
    draws = None if set(chosen) & {*SAMPLING} else draws_of(whole, repeats)
    data = whole if draws is None else draws.part_of(whole)
    seeds = list(dict.fromkeys(run.config["seed"] for run in runs))
    found = [
        baseline(name, data, runs[0], seed, progress, whole)
        for name in baselines
        for seed in (seeds if name in SEEDED else seeds[:1])
    ]
    found += [of_run(run, label, data, progress) for run, label in labels_of(sharing(runs))]
    return score_representations(found, data, chosen, repeats=repeats, progress=progress, draws=draws)


def score_representations(
    representations: Sequence[Representation],
    data: Dataset,
    chosen: Sequence[str],
    *,
    repeats: int,
    progress: Progress | None = None,
    draws: Draws | None = None,
) -> list[dict[str, Any]]:
    """Score codes that are there already; see `score`.

    Args:
        representations: The codes, of all ``data``.
        data: What was encoded.
        chosen: Names in `names.METRICS`.
        repeats: How often everything is drawn anew.
        progress: Told of the scores taken.
        draws: What all repeats draw, where ``data`` are only that; None where ``data`` are the whole data set.

    Returns:
        A row for each representation and repeat.
    """
    rows, done, total = [], 0, len(representations) * repeats * len(chosen)
    tell = progress or (lambda what, done, total: None)  # noqa: ARG005
    for one in representations:
        for repeat in range(repeats):
            sample = Sample(one, data, repeat, draws)
            row: dict[str, Any] = {"label": one.label, "run": one.name, "seed": one.seed, "repeat": repeat}
            row |= {"kl_per_latent": one.kl, "missing": {}}
            for name in chosen:
                tell(f"{one.name}: {name}", done, total)
                _add(row, name, sample)
                done += 1
            rows.append(row)
    if "udr" in chosen:
        _add_udr(rows, representations, partial(Sample, data=data, draws=draws))
    tell("scored", total, total)
    return rows


def score_columns(chosen: Sequence[str]) -> list[str]:
    """The columns of metrics, in the order of `names.METRICS`.

    >>> score_columns(["dci", "mig"])
    ['mig', 'dci-disentanglement', 'dci-completeness', 'dci-informativeness']
    """
    return [column for name in METRICS if name in chosen for column in COLUMNS[name]]


def _add(row: dict[str, Any], name: str, sample: Sample) -> None:
    """Add the columns of a metric to a row, and why there is None in one."""
    codes, columns = sample.representation.codes, COLUMNS[name]
    if name == "udr":
        reason = "it is no run" if sample.representation.run is None else "no other run shares its settings"
        found = None  # until they are compared
    elif name in NARROW and (callable(codes) or codes.shape[1] > WIDE):
        found, reason = None, f"it fits something to each latent, and these are more than {WIDE}"
    else:
        try:
            found, reason = SCORES[name](sample), "it is not defined for this representation"
        except ValueError as error:  # the others go on
            found, reason = None, str(error)
    for column, value in zip(columns, found if isinstance(found, tuple) else (found,) * len(columns), strict=True):
        row[column] = value if value is not None and isfinite(value) else None
        if row[column] is None:
            row["missing"][column] = reason if value is None else "it is not finite"


def _add_udr(rows: Sequence[dict[str, Any]], found: Sequence[Representation], sample: Callable[..., Sample]) -> None:
    """UDR among the runs of each label, on the same 1,000 data a repeat."""
    for label in {one.label for one in found if one.run is not None}:
        partners = [one for one in found if one.label == label]
        if len(partners) < 2:
            continue
        for repeat in {row["repeat"] for row in rows}:
            codes = [sample(one, seed=repeat).points(UDR_POINTS)[0] for one in partners]
            kl = None if any(one.kl is None for one in partners) else [one.kl or [] for one in partners]
            of_repeat = [row for row in rows if (row["label"], row["repeat"]) == (label, repeat)]
            try:
                values = metrics.udr(codes, kl)
            except ValueError as error:  # the others stay
                for row in of_repeat:
                    row["missing"]["udr"] = str(error)
                continue
            for row, value in zip(of_repeat, values, strict=True):
                row["udr"] = value
                del row["missing"]["udr"]
