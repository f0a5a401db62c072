"""Vectors in text files, one a line: tables as other programs write them.

What a table needs is found in its first lines: the separator, decimal commas, whether the first line names the columns
and whether the first column numbers the rows. All that is left out or read in a way one may not expect is in the data
set's notes, and what is no number is refused by line and column.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

import numpy as np
from torch import Tensor

from .cells import COMMENT, SEPARATORS, Dialect, is_gap, is_number, truth
from .dataset import Dataset
from .headers import counts_rows, is_header, is_index
from .lines import lines
from .notes import counted, named, shortened
from .vectors import as_vectors

__all__ = ["column_name", "load_csv", "load_txt", "read_vectors"]

SAMPLE = 200  # lines from which the dialect is known
MOST_LEFT_OUT = 0.5  # share of the rows that may have gaps


def load_txt(path: Path) -> Dataset:
    """The vectors of a text file, usually with blanks between the numbers; see `load_csv`."""
    return _load("txt", path, None)


def load_csv(path: Path) -> Dataset:
    """The vectors of a text file, usually with commas between the numbers.

    Lines may begin with # for comments. Rows with gaps (empty cells, NA, NaN, ?, - and so on) are left out, and so are
    columns without any number and a first column that numbers the rows.

    Raises:
        ValueError: A cell holds no finite number, a line has more or fewer cells than the others, half of the rows or
            more have gaps, or the file is no text.
        OSError: The file cannot be read.
    """
    return _load("csv", path, ",")


@dataclass
class _Table:
    """A table as it is read.

    Attributes:
        path: The file.
        dialect: How it is written.
        width: Cells of a row.
        names: Of the columns; None where the file has none.
        values: The numbers, row by row, NaN for gaps and words.
        line_numbers: Of the rows.
        words: For each column that has any, how many, and the line and text of the first.
        truths: For each column that has any, how many cells are true or false.
        respelled: The first number that was written otherwise than with a decimal point, and how many are.
        notes: What was read in a way that one may not expect.
    """

    path: Path
    dialect: Dialect
    width: int
    names: list[str] | None = None
    values: array[float] = field(default_factory=lambda: array("d"))
    line_numbers: array[int] = field(default_factory=lambda: array("q"))
    words: dict[int, tuple[int, int, str]] = field(default_factory=dict)
    truths: dict[int, int] = field(default_factory=dict)
    respelled: tuple[str, int] = ("", 0)
    notes: list[str] = field(default_factory=list)

    def add(self, number: int, cells: list[str]) -> None:
        """Add a row.

        Raises:
            ValueError: It has more or fewer cells than the others.
        """
        if len(cells) == self.width + 1 and not cells[-1]:  # a separator at the end
            cells.pop()
        if len(cells) != self.width:
            before = "the lines before have" if self.line_numbers else "the others have"
            raise ValueError(f"{self.path}, line {number}: {len(cells)} numbers, where {before} {self.width}")
        try:
            row = [*map(float, cells)]
            is_plain = "_" not in "".join(cells)  # Python takes 1_000 for a number
        except ValueError:
            is_plain = False
        self.values.extend(row if is_plain else [self._number(number, *each) for each in enumerate(cells)])
        self.line_numbers.append(number)

    def _number(self, line: int, column: int, cell: str) -> float:
        known = truth(cell)
        if known is not None:
            self.truths[column] = self.truths.get(column, 0) + 1
            return known
        value = self.dialect.number(cell)
        if value is None:
            count, first, text = self.words.get(column, (0, line, cell))
            self.words[column] = count + 1, first, text
            return float("nan")
        if not is_gap(cell) and ("," in cell or not cell.isascii() or " " in cell or "'" in cell):
            self.respelled = self.respelled[0] or f"{cell!r} for {value:g}", self.respelled[1] + 1
        return value


def _load(kind: str, path: Path, usual: str | None) -> Dataset:
    vectors, names, notes = read_vectors(path, usual)
    return Dataset(f"{kind}:{path}", vectors, source=str(path), notes=notes, columns=names)


def read_vectors(path: Path, usual: str | None) -> tuple[Tensor, list[str] | None, list[str]]:
    """The vectors ``(N, D)`` of a text file, the names of their columns if they have any, and what to say of them.

    Args:
        path: The file.
        usual: The separator that is taken where others do as well; None for blanks.

    Raises:
        ValueError: As `load_csv`.
        OSError: The file cannot be read.
    """
    table = _read(path, usual)
    if not table.line_numbers:
        raise ValueError(f"{path} holds no numbers")
    numbers = np.frombuffer(table.values).reshape(-1, table.width)
    kept = _kept_columns(table, numbers)
    _check_words(table, numbers, kept)
    rows = _whole_rows(table, numbers, kept)
    line_numbers = np.frombuffer(table.line_numbers, np.int64)[rows]
    vectors, notes = as_vectors(
        str(path),
        numbers[np.ix_(rows, np.array(kept))],
        row=lambda row: f"line {line_numbers[row]}",
        column=lambda column: column_name(table.names, kept[column]),
    )
    names = None if table.names is None else [table.names[column] for column in kept]
    return vectors, names, [*table.notes, *notes]


def _read(path: Path, usual: str | None) -> _Table:
    """Read all rows, in the dialect of the first lines."""
    comments: list[str] = []
    source = _contents(path, comments)
    sample = list(islice(source, SAMPLE))
    if sample and sample[0][1].lower().startswith("sep=") and len(sample[0][1]) == 5:  # how Excel is told
        usual = sample.pop(0)[1][-1]
    dialect = Dialect.guess([line for _, line in sample], usual)
    body = [dialect.split(dialect.without_comment(line)) for _, line in sample[1:]]
    first = _first_cells(dialect, sample[0][1]) if sample else [""]
    widths = [len(cells) for cells in (first, *body)]
    table = _Table(path, dialect, max(widths, key=widths.count))
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
    return table


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


def _name(table: _Table, first: list[str], body: list[list[str]]) -> None:
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


def _kept_columns(table: _Table, numbers: np.ndarray) -> list[int]:
    """The columns that are features: not a first one that numbers the rows, and none without a number."""
    kept = list(range(table.width))
    name = None if table.names is None else table.names[0]
    if table.width > 1 and is_index(name, numbers[:, 0], 0 in table.words):
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
    for column in kept:
        if len(numbers) >= 3 and table.width > 1 and counts_rows(numbers[:, column]):
            table.notes.append(f"{column_name(table.names, column)} counts the rows, and is kept")
    return kept


def _check_words(table: _Table, numbers: np.ndarray, kept: list[int]) -> None:
    """Refuse columns that hold words, and say of those that hold truths how they are read.

    Raises:
        ValueError: A cell holds a word, or a column truths among other numbers.
    """
    if not kept:
        raise ValueError(f"{table.path} holds no numbers")
    wrong = sorted((first, column) for column, (_, first, _) in table.words.items() if column in kept)
    if wrong:
        line, column = wrong[0]
        count, _, text = table.words[column]
        filled = count + int((~np.isnan(numbers[:, column])).sum())
        more = f", like {counted(count - 1, 'other')} of {filled:,} there" if count > 1 else ""
        others = f"; words are in {counted(len(wrong), 'column')} in all" if len(wrong) > 1 else ""
        raise ValueError(
            f"{table.path}, line {line}: {shortened(text[:40])!r} is not a number "
            f"({column_name(table.names, column)}{more}){others}; leave the column out, or write numbers: "
            "0 and 1 for each category, days since a first date"
        )
    for column, count in table.truths.items():
        filled = int((~np.isnan(numbers[:, column])).sum())
        if count < filled:
            name = column_name(table.names, column)
            raise ValueError(f"{table.path}: {name} holds true or false in {count:,} of {filled:,} rows, else numbers")
    if table.truths:
        names = named([column_name(table.names, column) for column in table.truths])
        table.notes.append(f"{counted(len(table.truths), 'column')} of true and false, read as 1 and 0: {names}")


def _whole_rows(table: _Table, numbers: np.ndarray, kept: list[int]) -> np.ndarray:
    """The rows without gaps.

    Raises:
        ValueError: These are fewer than half.
    """
    gaps = np.isnan(numbers[:, kept])
    rows = np.flatnonzero(~gaps.any(1))
    left_out = len(numbers) - len(rows)
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
