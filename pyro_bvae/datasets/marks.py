"""Whether the mark in cells like 1.041 is a decimal one or stands between thousands, by the whole table."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

import numpy as np

from .cells import Dialect, bare

__all__ = ["grouped_cell"]


def grouped_cell(rows: Iterable[list[str]], numbers: np.ndarray, dialect: Dialect) -> tuple[str, bool] | None:
    """A cell whose mark may stand between thousands, where no cell of the table has it before other than three digits.

    It does stand there if it is in a cell twice (1.005.585), or if all else in a column are whole numbers up to 999.

    Args:
        rows: The cells.
        numbers: What was read of them with a decimal mark, NaN where that is nothing.
        dialect: With that mark.

    Returns:
        The cell, and whether these are thousands; None where there is no such cell, or the mark is a decimal one.
    """
    if any(map(_has_other_decimals, numbers.T)):
        return None
    mark = "," if dialect.has_decimal_commas else "."
    grouped = re.compile(rf"[+-]?[1-9]\d{{0,2}}({re.escape(mark)}\d{{3}})+")
    counts: Counter[int] = Counter()
    first = ""
    for cells in rows:
        for column, cell in enumerate(map(bare, cells)):
            if mark not in cell:
                continue
            if grouped.fullmatch(cell):
                if cell.count(mark) > 1:
                    return cell, True
                first = first or cell
                counts[column] += 1
            elif dialect.number(cell) is not None:
                return None
    if not counts or any(np.nanmax(np.abs(numbers[:, column])) >= 1000 for column in counts):
        return None
    return first, any(np.isfinite(numbers[:, column]).sum() > count for column, count in counts.items())


def _has_other_decimals(column: np.ndarray) -> bool:
    """Whether there is a number below 1, or one with other decimals than three."""
    size = np.abs(column[np.isfinite(column)])
    thousandths = size * 1000
    is_other = np.abs(thousandths - np.round(thousandths)) > 1e-6 * np.maximum(1, thousandths)
    return bool((is_other | ((size > 0) & (size < 1))).any())
