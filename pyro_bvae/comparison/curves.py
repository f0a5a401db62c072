"""Which rate–distortion curve each run of a comparison lies on, and the slope of the curve there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isfinite
from statistics import mean
from typing import Any

from ..evaluation.rate_distortion import slopes
from ..runs.config import weighs_rate
from ..settings.options import REPEATS
from .choices import label_of
from .differences import config_in, settings_between
from .rows import RunRow

__all__ = ["on_curves"]

# settings in which the runs of one curve may differ
VARY_ON_A_CURVE = {"beta", "beta_schedule", "match_rate", *REPEATS} - {"precision"}


def on_curves(rows: Sequence[RunRow]) -> list[RunRow]:
    """The rows, each with the rate–distortion curve that it lies on and the curve's slope there.

    Runs lie on one curve if they have the same data, and differ only in β, in the seed, and in settings that change no
    result but by rounding.

    Args:
        rows: Of runs, by `run_all` or `measured_anew`. One whose folder is gone stays as it is.

    Returns:
        The rows with ``curve``, a label made of the settings in which the curves differ, and ``slope``, dD/dR of the
        means over seeds. The curve is None for a run whose β moved to match a rate, or which minimised something other
        than D + βR. The slope is None also where a curve has fewer than three β above 0, or where its rate is constant.
    """
    placed: dict[int, RunRow] = {}
    configs = {number: config for number, row in enumerate(rows) if (config := config_in(row.run)) is not None}
    for data in dict.fromkeys(row.data for row in rows):
        group = {number: rows[number] for number in configs if rows[number].data == data}
        placed |= zip(group, _on_curves([*group.values()], [configs[number] for number in group]), strict=True)
    return [placed.get(number, row) for number, row in enumerate(rows)]


def _on_curves(rows: Sequence[RunRow], configs: Sequence[Mapping[str, Any]]) -> list[RunRow]:
    """The same for rows of the same data."""
    names = settings_between(configs, VARY_ON_A_CURVE)
    placed = [
        replace(row, curve=label_of(config, names) if _has_curve(row, config) else None)
        for row, config in zip(rows, configs, strict=True)
    ]
    slope_at: dict[tuple[str | None, float | None], float] = {}
    for curve in {row.curve for row in placed} - {None}:
        slope_at |= {(curve, beta): slope for beta, slope in _slopes([row for row in placed if row.curve == curve])}
    return [replace(row, slope=slope_at.get((row.curve, row.beta))) for row in placed]


def _has_curve(row: RunRow, config: Mapping[str, Any]) -> bool:
    """Whether a run minimised D + βR, and ended with the β that was asked for."""
    return config["match_rate"] is None and config["beta"] == row.beta and weighs_rate(config)


def _slopes(rows: Sequence[RunRow]) -> list[tuple[float, float]]:
    """Each β of a curve with the slope there, where there is one."""
    betas = sorted({row.beta for row in rows if row.beta is not None and row.beta > 0})
    if len(betas) < 3:
        return []
    rates = [mean(row.rate for row in rows if row.beta == beta) for beta in betas]
    distortions = [mean(row.distortion for row in rows if row.beta == beta) for beta in betas]
    of_betas = slopes(betas, rates, distortions).tolist()
    return [(beta, slope) for beta, slope in zip(betas, of_betas, strict=True) if isfinite(slope)]
