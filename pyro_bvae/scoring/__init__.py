"""Metrics taken of runs and of baselines, and reported.

`registry` says how each metric is taken and what it needs; a new metric is entered there. `representations` makes the
codes that are scored, `repetitions` finds the runs that repeat one another, `draws` draws the points of a repeat,
`requirements` says which metrics can be taken, `scores` takes them, `settings` says how, `rows` and `summaries` hold
the numbers, `correlations` and `ranking` compare runs, and `report` writes and draws.
"""

from __future__ import annotations

from .correlations import RankCorrelations, rank_correlations
from .ranking import RankedRun, rank, terms_of, worth
from .registry import METRICS, Metric, score_columns
from .representations import Representation, width_of
from .requirements import applicable, lacking
from .rows import ScoreRow
from .scores import score, score_representations, with_active
from .settings import ScoreSettings, concerns, names_of_factors, of_factors
from .summaries import ScoreSummary, Spread, summarise

__all__ = [
    "METRICS",
    "Metric",
    "RankCorrelations",
    "RankedRun",
    "Representation",
    "ScoreRow",
    "ScoreSettings",
    "ScoreSummary",
    "Spread",
    "applicable",
    "concerns",
    "lacking",
    "names_of_factors",
    "of_factors",
    "rank",
    "rank_correlations",
    "score",
    "score_columns",
    "score_representations",
    "summarise",
    "terms_of",
    "width_of",
    "with_active",
    "worth",
]
