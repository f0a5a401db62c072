"""Which metrics can be taken of some data and runs, and what the others need."""

from __future__ import annotations

from collections.abc import Sequence

from ..datasets import Dataset
from ..metrics.arrays import as_classes
from ..metrics.sampling import columns_of
from ..settings.names import check
from .registry import METRICS

__all__ = ["applicable", "lacking"]

NUMERALS = {2: "two", 3: "three", 4: "four"}


def applicable(chosen: Sequence[str], data: Dataset, runs: int, latents: int) -> list[str]:
    """The metrics chosen, in the order of `METRICS`; where none is chosen, all that the data and the runs allow.

    Those of active latents alone are taken only where they are chosen.

    Args:
        chosen: Names in `METRICS`.
        data: What the runs were fitted to.
        runs: How many there are.
        latents: How many the widest of them has.

    Raises:
        ValueError: An unknown name, or a metric that needs what is not there.
    """
    for name in chosen:
        check("metric", name, METRICS)
    needs = lacking(data, runs, latents)
    allowed = [name for name in METRICS if name not in needs]
    for name in (name for name in chosen if name in needs):
        raise ValueError(f"{name} needs {needs[name]}; for {data.name} there are {', '.join(allowed)}")
    return [name for name in allowed if (name in chosen if chosen else METRICS[name].whole is None)]


def lacking(data: Dataset, runs: int, latents: int) -> dict[str, str]:
    """The metrics that cannot be taken, each with what it needs; see `applicable`."""
    needs = {
        name: f"{_numeral(metric.least_latents)} latents"
        for name, metric in METRICS.items()
        if metric.least_latents > latents
    }
    needs |= _lacking_factors(data)
    if data.labels is None:
        needs |= {name: "data with labels" for name, metric in METRICS.items() if metric.needs_labels}
    if runs < 2:
        needs |= {name: "at least two runs" for name, metric in METRICS.items() if metric.take_of_runs is not None}
    return needs


def _lacking_factors(data: Dataset) -> dict[str, str]:
    """The metrics for which these data have too few factors, or factors without names."""
    of_factors = {name: metric for name, metric in METRICS.items() if metric.least_factors > 0}
    if data.factors is None:
        return dict.fromkeys(of_factors, "data with ground-truth factors")
    classes, names = as_classes(data.factors), data.factor_names or []
    varying = len(columns_of(classes, names))
    if varying == 0:
        return dict.fromkeys(of_factors, "a factor that varies")
    needs = {}
    for name, metric in of_factors.items():
        least, left_out = metric.least_factors, " and ".join(metric.leaves_out)
        if varying < least:
            needs[name] = f"{_numeral(least)} factors that vary"
        elif left_out and not names:
            needs[name] = f"names of the factors, for it leaves the {left_out} out"
        elif left_out and len(columns_of(classes, names, metric.leaves_out)) < least:
            needs[name] = f"{_numeral(least)} factors that vary beside the {left_out}"
    return needs


def _numeral(number: int) -> str:
    return NUMERALS.get(number, str(number))
