"""What each metric needs of the data and of the runs, and which metrics can be taken."""

from __future__ import annotations

from collections.abc import Sequence

from .. import metrics
from ..datasets import Dataset
from ..metrics.arrays import as_classes
from ..metrics.sampling import columns_of
from ..settings.names import METRICS, check

__all__ = ["OF_FACTORS", "OF_LATENTS", "WITHOUT_FACTORS", "applicable", "lacking"]

WITHOUT_FACTORS = ("udr", "total-correlation", "active-units", "probe")
OF_LATENTS = ("mig", "sap", "dci")  # which compare latents, and need two
OF_FACTORS = ("beta-vae-paper", "beta-vae", "factor-vae", "modularity", "dci")  # which compare factors


def applicable(chosen: Sequence[str], data: Dataset, runs: int, latents: int) -> list[str]:
    """The metrics chosen, in the order of `names.METRICS`, or all that the data and the runs allow.

    Raises:
        ValueError: An unknown name, or a metric that needs what is not there.
    """
    for name in chosen:
        check("metric", name, METRICS)
    wanting = lacking(data, runs, latents)
    allowed = [name for name in METRICS if name not in wanting]
    for name in (name for name in chosen if name in wanting):
        raise ValueError(f"{name} needs {wanting[name]}; for {data.name} there are {', '.join(allowed)}")
    return [name for name in allowed if not chosen or name in chosen]


def lacking(data: Dataset, runs: int, latents: int) -> dict[str, str]:
    """What those metrics need that cannot be taken, of so many runs of at most so many latents."""
    found = {}
    if data.factors is None:
        found = dict.fromkeys({*METRICS} - {*WITHOUT_FACTORS}, "data with ground-truth factors")
    else:
        classes, names = as_classes(data.factors), data.factor_names or []
        if latents < 2:
            found |= dict.fromkeys(OF_LATENTS, "two latents")
        if len(columns_of(classes, names)) < 2:
            found |= dict.fromkeys(OF_FACTORS, "two factors that vary")
        elif not names:
            found["beta-vae-paper"] = "names of the factors, for it leaves the shape out"
        elif len(columns_of(classes, names, metrics.PROTOCOLS["paper"].leaves_out)) < 2:
            found["beta-vae-paper"] = "two factors that vary beside the shape"
        if not len(columns_of(classes, names)):
            found |= dict.fromkeys({*METRICS} - {*WITHOUT_FACTORS}, "a factor that varies")
    if data.labels is None:
        found["probe"] = "data with labels"
    if runs < 2:
        found["udr"] = "at least two runs"
    return found
