"""Metrics taken of many runs and of baselines, and reported.

`representations` makes the codes that are scored, `repetitions` finds the runs that repeat one another, `draws` draws
the points of a repeat, `requirements` says which metrics can be taken, `scores` takes them, and `report` summarises.
"""

from __future__ import annotations

from .representations import Representation
from .requirements import applicable, lacking
from .scores import score, score_representations

__all__ = ["Representation", "applicable", "lacking", "score", "score_representations"]
