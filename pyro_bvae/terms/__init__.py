"""The two terms of the loss, distortion and rate, of a batch and of a data set."""

from __future__ import annotations

from .arguments import arguments_of, given_to, has_own
from .batches import (
    batches,
    check_data,
    evaluation_mode,
    of_batches,
    recorded_for_many,
    rows_of_batches,
    suitable_size,
)
from .means import ACTIVE_ABOVE, MeanTerms, count_active, kl_of_site, mean_terms
from .sites import Layout, check_sites, check_traces, label_of, latent_sites, observed_sites, random_sites
from .terms import (
    Terms,
    broken_parameter,
    factorises,
    layout_of,
    per_value,
    row_of_traces,
    terms,
    terms_of_traces,
    total,
    traces,
    units_of,
)

__all__ = [
    "ACTIVE_ABOVE",
    "Layout",
    "MeanTerms",
    "Terms",
    "arguments_of",
    "batches",
    "broken_parameter",
    "check_data",
    "check_sites",
    "check_traces",
    "count_active",
    "evaluation_mode",
    "factorises",
    "given_to",
    "has_own",
    "kl_of_site",
    "label_of",
    "latent_sites",
    "layout_of",
    "mean_terms",
    "observed_sites",
    "of_batches",
    "per_value",
    "random_sites",
    "recorded_for_many",
    "row_of_traces",
    "rows_of_batches",
    "suitable_size",
    "terms",
    "terms_of_traces",
    "total",
    "traces",
    "units_of",
]
