"""What a model is worth on data that it has not seen, and what went wrong in a fit if anything did."""

from __future__ import annotations

from .diagnosis import Diagnosis, diagnose
from .evaluation import Evaluation, evaluate, iw_bound, least_information

__all__ = ["Diagnosis", "Evaluation", "diagnose", "evaluate", "iw_bound", "least_information"]
