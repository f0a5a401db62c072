"""The cells of a line of text, and the numbers in them.

A table is written in many ways: with commas, semicolons, tabs, bars or blanks between the cells, with decimal commas,
with quotes, with separators of thousands. `Dialect.guess` looks at the first lines and takes the separator under which
the most cells are numbers. A percent or currency sign beside a number is taken off; (5) and 5- are -5.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["COMMENT", "SEPARATORS", "Dialect", "bare", "is_gap", "is_number", "is_plain_integer", "truth"]

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", None: "blanks"}
ERRORS = ["N/A", "NA", "NV", "DIV/0!", "NUM!", "REF!", "VALUE!", "NAME?", "NULL!", "WERT!", "BEZUG!", "ZAHL!"]
WORDS_FOR_GAPS = ["na", "n/a", "nan", "null", "none", "nil", "missing", "nat", "<na>", "k.a.", "k. a.", "n.a.", "n. a."]
GAPS = frozenset(["", *WORDS_FOR_GAPS, "?", "-", "--", "–", "—", ".", *(f"#{error.lower()}" for error in ERRORS)])
TRUTH = {"true": 1.0, "false": 0.0}
# a # that begins a comment, and is no error value of a spreadsheet
COMMENT = re.compile(rf"\s*#(?!{'|'.join(map(re.escape, ERRORS))}(?!\w)).*")
DECIMAL_COMMA = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+|\d*),\d+([eE][+-]?\d+)?")
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(([,\s'’])\d{3})(\2\d{3})*(\.\d*)?")
THOUSANDS_BEFORE_COMMA = re.compile(r"[+-]?[1-9]\d{0,2}([.\s'’]\d{3})+(,\d*)?")
MILLIONS = re.compile(r"[+-]?[1-9]\d{0,2}([.,])\d{3}(\1\d{3})+")
MONEY = r"(?:[$€£¥]|EUR|USD|GBP|CHF|JPY)"
BESIDE_A_NUMBER = re.compile(rf"(?<![^(+-]){MONEY}\s*(?=[\d.,+(-])|(?<=[\d.,)-])\s*(?:%|{MONEY})$")


@dataclass(frozen=True)
class Dialect:
    """How a table is written.

    Attributes:
        separator: Between the cells; None for blanks.
        has_decimal_commas: Whether 1,5 is one and a half.
    """

    separator: str | None
    has_decimal_commas: bool = False

    def split(self, line: str) -> list[str]:
        """The cells of a line, without quotes and surrounding blanks."""
        if '"' in line or "'" in line:
            quote = '"' if '"' in line else "'"
            blank = self.separator is None
            source = " ".join(line.split()) if blank else line
            reader = csv.reader([source], delimiter=self.separator or " ", quotechar=quote, skipinitialspace=True)
            try:
                return [cell.strip() for cell in next(reader)]
            except csv.Error:  # a quote that never ends, and a cell too long for the reader
                return [line]
        return line.split() if self.separator is None else [cell.strip() for cell in line.split(self.separator)]

    def without_comment(self, line: str) -> str:
        """The line up to a # that begins a comment."""
        return COMMENT.sub("", line) if "#" in line else line

    def number(self, cell: str) -> float | None:
        """The number in a cell; None where it holds none, NaN where it is a gap."""
        if is_gap(cell):
            return float("nan")
        plain = bare(cell)
        if self.has_decimal_commas and (DECIMAL_COMMA.fullmatch(plain) or THOUSANDS_BEFORE_COMMA.fullmatch(plain)):
            plain = re.sub(r"[.\s'’]", "", plain).replace(",", ".")
        elif not self.has_decimal_commas and THOUSANDS.fullmatch(plain):
            plain = re.sub(r"[,\s'’]", "", plain)
        return float(plain) if is_number(plain) else None

    @staticmethod
    def guess(lines: Sequence[str], usual: str | None) -> Dialect:
        """The dialect of the first lines of a table.

        Args:
            lines: Without comments and empty lines.
            usual: The separator that is taken where others do as well.
        """
        if _is_one_named_column(lines):
            return _with_commas(Dialect(";"), lines)
        order = [usual, *(separator for separator in SEPARATORS if separator != usual)]
        dialects = [_with_commas(Dialect(separator), lines) for separator in order]
        return max(dialects, key=lambda dialect: _fit(dialect, lines))  # the first of the best


