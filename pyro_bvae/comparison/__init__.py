"""Many fits side by side: fitted, measured on held-out data, and summarised over seeds.

`choices` says which fits a comparison makes, `fits` makes them, `measurements` takes their numbers, `labels` says what
they are called, `curves` places them on rate–distortion curves, `rows` and `summaries` hold the numbers, `columns` says
how tables write them, `folder` keeps them, `growth` adds to them, and `overviews` and `report` draw them. `search`
proposes the fits one after another, to come nearer to its `aims`.

Names are imported when they are asked for, so that `results` reads a comparison without waiting for torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .aims import Aim, aims_of, check_search, metrics_of
    from .choices import Choice, choices_of, distinct
    from .columns import COLUMNS, Column, cell, column_of, table_of
    from .curves import on_curves
    from .fits import as_read_back, run_all
    from .folder import content, rows_in
    from .growth import add, choices_in, completed_rows, grown, settings_before, start
    from .labels import varied_in
    from .measurements import measured_anew, row_of
    from .overviews import check_columns
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
    "add",
    "aims_of",
    "as_read_back",
    "cell",
    "check_columns",
    "check_search",
    "choices_in",
    "choices_of",
    "column_of",
    "completed_rows",
    "content",
    "departure",
    "distinct",
    "grown",
    "measured_anew",
    "metrics_of",
    "named_alike",
    "on_curves",
    "row_of",
    "rows_in",
    "run_all",
    "search_all",
    "settings_before",
    "start",
    "summarise",
    "table_of",
    "varied_in",
]

MODULES = {
    "aims": ["Aim", "aims_of", "check_search", "metrics_of"],
    "choices": ["Choice", "choices_of", "distinct"],
    "columns": ["COLUMNS", "Column", "cell", "column_of", "table_of"],
    "curves": ["on_curves"],
    "fits": ["as_read_back", "run_all"],
    "folder": ["content", "rows_in"],
    "growth": ["add", "choices_in", "completed_rows", "grown", "settings_before", "start"],
    "labels": ["varied_in"],
    "measurements": ["measured_anew", "row_of"],
    "overviews": ["check_columns"],
    "rows": ["RunRow", "named_alike"],
    "search": ["Search", "Trial", "search_all"],
    "summaries": ["LEAST_RATE", "MEASURES", "LabelSummary", "MeanDeviation", "departure", "summarise"],
}
HOMES = {name: module for module, names in MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{HOMES[name]}", __name__), name)
