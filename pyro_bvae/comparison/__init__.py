"""Many fits side by side: fitted, measured on held-out data, and summarised over seeds.

`choices` says which fits a comparison makes, `fits` makes them, `measurements` takes their numbers, `curves` places
them on rate–distortion curves, `rows` and `summaries` hold the numbers, `columns` says how tables write them, and
`report` writes and draws.
"""

from __future__ import annotations

from .choices import Choice, choices_of, distinct
from .columns import COLUMNS, Column, cell, column_of, table_of
from .curves import on_curves
from .fits import as_read_back, run_all
from .measurements import labels_of, measured_anew, row_of
from .rows import RunRow, named_alike
from .summaries import LEAST_RATE, MEASURES, LabelSummary, MeanDeviation, departure, summarise

__all__ = [
    "COLUMNS",
    "LEAST_RATE",
    "MEASURES",
    "Choice",
    "Column",
    "LabelSummary",
    "MeanDeviation",
    "RunRow",
    "as_read_back",
    "cell",
    "choices_of",
    "column_of",
    "departure",
    "distinct",
    "labels_of",
    "measured_anew",
    "named_alike",
    "on_curves",
    "row_of",
    "run_all",
    "summarise",
    "table_of",
]
