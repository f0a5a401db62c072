"""The two terms of the loss, distortion and rate, of a batch and of a data set."""

from __future__ import annotations

from .batches import batches, check_data, evaluation_mode, of_batches, recorded_for_many, suitable_size
from .means import ACTIVE_ABOVE, MeanTerms, count_active, mean_terms
from .terms import (
    Terms,
    broken_parameter,
    check_sites,
    check_traces,
    factorises,
    per_value,
    row_of_traces,
    terms,
    terms_of_traces,
    traces,
)

__all__ = [
    "ACTIVE_ABOVE",
    "MeanTerms",
    "Terms",
    "batches",
    "broken_parameter",
    "check_data",
    "check_sites",
    "check_traces",
    "count_active",
    "evaluation_mode",
    "factorises",
    "mean_terms",
    "of_batches",
    "per_value",
    "recorded_for_many",
    "row_of_traces",
    "suitable_size",
    "terms",
    "terms_of_traces",
    "traces",
]
