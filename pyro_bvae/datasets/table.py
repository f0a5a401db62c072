"""A table of text as it is read: numbers row by row, and what was no number."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .cells import Dialect, is_gap, is_number, truth

__all__ = ["Table"]

MOST_WORDS = 10_000  # of a column that are kept


@dataclass
class Table:
    """A table as it is read.

    Attributes:
        path: The file.
        dialect: How it is written.
        width: Cells of a row.
        names: Of the columns; None where the file has none.
        values: An array of the numbers, row by row, NaN for gaps and words.
        line_numbers: Of the rows.
        words: For each column that has any, the first of them by row.
        word_counts: How many there are.
        truths: For each column that has any, how many cells are true or false.
        respelled: The first number that was written otherwise than with a decimal point, and how many are.
        notes: What was read in a way that one may not expect.
    """

    path: Path
    dialect: Dialect
    width: int
    names: list[str] | None = None
    values: Any = field(default_factory=lambda: array("d"))
    line_numbers: Any = field(default_factory=lambda: array("q"))
    words: dict[int, dict[int, str]] = field(default_factory=dict)
    word_counts: dict[int, int] = field(default_factory=dict)
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
            text = "".join(cells)  # Python takes 1_000 for a number, and the point of 1.000 may be one of thousands
            is_plain = "_" not in text and not (self.dialect.has_decimal_commas and "." in text)
        except ValueError:
            is_plain = False
        self.values.extend(row if is_plain else [self._number(*each) for each in enumerate(cells)])
        self.line_numbers.append(number)

    @property
    def numbers(self) -> np.ndarray:
        """The values, a row each."""
        return np.frombuffer(self.values).reshape(-1, self.width)

    def _number(self, column: int, cell: str) -> float:
        known = truth(cell)
        if known is not None:
            self.truths[column] = self.truths.get(column, 0) + 1
            return known
        value = self.dialect.number(cell)
        if value is None:
            self.word_counts[column] = self.word_counts.get(column, 0) + 1
            if self.word_counts[column] <= MOST_WORDS:
                self.words.setdefault(column, {})[len(self.line_numbers)] = cell
            return float("nan")
        if not is_gap(cell) and not (is_number(cell) and value == float(cell)):
            self.respelled = self.respelled[0] or f"{cell!r} for {value:.12g}", self.respelled[1] + 1
        return value
