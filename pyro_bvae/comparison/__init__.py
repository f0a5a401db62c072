"""Many fits side by side: fitted, measured on held-out data, and summarised over seeds.

`choices` says which fits a comparison makes, `fits` makes them, `measurements` takes their numbers, `curves` places
them on rate–distortion curves, `rows` and `summaries` hold the numbers, `columns` says how tables write them, and
`report` writes and draws. `search` proposes the fits one after another, to come nearer to its `aims`.
"""

from __future__ import annotations

from .aims import Aim, aims_of, check_search, metrics_of
from .choices import Choice, choices_of, distinct
from .columns import COLUMNS, Column, cell, column_of, table_of
from .curves import on_curves
from .fits import as_read_back, run_all
from .measurements import labels_of, measured_anew, row_of
from .rows import RunRow, named_alike
from .search import Search, Trial, search_all
from .summaries import LEAST_RATE, MEASURES, LabelSummary, MeanDeviation, departure, summarise

__all__ = [
    "COLUMNS",
    "LEAST_RATE",
    "MEASURES",
    "Aim",
    "Choice",
    "Column",
    "LabelSummary",
    "MeanDeviation",
    "RunRow",
    "Search",
    "Trial",
    "aims_of",
    "as_read_back",
    "cell",
    "check_search",
    "choices_of",
    "column_of",
    "departure",
    "distinct",
    "labels_of",
    "measured_anew",
    "metrics_of",
    "named_alike",
    "on_curves",
    "row_of",
    "run_all",
    "search_all",
    "summarise",
    "table_of",
]
