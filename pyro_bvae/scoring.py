"""Metrics over runs and baselines: images are encoded once, and all metrics see the same codes.

A repeat draws its own points, pairs and splits. In one repeat all runs are scored on the same draws, so that they
compare. Points are data drawn without replacement: 15,000 for classifiers, of which they see two thirds, 10,000 for
information; fewer where there are fewer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import isfinite
from typing import Any

import numpy as np
import torch

from . import metrics
from .datasets import Dataset, Progress
from .datasets.dataset import seeded_split
from .names import BASELINES, METRICS, check
from .probes import probe_accuracy
from .representations import DRAWN, Representation, baseline, labels_of, of_run, sharing
from .runs import Run
from .terms import count_active

__all__ = ["COLUMNS", "FREE", "Sample", "applicable", "score", "score_columns", "score_representations"]

DRAWING = ("beta-vae-paper", "beta-vae", "factor-vae")  # which need all data, to draw from
FREE = ("udr", "total-correlation", "active-units", "probe")  # which need no factors
NARROW = ("sap", "dci", "explicitness", "total-correlation")  # which fit something to each latent
WIDE = 256  # latents, above which these are left out
POINTS, INFORMATION_POINTS, UDR_POINTS = 15_000, 10_000, 1_000
COLUMNS = {name: (name,) for name in METRICS} | {
    "dci": ("dci-disentanglement", "dci-completeness", "dci-informativeness")
}


@dataclass(frozen=True, eq=False)
class Sample:
    """A representation and what one repeat draws from it."""

    representation: Representation
    data: Dataset
    seed: int

    def points(self, number: int) -> tuple[np.ndarray, Any]:
        """Codes and factors of at most so many data."""
        index = self._order[:number]
        codes = self.representation.codes
        z = np.asarray(codes(self.data.images[index])) if callable(codes) else codes[index]
        return z, None if self.data.factors is None else self.data.factors[index]

    @cached_property
    def _order(self) -> np.ndarray:
        return np.random.default_rng(self.seed).permutation(len(self.data))

    @property
    def arguments(self) -> tuple[Any, Dataset]:
        """What a metric that draws takes."""
        return self.representation.codes, self.data


def _dci(sample: Sample) -> tuple[float, float, float]:
    found = metrics.dci(*sample.points(POINTS), seed=sample.seed)
    return found.disentanglement, found.completeness, found.informativeness


def _probe(sample: Sample) -> float | None:
    run = sample.representation.run
    return None if run is None else probe_accuracy(run.model, run.dataset())


SCORES: dict[str, Callable[[Sample], float | tuple[float, ...] | None]] = {
    "beta-vae-paper": lambda s: metrics.beta_vae_score(*s.arguments, protocol="paper", seed=s.seed),
    "beta-vae": lambda s: metrics.beta_vae_score(*s.arguments, protocol="sklearn", seed=s.seed),
    "factor-vae": lambda s: metrics.factor_vae_score(*s.arguments, seed=s.seed),
    "mig": lambda s: metrics.mig(*s.points(INFORMATION_POINTS)),
    "modularity": lambda s: metrics.modularity(*s.points(INFORMATION_POINTS)),
    "sap": lambda s: metrics.sap(*s.points(POINTS), seed=s.seed),
    "dci": _dci,
    "explicitness": lambda s: metrics.explicitness(*s.points(POINTS), seed=s.seed),
    "irs": lambda s: metrics.irs(*s.points(INFORMATION_POINTS)),
    "udr": lambda s: None,  # noqa: ARG005  (of runs together, below)
    "total-correlation": lambda s: metrics.total_correlation(s.points(INFORMATION_POINTS)[0]),
    "active-units": lambda s: count_active(s.representation.kl),
    "probe": _probe,
}


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
        A row for each representation and repeat: label, run, seed, repeat, kl_per_latent, and `COLUMNS` of each metric,
        None where it is not defined.

    Raises:
        ValueError: Unknown names, data without factors, runs of different data, or a metric's own.
    """
    if repeats < 1 or not runs:
        raise ValueError(f"there must be a run and a repeat at least, got {len(runs)} and {repeats}")
    if len({run.config["fingerprint"] for run in runs}) > 1:
        raise ValueError("these runs were fitted to different data: score them apart")
    whole = runs[0].dataset()
    chosen = applicable(chosen, whole, len(runs))
    for name in baselines:
        check("baseline", name, BASELINES)
    data = whole if set(chosen) & {*DRAWING} else _part(whole, repeats * POINTS)
    seeds = list(dict.fromkeys(run.config["seed"] for run in runs))
    found = [
        baseline(name, data, runs[0], seed, progress)
        for name in baselines
        for seed in (seeds if name in DRAWN else seeds[:1])
    ]
    found += [of_run(run, label, data, progress) for run, label in labels_of(sharing(runs))]
    return score_representations(found, data, chosen, repeats=repeats, progress=progress)


