"""Vectors in text files, one a line: tables as other programs write them.

What a table needs is found in its first lines: the separator, decimal commas, whether the first line names the columns
and whether the first column numbers the rows. All that is left out or read in a way one may not expect is in the data
set's notes, and what is no number is refused by line and column.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

import numpy as np
from torch import Tensor

from .cells import COMMENT, SEPARATORS, Dialect, is_gap, is_number
from .chosen_columns import numbers_of
from .dataset import Dataset
from .features import column_name, features_of
from .headers import is_header, titles
from .lines import lines
from .marks import grouped_cell
from .notes import counted, named
from .table import Table
from .vectors import as_vectors

__all__ = ["load_csv", "load_txt", "read_vectors"]

SAMPLE = 200  # lines from which the dialect is known


def load_txt(path: Path, leave_out: str | None = None) -> Dataset:
    """The vectors of a text file, usually with blanks between the numbers; see `load_csv`."""
    return _load("txt", path, None, leave_out)


def load_csv(path: Path, leave_out: str | None = None) -> Dataset:
    """The vectors of a text file, usually with commas between the numbers.

    Lines may begin with # for comments. Rows with gaps (empty cells, NA, NaN, ?, - and so on) are left out, and so are
    columns without any number and a first column that numbers the rows.

    Args:
        path: The file.
        leave_out: Columns to leave out, see `chosen_columns.listed`.

    Raises:
        ValueError: A cell holds no finite number, a line has more or fewer cells than the others, half of the rows or
            more have gaps, or the file is no text.
        OSError: The file cannot be read.
    """
    return _load("csv", path, ",", leave_out)


def _load(kind: str, path: Path, usual: str | None, leave_out: str | None) -> Dataset:
    vectors, names, notes = read_vectors(path, usual, leave_out)
    return Dataset(f"{kind}:{path}", vectors, source=str(path), notes=notes, columns=names)


def read_vectors(
    path: Path, usual: str | None, leave_out: str | None = None, may_lack: bool = False
) -> tuple[Tensor, list[str] | None, list[str]]:
    """The vectors in a table, the names of their columns, and what is to be said of them.

    Args:
        path: The file.
        usual: The separator that is taken where others do as well; None for blanks.
        leave_out: Columns to leave out, see `chosen_columns.listed`.
        may_lack: Whether the table need not have them.

    Returns:
        Vectors ``(N, D)``; names, D of them, None where there are none; and notes.

    Raises:
        ValueError: As `load_csv` says.
        OSError: The file cannot be read.
    """
    table = _read(path, usual)
    marked = grouped_cell(_cells(path, table), table.numbers, table.dialect)
    if marked is not None:
        cell, are_thousands = marked
        if are_thousands:
            table = _read(path, usual, not table.dialect.has_decimal_commas)
        else:
            table.notes.append(f"cells such as {cell!r} are read with three decimals: if these are thousands, write "
                               "them without the mark")  # fmt: skip
    rows, kept = features_of(table, numbers_of(table, leave_out, may_lack))
    line_numbers = np.frombuffer(table.line_numbers, np.int64)[rows]
    vectors, notes = as_vectors(
        str(path),
        table.numbers[np.ix_(rows, np.array(kept))],
        row=lambda row: f"line {line_numbers[row]}",
        column=lambda column: column_name(table.names, kept[column]),
    )
    names = None if table.names is None else [table.names[column] for column in kept]
    return vectors, names, [*table.notes, *notes]


def _read(path: Path, usual: str | None, has_decimal_commas: bool | None = None) -> Table:
    """Read all rows, in the dialect of the first lines; or with decimal commas, or without, where that is given."""
    comments: list[str] = []
    source = _contents(path, comments)
    sample = list(islice(source, SAMPLE))
    if sample and sample[0][1].lower().startswith("sep=") and len(sample[0][1]) == 5:  # how Excel is told
        usual = sample.pop(0)[1][-1]
    dialect = Dialect.guess([line for _, line in sample], usual)
    if has_decimal_commas is not None:
        dialect = replace(dialect, has_decimal_commas=has_decimal_commas)
    above = titles([dialect.split(line) for _, line in sample], dialect)
    left_out, sample = sample[:above], sample[above:]
    body = [dialect.split(dialect.without_comment(line)) for _, line in sample[1:]]
    first = _first_cells(dialect, sample[0][1]) if sample else [""]
    widths = [len(cells) for cells in (first, *body)]
    table = Table(path, dialect, max(widths, key=widths.count))
    if left_out:
        table.notes.append(
            f"{counted(above, 'line')} above the names left out: {named([line for _, line in left_out])}"
        )
    if dialect.separator != usual and table.width > 1:
        table.notes.append(f"cells are separated by {SEPARATORS[dialect.separator]}")
    if is_header(first, body, dialect):
        sample.pop(0)
        _name(table, first, body)
    elif comments and len(dialect.split(comments[-1])) == table.width:  # as numpy writes a header
        table.names = dialect.split(comments[-1])
    for number, line in chain(sample, source):
        table.add(number, dialect.split(dialect.without_comment(line)))
    if table.respelled[1]:
        table.notes.append(f"{counted(table.respelled[1], 'number')} in another spelling, such as {table.respelled[0]}")
    if not table.line_numbers:
        raise ValueError(f"{path} holds no numbers")
    return table


def _cells(path: Path, table: Table) -> Iterator[list[str]]:
    """The cells of each row again."""
    for number, line in _contents(path, []):
        if number >= table.line_numbers[0]:
            yield table.dialect.split(table.dialect.without_comment(line))


def _first_cells(dialect: Dialect, line: str) -> list[str]:
    """The cells of the first line: a # in a name begins no comment, and one behind numbers does."""
    cells = dialect.split(dialect.without_comment(line))
    return cells if all(dialect.number(cell) is not None for cell in cells) else dialect.split(line)


def _contents(path: Path, comments: list[str]) -> Iterator[tuple[int, str]]:
    """The lines that hold anything, with their numbers; comments before the first of them go to ``comments``."""
    begun = False
    for number, line in lines(path):
        text = line.strip(" \r\n\f\v")
        if COMMENT.match(text):
            if not begun:
                comments.append(text.lstrip().lstrip("#").strip())
        elif text.strip():
            begun = True
            yield number, text


def _name(table: Table, first: list[str], body: list[list[str]]) -> None:
    """Take the names of the columns from the first line.

    Raises:
        ValueError: There are more or fewer of them than columns.
    """
    if len(first) == table.width + 1 and not first[-1]:
        first = first[:-1]
    if len(first) == table.width - 1:  # a separator ends each line below, or the names of rows have no name themselves
        ends_empty = not any(cells[-1] for cells in body if len(cells) == table.width)
        first = [*first, ""] if ends_empty else ["", *first]
    if len(first) != table.width:
        raise ValueError(
            f"{table.path}: the first line names {counted(len(first), 'column')}, and the lines below have "
            f"{table.width}; leave out lines above the names"
        )
    table.names = first
    if all(is_gap(cell) or is_number(cell) for cell in first):
        table.notes.append(f"the first line, {named([cell for cell in first if cell])}, is taken for names of columns")
    twice = sorted({name for name in first if name and first.count(name) > 1})
    if twice:
        table.notes.append(f"names of more than one column: {named(twice)}")
