"""Factors of variation of picture files, in a csv: the names of the files in the first column, a factor in each other.

    file,shape,angle
    a/1.png,square,0
    a/2.png,circle,15

Values are words or numbers; the values that occur are the classes of a factor, in the order of their size or of the
alphabet. A file is named by its path inside the folder, or by a part of it that is its alone: 1.png, or 1.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torch import Tensor

from ..settings.words import plain
from .labels import in_natural_order
from .notes import counted, named

__all__ = ["FactorTable", "read_factors"]

SEPARATORS = ",;\t"
MISSING = frozenset(["", "na", "n/a", "nan", "nat", "#n/a", "?"])  # none, null and - may be the words of a factor


@dataclass(frozen=True)
class FactorTable:
    """The factors of some files.

    Attributes:
        factor_names: Of the F factors.
        values: From a file to its F values, as they are written.
        notes: What was left out, a line each.
    """

    factor_names: Sequence[str]
    values: Mapping[str, Sequence[str]]
    notes: Sequence[str]

    def of(self, files: Sequence[str], times: Tensor) -> dict[str, Any]:
        """The arguments of a `Dataset` that are known of some of the files, each repeated for its frames."""
        columns, sizes = [], []
        for place in range(len(self.factor_names)):
            values = {file: row[place] for file, row in self.values.items()}
            classes = _numbered([*{*values.values()}])
            columns.append([classes[values[file]] for file in files])
            sizes.append(max(classes.values()) + 1)
        factors = torch.tensor(columns).T.repeat_interleave(times, dim=0)
        return {"factors": factors, "factor_names": tuple(self.factor_names), "factor_sizes": tuple(sizes)}


def read_factors(path: Path, folder: Path, files: Sequence[str]) -> FactorTable:
    """The factors that a csv has of the files of a folder.

    Args:
        path: The csv.
        folder: The folder.
        files: The pictures there, as paths inside it.

    Raises:
        ValueError: No factors, a row of another length, a value that is missing, a file that is named twice, or names
            of none of the files.
        OSError: It cannot be read.
    """
    rows = _rows(path)
    known = _spellings(files)
    (_, first), *others = rows
    if _file_of(first[0], folder, known) is None:
        header, rows = [name.strip() for name in first[1:]], others
    else:
        header = [f"factor {place}" for place in range(1, len(first))]
    values: dict[str, Sequence[str]] = {}
    strangers = []
    for line, row in rows:
        file = _file_of(row[0], folder, known)
        if file is None:
            strangers.append(row[0])
            continue
        if file in values:
            raise ValueError(f"{path}, line {line}: {plain(file)} is named twice")
        if len(row) != len(header) + 1 or any(cell.strip().lower() in MISSING for cell in row):
            raise ValueError(
                f"{path}, line {line}: expected a file and {counted(len(header), 'value')}, got {row}"[:300]
            )
        values[file] = [cell.strip() for cell in row[1:]]
    if not values:
        raise ValueError(
            f"{path} names none of the {len(files):,} pictures under {folder}: its first column should hold names like "
            f"{plain(files[0])}, got {named(strangers)}"
        )
    return FactorTable(header, values, _notes(path, files, values, strangers))


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """The rows of a csv that are not empty, each with its line; at least one, of at least two columns."""
    with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        first = file.readline()
        file.seek(0)
        separator = max(SEPARATORS, key=first.count)
        reader = csv.reader(file, delimiter=separator)
        try:
            rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
        except csv.Error as error:
            raise ValueError(f"{path}, line {reader.line_num} is no line of a csv: {error}") from error
    if rows and len(rows[0][1]) > 2 and not rows[0][1][0].strip():  # a column without a name numbers the rows
        rows = [(line, row[1:]) for line, row in rows]
    if not rows or len(rows[0][1]) < 2:
        raise ValueError(f"{path} has no factors: it should be a csv with a file's name and its factors in each line")
    return rows


def _spellings(files: Sequence[str]) -> dict[str, str | None]:
    """From path, name and stem to the file; None where several share it."""
    known: dict[str, str | None] = {file: file for file in files}
    for shortened in (lambda file: PurePosixPath(file).name, lambda file: PurePosixPath(file).stem):
        shorter: dict[str, str | None] = {}
        for file in files:
            shorter[shortened(file)] = None if shortened(file) in shorter else file
        known = shorter | known
    return known


def _file_of(name: str, folder: Path, known: Mapping[str, str | None]) -> str | None:
    spelled = PurePosixPath(name.strip().replace("\\", "/"))
    if spelled.is_absolute() and spelled.is_relative_to(folder):
        spelled = spelled.relative_to(folder)
    return known.get(str(spelled))


def _numbered(values: list[str]) -> dict[str, int]:
    """From each value to its class; numbers that are equal are one class."""
    try:
        numbers = {value: float(value) for value in values}
    except ValueError:
        return {value: place for place, value in enumerate(in_natural_order(values))}
    places = {number: place for place, number in enumerate(sorted({*numbers.values()}))}
    return {value: places[number] for value, number in numbers.items()}


def _notes(
    path: Path, files: Sequence[str], values: Mapping[str, Sequence[str]], strangers: Sequence[str]
) -> list[str]:
    missing = [file for file in files if file not in values]
    notes = []
    if missing:
        whole = counted(len(missing), "picture")
        notes.append(f"left out {whole} of which {path.name} has no factors: {named(missing)}")
    if strangers:
        lines = counted(len(strangers), "line")
        notes.append(f"left out {lines} of {path.name} that no picture belongs to: {named(strangers)}")
    return notes