def bare(cell: str) -> str:
    """A cell without the percent or currency sign beside its number, and with its minus in front.

    >>> bare("27,0 %"), bare("$1,037.72"), bare("(3.5)"), bare("3.5-")
    ('27,0', '1,037.72', '-3.5', '-3.5')
    """
    text = BESIDE_A_NUMBER.sub("", cell.replace("\u2212", "-"))
    if text[:1] == "(" and text[-1:] == ")" and text[1:2].isdigit():
        return "-" + text[1:-1]
    return "-" + text[:-1].rstrip() if text[-1:] == "-" and text[:1].isdigit() else text


def is_gap(cell: str) -> bool:
    """Whether a cell says that there is no value."""
    return cell.lower() in GAPS


def is_number(cell: str) -> bool:
    """Whether a cell is a number as Python writes it, infinity included."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def is_plain_integer(cell: str) -> bool:
    """Whether a cell is a whole number without sign, point or exponent, as a name of a column may be."""
    return cell.isascii() and cell.isdecimal()


def truth(cell: str) -> float | None:
    """1 for true and 0 for false; None for anything else."""
    return TRUTH.get(cell.lower())


def _with_commas(dialect: Dialect, lines: Sequence[str]) -> Dialect:
    """The dialect with decimal commas, if the cells have commas that are neither cells' ends nor between thousands."""
    cells = [bare(cell) for line in lines for cell in dialect.split(dialect.without_comment(line))]
    commas = [cell for cell in cells if "," in cell and re.match(r"[+-]?[\d,]", cell)]
    has_points = any(is_number(cell) and "." in cell and not THOUSANDS_BEFORE_COMMA.fullmatch(cell) for cell in cells)
    are_thousands = all(THOUSANDS.fullmatch(cell) for cell in commas) and (has_points or dialect.separator == ",")
    millions = {cell.lstrip("+-")[-4] for cell in cells if MILLIONS.fullmatch(cell)}  # 1.234.567: its points are none
    if millions:
        return Dialect(dialect.separator, millions == {"."})
    return Dialect(dialect.separator, bool(commas) and not has_points and not are_thousands)


def _is_one_named_column(lines: Sequence[str]) -> bool:
    """Whether there is a name alone in the first line, and in each other one what may be a number with a comma."""
    first, *rest = map(bare, lines or [""])
    is_name = "," not in first and Dialect(",").number(first) is None
    are_numbers = all(DECIMAL_COMMA.fullmatch(line) or is_number(line) or is_gap(line) for line in rest)
    return is_name and are_numbers and any("," in line for line in rest)


def _fit(dialect: Dialect, lines: Sequence[str]) -> tuple[float, int, float]:
    """How well a dialect fits: the share of numbers in lines of the usual width, that width, and how usual it is."""
    rows = [dialect.split(dialect.without_comment(line)) for line in lines]
    width = Counter(map(len, rows)).most_common(1)[0][0] if rows else 1
    cells = [cell for row in rows if len(row) == width for cell in row]
    if (
        dialect.has_decimal_commas and width == 1 and any("," in cell for cell in cells)
    ):  # these commas are more likely to stand between cells
        return 0.0, 0, 0.0
    filled = [cell for cell in cells if not is_gap(cell)]
    numbers = sum(dialect.number(cell) is not None or truth(cell) is not None for cell in filled)
    share = sum(len(row) == width for row in rows) / max(len(rows), 1)
    return round(share * numbers / max(len(filled), 1), 6), width if numbers else 0, share
