"""What the columns of a comparison are called, and how their numbers are written: one place for all tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .summaries import LabelSummary, MeanDeviation

__all__ = ["COLUMNS", "Column", "cell", "column_of", "table_of"]

NO_NUMBER = "–"


@dataclass(frozen=True)
class Column:
    """A column of numbers.

    Attributes:
        title: What stands above it.
        digits: After the decimal point.
    """

    title: str
    digits: int = 2


COLUMNS = {
    "elbo": Column("ELBO"),
    "iw_bound": Column("IW bound"),
    "distortion": Column("distortion"),
    "rate": Column("rate"),
    "rate_standard_error": Column("its s.e.", 3),
    "bits_per_dim": Column("bits/dim", 3),
    "mse": Column("MSE", 4),
    "ssim": Column("SSIM", 3),
    "probe_accuracy": Column("probe", 3),
    "active_units": Column("active"),
    "coverage_90": Column("in 90%", 3),
    "beta": Column("β", 3),
    "slope": Column("slope dD/dR", 3),
}


def column_of(name: str) -> Column:
    """How a column is written: one of `COLUMNS`, or another measure or a score, which has three digits."""
    return COLUMNS.get(name, Column(name.replace("_", " "), 3))


def table_of(summaries: Sequence[LabelSummary]) -> tuple[list[str], list[list[str]]]:
    """A table of labels: the titles of its columns, and the cells of a row a label; the first column is the label.

    Columns of which no label has a number are left out. A label is marked with a star where its nats are no
    log-probability and those of others are.
    """
    rows = [summary.as_dict() for summary in summaries]
    scores = dict.fromkeys(name for summary in summaries for name in summary.scores)
    names = [name for name in (*COLUMNS, *scores) if any(row.get(name) is not None for row in rows)]
    is_mixed = len({summary.nats for summary in summaries}) > 1
    cells = [
        [_marked(summary, is_mixed), *(_cell(summary, name, row.get(name)) for name in names)]
        for summary, row in zip(summaries, rows, strict=True)
    ]
    return ["", *(column_of(name).title for name in names)], cells


def _cell(summary: LabelSummary, name: str, value: MeanDeviation | float | None) -> str:
    is_set = name == "beta" and isinstance(value, MeanDeviation) and not value.deviation
    if isinstance(value, MeanDeviation) and (is_set or name == "rate_standard_error"):
        value = value.mean
    return cell(value, column_of(name).digits, summary.extremes.get(name))


def _marked(summary: LabelSummary, is_mixed: bool) -> str:
    return f"{summary.label}*" if is_mixed and summary.nats == "no probability" else summary.label


def cell(value: MeanDeviation | float | None, digits: int, extremes: tuple[float, float] | None = None) -> str:
    """A number, or a mean over seeds, as a table has it.

    Args:
        value: The number.
        digits: After the decimal point.
        extremes: Of a count, its least and greatest value, which stand in the place of the deviation: no count lies
            beyond them.

    >>> cell(MeanDeviation(-126.333, 0.25), 2), cell(MeanDeviation(9.5, 0.71), 2, (9, 10)), cell(None, 2)
    ('-126.33 ± 0.25', '9.5 (9 to 10)', '–')
    """
    if value is None:
        return NO_NUMBER
    if not isinstance(value, MeanDeviation):
        return f"{value:.{digits}f}"
    if extremes is not None:
        least, greatest = extremes
        count = f"{value.mean:.{digits}f}".rstrip("0").rstrip(".")
        return count if least == greatest else f"{count} ({least:g} to {greatest:g})"
    mean = f"{value.mean:.{digits}f}"
    return mean if value.deviation is None else f"{mean} ± {value.deviation:.{digits}f}"
