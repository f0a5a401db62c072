"""Whether the first line of a table holds the names of its columns, and whether its first column numbers the rows."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from .cells import Dialect, is_gap, is_number, is_plain_integer, truth

__all__ = ["counts_rows", "is_header", "is_index", "is_numbered", "titles"]

LINES_OF_TITLES = 10  # at most, above the names
ROWS_THAT_TELL = 3  # lines after the first, without which a line of whole numbers is a datum
ROWS_THAT_COUNT = 10  # from which on a first column without a name that counts the rows is no accident
COLUMNS_OF_A_SCALE = 4  # from which on equal distances are no accident
INDEX_NAMES = frozenset(
    ["id", "index", "idx", "row", "rowid", "row_id", "rownames", "rowname", "no", "no.", "nr", "obs", "#"]
)


def is_header(first: Sequence[str], rows: Sequence[Sequence[str]], dialect: Dialect) -> bool:
    """Whether the first line names the columns: words over numbers, or the numbers of columns over other numbers.

    Args:
        first: The cells of the first line.
        rows: Those of the lines after it.
        dialect: Reads the numbers.
    """
    if all(is_gap(cell) for cell in first):
        return False
    words = [column for column, cell in enumerate(first) if _is_word(cell, dialect)]
    if not words:
        return is_numbered(first, rows)
    named = [cell for cell in first if not is_gap(cell)]
    has_measures = any(not _is_word(cell, dialect) and not is_plain_integer(cell) for cell in named)
    below = [row[column] for row in rows for column in words if column < len(row) and not is_gap(row[column])]
    over_numbers = not below or any(not _is_word(cell, dialect) for cell in below)
    return not has_measures and (over_numbers or len(words) == len(named))


def titles(rows: Sequence[Sequence[str]], dialect: Dialect) -> int:
    """How many lines stand above the names of the columns: words in each cell below lines that fill fewer cells.

    Args:
        rows: The cells of the first lines.
        dialect: Reads the numbers.
    """
    widths = [len(row) for row in rows]
    width = max(widths, key=widths.count, default=0)
    for above, row in enumerate(rows[: LINES_OF_TITLES + 1]):
        if len(row) == width > 1 and all(_is_word(cell, dialect) for cell in row[not row[0] :]):
            return above
        if sum(not is_gap(cell) for cell in row) >= width:
            return 0
    return 0


def is_numbered(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether a first line of numbers names the columns, as pandas does where nobody has, and is no datum.

    It does if it holds whole numbers, all different, over numbers with decimals; or if it reads 0, 1, 2, ..., or, from
    four columns on, any numbers at equal distances (wavelengths), and no other line does. An empty cell may stand
    before. Of one or two columns, 0 and 1 are names if they are rare in the lines below.

    Args:
        first: The cells of the first line.
        rows: Those of the lines after it.
    """
    names = first[1:] if len(first) > 1 and is_gap(first[0]) else first
    if not rows or not all(map(is_number, names)) or len({*names}) < len(names):
        return False
    others = [list(row[-len(names) :]) for row in rows]
    cells = [cell for row in others for cell in row]
    counts = list(names) == [str(number) for number in range(len(names))]
    are_whole = all(map(is_plain_integer, names)) and not any(map(is_plain_integer, cells))
    if are_whole and len(rows) >= ROWS_THAT_TELL and (counts or len(names) > 1):
        return True
    if any(map(_is_scale, others)):
        return False
    if len(names) >= COLUMNS_OF_A_SCALE and len(rows) >= ROWS_THAT_TELL and _is_scale(names):
        return True
    are_rare = len(rows) >= ROWS_THAT_COUNT and sum(cell in ("0", "1") for cell in cells) < 0.1 * len(cells)
    return counts and (len(names) > 2 or len(first) > len(names) or are_rare)


def _is_scale(cells: Sequence[str]) -> bool:
    """Whether cells are numbers at equal distances that are not 0."""
    if len(cells) < 3 or not all(map(is_number, cells)):
        return False
    steps = np.diff([float(cell) for cell in cells])
    return bool(steps[0] != 0 and np.allclose(steps, steps[0], rtol=1e-6, atol=0))


def is_index(name: str | None, values: np.ndarray, has_words: bool) -> bool:
    """Whether a first column numbers or names the rows, and is no feature of them.

    Args:
        name: Its name, empty where the first line leaves it out; None where there is no such line.
        values: Its numbers, without gaps.
        has_words: Whether it holds anything else than numbers.
    """
    if not len(values) and not has_words:
        return False
    if name is None:
        return not has_words and len(values) >= ROWS_THAT_COUNT and counts_rows(values)
    if name == "" or name.lower() in INDEX_NAMES or re.fullmatch(r"Unnamed: \d+", name):
        return has_words or bool((values == np.round(values)).all() and len(np.unique(values)) == len(values))
    return False


def counts_rows(values: np.ndarray) -> bool:
    """Whether numbers are 0, 1, 2, ... or 1, 2, 3, ..., in this order."""
    return len(values) > 1 and values[0] in (0, 1) and bool((np.diff(values) == 1).all())


def _is_word(cell: str, dialect: Dialect) -> bool:
    return dialect.number(cell) is None and truth(cell) is None
