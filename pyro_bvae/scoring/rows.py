"""A row of scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

__all__ = ["ByFactor", "ScoreRow"]


@dataclass(frozen=True, eq=False)
class ByFactor:
    """A score, and the score of each factor ``(F,)``, NaN where it has none."""

    score: float
    factors: np.ndarray


@dataclass(frozen=True)
class ScoreRow:
    """The scores of one representation in one repeat.

    Attributes:
        label: The name that runs with the same settings share, or a baseline's name.
        run: The run's folder, or what it is called without one; a baseline's label.
        seed: The seed of the fit; None where nothing is drawn.
        repeat: The number of the repeat, from 0.
        kl_per_latent: Mean KL of each latent on held-out data, nats; None where it is not defined.
        missing: Why a score is None, by column.
        scores: By column, in the order of `METRICS`.
        site: The latent site whose codes are scored; None where there is no other than "z", and of a baseline.
        by_factor: Scores of one factor, as ``mig[scale]``, of the metrics that have them.
        is_baseline: Whether it is of a baseline, and of no run.
    """

    label: str
    run: str
    seed: int | None
    repeat: int
    kl_per_latent: list[float] | None
    missing: Mapping[str, str]
    scores: Mapping[str, float | None]
    site: str | None = None
    by_factor: Mapping[str, float | None] = field(default_factory=dict)
    is_baseline: bool = False

    def as_dict(self) -> dict[str, Any]:
        """All by name, as in scores.json: the scores stand beside the rest."""
        row = asdict(self)
        del row["is_baseline"]
        scores = row.pop("scores") | row.pop("by_factor")
        if self.site is None:
            del row["site"]
        return row | scores