def score_representations(
    representations: Sequence[Representation],
    data: Dataset,
    chosen: Sequence[str],
    *,
    repeats: int,
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Score codes that are there already; see `score`."""
    rows, done, total = [], 0, len(representations) * repeats * len(chosen)
    for one in representations:
        for repeat in range(repeats):
            sample = Sample(one, data, repeat)
            row: dict[str, Any] = {"label": one.label, "run": one.name, "seed": one.seed, "repeat": repeat}
            row["kl_per_latent"] = one.kl
            for name in chosen:
                row |= _scores(name, sample)
                done += 1
                if progress is not None:
                    progress(f"{one.name}: {name}", done, total)
            rows.append(row)
    if "udr" in chosen:
        _add_udr(rows, representations, data)
    return rows


def applicable(chosen: Sequence[str], data: Dataset, runs: int) -> list[str]:
    """The metrics chosen, in the order of `names.METRICS`, or all that the data allow.

    Raises:
        ValueError: An unknown name, a metric that needs factors where there are none, or UDR of one run.
    """
    for name in chosen:
        check("metric", name, METRICS)
    allowed = [name for name in METRICS if data.factors is not None or name in FREE]
    allowed = [name for name in allowed if (name != "probe" or data.labels is not None) and (name != "udr" or runs > 1)]
    for name in set(chosen) - {*allowed}:
        wanted = {"udr": "at least two runs", "probe": "data with labels"}.get(name, "data with ground-truth factors")
        raise ValueError(f"{name} needs {wanted}; for {data.name} there are {', '.join(allowed)}")
    return [name for name in allowed if not chosen or name in chosen]


def score_columns(chosen: Sequence[str]) -> list[str]:
    """The columns of metrics, in the order of `names.METRICS`.

    >>> score_columns(["dci", "mig"])
    ['mig', 'dci-disentanglement', 'dci-completeness', 'dci-informativeness']
    """
    return [column for name in METRICS if name in chosen for column in COLUMNS[name]]


def _scores(name: str, sample: Sample) -> dict[str, float | None]:
    """The columns of a metric, with None for what is infinite or not defined."""
    codes = sample.representation.codes
    too_wide = name in NARROW and (callable(codes) or codes.shape[1] > WIDE)
    found = None if too_wide else SCORES[name](sample)
    values = found if isinstance(found, tuple) else (found,) * len(COLUMNS[name])
    return {
        column: value if value is not None and isfinite(value) else None
        for column, value in zip(COLUMNS[name], values, strict=True)
    }


def _add_udr(rows: Sequence[dict[str, Any]], found: Sequence[Representation], data: Dataset) -> None:
    """UDR among the runs of each label, on the same 1,000 data a repeat."""
    for label in {one.label for one in found if one.run is not None}:
        partners = [one for one in found if one.label == label]
        if len(partners) < 2:
            continue
        for repeat in {row["repeat"] for row in rows}:
            codes = [Sample(one, data, repeat).points(UDR_POINTS)[0] for one in partners]
            kl = None if any(one.kl is None for one in partners) else [one.kl or [] for one in partners]
            of_repeat = [row for row in rows if (row["label"], row["repeat"]) == (label, repeat)]
            for row, value in zip(of_repeat, metrics.udr(codes, kl), strict=True):
                row["udr"] = value


def _part(data: Dataset, number: int) -> Dataset:
    """A random part of the data, where only a part is ever drawn."""
    if len(data) <= number:
        return data
    index = torch.from_numpy(np.sort(np.random.default_rng(0).permutation(len(data))[:number]))
    train, held_out = seeded_split(number)
    part: dict[str, Any] = {"images": data.images[index], "labels": None, "label_names": None, "digest": None}
    part["factors"] = None if data.factors is None else data.factors[index]
    return replace(data, train=train, held_out=held_out, **part)
