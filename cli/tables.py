"""Tables: cells as text, and how a terminal shows them.

A table that is wider than the terminal is cut into blocks of columns, one below the other, and each repeats the first
column, the names of the rows. In a pipe a row is one line, however long, for those who search and cut lines.
"""

from __future__ import annotations

import shutil
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from pyro_bvae.settings.shown import short_names

__all__ = ["Table", "aligned", "room"]

GAP = 2  # columns of the terminal between two cells, of which none holds two spaces in a row
LONGEST_NAME, SHORTEST_NAME = 60, 12  # characters of the name of a row
UNLIMITED = 1_000_000


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes:
        titles: Of the columns. The first column names the rows, and may have the title "".
        rows: Each with a cell a column.
    """

    titles: Sequence[str]
    rows: Sequence[Sequence[str]]


def room() -> int:
    """How many characters a line of the terminal takes; in a pipe, as many as one likes, unless COLUMNS is set."""
    return shutil.get_terminal_size((UNLIMITED, 24)).columns


def aligned(table: Table, width: int | None = None) -> list[str]:
    """The lines of a table: names to the left and the other columns to the right, in blocks that fit.

    Args:
        table: The table.
        width: Of a line; by default that of the terminal. Names of rows are shortened to about half of it. A cell is
            never cut: a line with one column may be longer.

    >>> aligned(Table(["", "ELBO", "rate"], [["beta 1", "-126.33", "6.82"], ["beta 16", "-140.1", "3.2"]]), 17)
    ['            ELBO', 'beta 1   -126.33', 'beta 16   -140.1', '', '         rate', 'beta 1   6.82', 'beta 16   3.2']
    """
    width = room() if width is None else width
    columns = [[title, *(row[place] for row in table.rows)] for place, title in enumerate(table.titles)]
    widths = [max(map(_width, column)) for column in columns[1:]]
    most = max(SHORTEST_NAME, min(LONGEST_NAME, width // 2, width - GAP - max(widths, default=0)))
    names = [columns[0][0], *_names(columns[0][1:], most)]
    left = max(map(_width, names))
    blocks = [
        [_line(name, left, cells, widths[start:end])
         for name, *cells in zip(names, *columns[1 + start : 1 + end], strict=True)]
        for start, end in _blocks(widths, width - left)
    ]  # fmt: skip
    return [line for block in blocks for line in ("", *block)][1:]


def _names(names: Sequence[str], most: int) -> list[str]:
    """Names of at most so many characters, also where numbers stand before those that would be alike."""
    short = short_names(names, most)
    beyond = max(map(len, short), default=0) - most
    return short_names(names, max(most - beyond, 3)) if beyond > 0 else short


def _blocks(widths: Sequence[int], width: int) -> list[tuple[int, int]]:
    """Where blocks of columns start and end, so that those of each fit into a width; at least one column each."""
    starts, used = [0], 0
    for place, column in enumerate(widths):
        used += GAP + column
        if used > width and place > starts[-1]:
            starts.append(place)
            used = GAP + column
    return [*pairwise([*starts, len(widths)])]


def _line(name: str, left: int, cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [" " * (GAP + width - _width(cell)) + cell for cell, width in zip(cells, widths, strict=True)]
    return (name + " " * (left - _width(name)) + "".join(padded)).rstrip()


def _width(text: str) -> int:
    """How many columns of a terminal a text takes: two a Chinese character, and none a mark above a letter."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(map(bool, map(unicodedata.combining, text)))
