"""Which rows and columns of a table are data: not an index, no totals, nothing empty, and no words."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import numpy as np

from .cells import DECIMAL_COMMA
from .headers import counts_rows, is_index
from .notes import counted, named, shortened
from .table import Table

__all__ = ["column_name", "features_of"]

MOST_LEFT_OUT = 0.5  # share of the rows that may have gaps
FEW = 3  # words in a column of numbers that are slips, however few the rows; of many rows, a tenth
UNIT = re.compile(r"[+-]?[\d.,]*\d\s*[^\W\d_]{1,5}\d?|[^\W\d_]{1,3}\s?[\d.,]*\d")
CLASSES = frozenset(["label", "labels", "class", "target"])


def features_of(table: Table, left_out: Collection[int] = ()) -> tuple[np.ndarray, list[int]]:
    """The rows and columns that are data; the rest is left out, and the table's notes say so.

    Args:
        table: The table.
        left_out: Columns that are none in any case.

    Raises:
        ValueError: A cell holds a word, half of the rows or more have gaps, or nothing is left.
    """
    apart = [] if 0 in left_out else _rows_apart(table)
    numbers = table.numbers
    kept, is_numbered = _kept_columns(table, np.delete(numbers, apart, 0), apart, left_out)
    _check_words(table, numbers, kept, apart)
    return _whole_rows(table, numbers, [0, *kept] if is_numbered else kept, apart), kept


def _rows_apart(table: Table) -> list[int]:
    """Rows of totals, means, units and sources: a few that begin with a word, where the others begin with a number."""
    words = table.words.get(0, {})
    count, most = table.word_counts.get(0, 0), len(table.line_numbers)
    is_few = _are_few(count, most) and not any(re.search(r"\d", word) for word in words.values())
    if not words or not is_few or np.isfinite(table.numbers[:, 0]).sum() * 2 <= most:
        return []
    names = named([f"{shortened(word)!r} in line {table.line_numbers[row]}" for row, word in words.items()])
    begin = "row that begins" if count == 1 else "rows that begin"
    table.notes.append(f"{count:,} {begin} with a word, where the others begin with a number, left out: {names}")
    return list(words)


def _are_few(count: int, rows: int) -> bool:
    return count <= max(FEW, rows // 10) and 2 * count < rows


def _kept_columns(
    table: Table, numbers: np.ndarray, apart: Sequence[int], left_out: Collection[int]
) -> tuple[list[int], bool]:
    """The columns that are features: not a first one that numbers the rows, and none without a number.

    Args:
        table: The table, to which the notes go.
        numbers: Its numbers, without the rows apart.
        apart: These rows.
        left_out: Columns that are none in any case.

    Returns:
        The columns, and whether a first one is left out that has a number in more than half of the rows: where it has
        none, the row is a total, or empty.
    """
    kept = [column for column in range(table.width) if column not in left_out]
    name = None if table.names is None else table.names[0]
    with_values = numbers[~np.isnan(numbers).all(1)]
    first = with_values[~np.isnan(with_values[:, 0]), 0]
    has_words = table.word_counts.get(0, 0) > len(apart)
    has_index = 0 in kept and table.width > 1 and is_index(name, first, has_words)
    if has_index:
        kept.remove(0)
        hint = "; name it in a first line to keep it" if name is None else ""
        table.notes.append(
            f"the first column{f' {shortened(name)!r}' if name else ''} numbers or names the rows and is left out{hint}"
        )
    empty = [column for column in kept if column not in table.words and np.isnan(numbers[:, column]).all()]
    if empty:
        names = named([column_name(table.names, column) for column in empty])
        table.notes.append(f"{counted(len(empty), 'column')} without any number left out: {names}")
    kept = [column for column in kept if column not in empty]
    _note_on_columns(table, with_values, kept)
    return kept, has_index and not has_words and 2 * len(first) > len(with_values)


def _note_on_columns(table: Table, numbers: np.ndarray, kept: Sequence[int]) -> None:
    """Say of columns that are kept which look like something else than a feature."""
    for column in kept:
        name = "" if table.names is None else table.names[column].lower()
        if len(numbers) >= 3 and table.width > 1 and counts_rows(numbers[:, column]):
            table.notes.append(f"{column_name(table.names, column)} counts the rows, and is kept")
        elif name in CLASSES and len(kept) > 1 and column not in table.words:
            table.notes.append(f"{column_name(table.names, column)} is read as a value of the vector like the others")


def _check_words(table: Table, numbers: np.ndarray, kept: Sequence[int], apart: Sequence[int]) -> None:
    """Refuse columns that hold words, and say of those that hold truths how they are read.

    Raises:
        ValueError: A cell holds a word, or a column truths among other numbers.
    """
    if not kept:
        raise ValueError(f"{table.path} holds no numbers")
    out = {*apart}
    words = {column: {row: word for row, word in table.words.get(column, {}).items() if row not in out}
             for column in kept}  # fmt: skip
    wrong = sorted((min(each), column) for column, each in words.items() if each)
    if wrong:
        row, column = wrong[0]
        text = words[column][row]
        count = table.word_counts[column] - (len(table.words[column]) - len(words[column]))
        filled = count + int((~np.isnan(numbers[:, column])).sum())
        more = f", like {counted(count - 1, 'other')} of {filled:,} there" if count > 1 else ""
        others = f"; words are in {counted(len(wrong), 'column')} in all" if len(wrong) > 1 else ""
        raise ValueError(
            f"{table.path}, line {table.line_numbers[row]}: {shortened(text[:40])!r} is not a number "
            f"({column_name(table.names, column)}{more}){others}; {_advice(text, count, filled)}"
        )
    truths = {column: count for column, count in table.truths.items() if column in kept}
    for column, count in truths.items():
        filled = int((~np.isnan(numbers[:, column])).sum())
        if count < filled:
            name = column_name(table.names, column)
            raise ValueError(f"{table.path}: {name} holds true or false in {count:,} of {filled:,} rows, else numbers")
    if truths:
        names = named([column_name(table.names, column) for column in truths])
        table.notes.append(f"{counted(len(truths), 'column')} of true and false, read as 1 and 0: {names}")


def _advice(text: str, count: int, filled: int) -> str:
    """What to do about a word in a column, by what it looks like."""
    if DECIMAL_COMMA.fullmatch(text):
        return "decimal commas and decimal points are mixed: write one of them"
    if UNIT.fullmatch(text):
        return "take the unit off, and write it into the name of the column"
    if _are_few(count, filled):
        return f"leave {'the line' if count == 1 else 'such lines'} out, or write a number"
    return "leave the column out (`leave_out`), or write numbers: 0 and 1 for each category, days since a first date"


def _whole_rows(table: Table, numbers: np.ndarray, kept: list[int], apart: Sequence[int]) -> np.ndarray:
    """The rows without gaps, and without those apart.

    Raises:
        ValueError: These are fewer than half.
    """
    gaps = np.isnan(numbers[:, kept])
    gaps[apart] = False
    rows = np.setdiff1d(np.flatnonzero(~gaps.any(1)), apart)
    left_out = int(gaps.any(1).sum())
    if left_out:
        counts = gaps.sum(0)
        worst = [kept[column] for column in np.argsort(-counts, kind="stable") if counts[column]]
        first = table.line_numbers[int(np.flatnonzero(gaps.any(1))[0])]
        where = named([column_name(table.names, column) for column in worst])
        what = f"{counted(left_out, 'row')} of {len(numbers):,} with gaps, the first in line {first}, in {where}"
        if left_out >= MOST_LEFT_OUT * len(numbers):
            raise ValueError(f"{table.path}: {what}: leave out the columns or fill the gaps")
        table.notes.append(f"{what}: left out")
    return rows


def column_name(names: Sequence[str] | None, column: int) -> str:
    """What to call a column: by its name, or by its number from 1.

    >>> column_name(["a", ""], 0), column_name(["a", ""], 1)
    ("column 'a'", 'column 2')
    """
    return f"column {shortened(names[column])!r}" if names is not None and names[column] else f"column {column + 1}"
