"""Do scores agree? Rank correlations of scores over runs, as the field's studies of metrics show them.

    ρ_ab = Pearson's correlation of the ranks of scores a and b over the runs   (Spearman's)

Source: Locatello et al., Challenging common assumptions, https://arxiv.org/abs/1811.12359, figure 2
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

import numpy as np
from scipy.stats import rankdata
from scipy.stats import t as students_t

from .rows import ScoreRow

__all__ = ["LEAST_RUNS", "RankCorrelations", "rank_correlations", "spearman"]

LEAST_RUNS = 5  # of fewer, chance alone gives correlations of ±1 too often


@dataclass(frozen=True, eq=False)
class RankCorrelations:
    """Rank correlations of scores over runs.

    Attributes:
        columns: The scores that every run has, and that differ between runs.
        table: Spearman's ρ of each two of them, ``(C, C)``.
        runs: How many runs they are over.
    """

    columns: list[str]
    table: np.ndarray
    runs: int

    @property
    def by_chance(self) -> float:
        """|ρ| that two unrelated scores exceed in one of twenty cases, by Student's t."""
        quantile = float(students_t.ppf(0.975, self.runs - 2))
        return quantile / (self.runs - 2 + quantile**2) ** 0.5

    @property
    def note(self) -> str:
        """What is to be said beside them."""
        return f"{self.runs} runs; two unrelated scores exceed ±{self.by_chance:.2f} in one of twenty cases"

    def as_dict(self) -> dict[str, Any]:
        """All by name, as in scores.json."""
        rows = [dict(zip(self.columns, row.tolist(), strict=True)) for row in self.table]
        table = dict(zip(self.columns, rows, strict=True))
        return {"runs": self.runs, "by_chance": self.by_chance, "spearman": table}


def rank_correlations(rows: Sequence[ScoreRow]) -> RankCorrelations | None:
    """The rank correlations of the scores of runs, each the mean of its repeats.

    Args:
        rows: Of `score`; baselines are left out.

    Returns:
        The correlations; None where there are fewer than five runs, or fewer than two scores that differ between them.
    """
    of_run = means_of_runs(rows)
    if len(of_run) < LEAST_RUNS:
        return None
    values = {
        column: [scores.get(column) for scores in of_run.values()]
        for column in next(iter(of_run.values()))
        if all(scores.get(column) is not None for scores in of_run.values())
    }
    differing = {column: scores for column, scores in values.items() if len(set(scores)) > 1}
    if len(differing) < 2:
        return None
    table = np.array([[spearman(one, other) for other in differing.values()] for one in differing.values()])
    return RankCorrelations([*differing], table, len(of_run))


def means_of_runs(rows: Sequence[ScoreRow]) -> dict[str, dict[str, float | None]]:
    """For each run, by its folder, the mean of each score over the repeats; None where a repeat has none."""
    repeats: dict[str, list[Mapping[str, float | None]]] = {}
    for row in rows:
        if not row.is_baseline:
            repeats.setdefault(row.run, []).append(row.scores)
    return {run: {column: _mean([scores.get(column) for scores in some]) for column in some[0]}
            for run, some in repeats.items()}  # fmt: skip


def spearman(one: Sequence[Any], other: Sequence[Any]) -> float:
    """Spearman's rank correlation of two rows of numbers, each of which differs; equal numbers share a rank.

    >>> spearman([1, 2, 3, 4], [10, 30, 20, 40])
    0.8
    """
    return round(float(np.corrcoef(rankdata(one), rankdata(other))[0, 1]), 12)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return mean(known) if len(known) == len(values) else None
