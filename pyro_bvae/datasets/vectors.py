"""Tables of numbers as vectors in single precision, and what is to be said of their columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor

from .notes import counted, named

__all__ = ["as_vectors"]

ROWS_AT_ONCE = 4096  # in double precision
FEW_CELLS = 5_000_000  # of a table that is sorted in any case
MOST_MERGED = 0.01  # share of a column's values that rounding may make equal to others
MOST_ALIKE = 3  # notes of one kind
OUTLIER_ABOVE = 1e4  # deviations of the other values


def as_vectors(
    where: str, table: np.ndarray, row: Callable[[int], str], column: Callable[[int], str]
) -> tuple[Tensor, tuple[str, ...]]:
    """The rows of a table as vectors, in the default type of floating point.

    Args:
        where: The file, for messages.
        table: Numbers ``(N, D)`` of any type.
        row: What to call a row, by its index.
        column: What to call a column, by its index.

    Returns:
        Vectors ``(N, D)``, and notes: constant columns, values that rounding has made equal, values that lie so far out
        that the others of their column are alike beside them.

    Raises:
        ValueError: A value is NaN, infinite, or too large for that type.
    """
    kind = np.float64 if torch.get_default_dtype() == torch.float64 else np.float32
    with np.errstate(over="ignore", invalid="ignore"):
        vectors = np.ascontiguousarray(table, dtype=kind)
    problem = _not_finite(table, vectors, row, column)
    if problem is not None:
        raise ValueError(f"{where}: {problem}; mend it or leave it out")
    notes: list[str] = []
    if len(table) > 1:
        low, high = table.min(0).astype(np.float64), table.max(0).astype(np.float64)
        constant = [column(j) for j in np.flatnonzero(low == high).tolist()]
        if constant:
            notes.append(f"{counted(len(constant), 'column')} with one value only: {named(constant)}")
        notes += _few(_merged(table[:, j], vectors[:, j], column(j)) for j in _may_merge(table, vectors, low, high))
        notes += _few(_outlier(table[:, j].astype(np.float64), column(j), row) for j in _lies_out(table, low, high))
    return torch.from_numpy(vectors), tuple(notes)


def _few(notes: Iterable[str | None]) -> list[str]:
    """The first of the notes, and how many columns there are more like these."""
    said = [note for note in notes if note is not None]
    more = len(said) - MOST_ALIKE
    return said if more <= 0 else [*said[:MOST_ALIKE], f"and so in {counted(more, 'more column', 'more columns')}"]


def _not_finite(
    table: np.ndarray, vectors: np.ndarray, row: Callable[[int], str], column: Callable[[int], str]
) -> str | None:
    """The first value that is no finite number in the type of the vectors; None where all are."""
    bad = ~np.isfinite(vectors)
    if not bad.any():
        return None
    i, j = map(int, np.argwhere(bad)[0])
    value, where, count = table[i, j], f"{row(i)}, {column(j)}", int(bad.sum())
    if np.isfinite(value):
        return f"{value:g} in {where} is too large: numbers end at {np.finfo(vectors.dtype).max:.2g}"
    are = "1 value is" if count == 1 else f"{count:,} values are"
    return f"{are} NaN or infinite, the first ({value}) in {where}"


def _may_merge(table: np.ndarray, vectors: np.ndarray, low: np.ndarray, high: np.ndarray) -> list[int]:
    """The columns that rounding changes; of a large table, those where its steps are not far below the usual gap."""
    if table.size <= FEW_CELLS:
        may: np.ndarray = (table != vectors).any(0)
    else:
        step = np.spacing(np.maximum(np.abs(low), np.abs(high)).astype(vectors.dtype))
        may = (step > (high - low) / (len(table) - 1) / 50) & (low < high) & (table.dtype != vectors.dtype)
    columns: list[int] = np.flatnonzero(may).tolist()
    return columns


def _lies_out(table: np.ndarray, low: np.ndarray, high: np.ndarray) -> list[int]:
    """The columns in which one value makes up a fourth or more of the variance."""
    mean = table.mean(0, dtype=np.float64)
    blocks = (table[first : first + ROWS_AT_ONCE] for first in range(0, len(table), ROWS_AT_ONCE))
    with np.errstate(over="ignore"):
        variance = sum(np.square(block - mean).sum(0) for block in blocks) / len(table)
    far = np.maximum(high - mean, mean - low)
    columns: list[int] = np.flatnonzero(far > np.sqrt(len(table) * variance) / 2).tolist()
    return columns


def _merged(exact: np.ndarray, rounded: np.ndarray, name: str) -> str | None:
    """Values of a column that rounding has made equal: times in seconds, and ids, have more digits than fit."""
    before, after = len(np.unique(exact)), len(np.unique(rounded))
    if before - after < max(1, MOST_MERGED * before):
        return None
    step = np.spacing(np.abs(rounded).max())
    return (
        f"{name}: {counted(before, 'value')} become {after:,} in {rounded.dtype}, whose steps are {step:.3g} there; "
        "subtract the column's least value from it if they matter"
    )


def _outlier(exact: np.ndarray, name: str, row: Callable[[int], str]) -> str | None:
    """A value beside which the others of its column are alike."""
    last = int(np.abs(exact - exact.mean()).argmax())
    others = np.delete(exact, last)
    distance, deviation = abs(exact[last] - others.mean()), others.std()
    if not 0 < deviation * OUTLIER_ABOVE < distance:
        return None
    return (
        f"{name}: {exact[last]:.6g} in {row(last)} lies {distance / deviation:.1g} deviations from the others, "
        "which are alike beside it: mend it or leave it out"
    )
