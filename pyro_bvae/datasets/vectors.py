"""Tables of numbers as vectors in single precision, and what is to be said of their columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor

from .notes import counted, named

__all__ = ["as_vectors", "note_on_training"]

FEW_CELLS = 5_000_000  # of a table that is sorted in any case
MOST_MERGED = 0.01  # share of a column's values that rounding may make equal to others
MOST_ALIKE = 3  # notes of one kind
ROWS_FOR_MEDIAN = 10_000  # about as many are taken of a longer table, at equal distances
OUTLIER_ABOVE = 15  # deviations from the median, by the median of the distances from it
OUTLIER_ALONE = 3  # times as far as the next
ALIKE_BELOW = 1e-4  # deviation of the others beside the distance, where most values of a column are the same


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
        Vectors ``(N, D)``, and notes: constant columns, values that rounding has made equal or whole numbers that it
        has changed, and values that lie far out and alone.

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


def note_on_training(images: Tensor, train: Tensor, column: Callable[[int], str]) -> list[str]:
    """A note on values of vectors ``(N, D)`` that vary, but not in the training part, so that no fit learns of them."""
    some = images[train]
    if len(some) == 1:
        return []
    low, high = some.amin(0), some.amax(0)
    varies = (images.amin(0) < low) | (images.amax(0) > high)
    constant = [column(number) for number in ((low == high) & varies).nonzero().flatten().tolist()]
    many = counted(len(constant), "column")
    return [f"{many} with one value only in the training part: {named(constant)}"] if constant else []


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
    """The columns that may have an outlier, by their least and largest value."""
    some = table[:: -(-len(table) // ROWS_FOR_MEDIAN)].astype(np.float64)
    median = np.median(some, 0)
    distances = np.abs(some - median)
    far = np.maximum(high - median, median - low)
    deviation = 1.4826 * np.median(distances, 0)
    are_alike = distances.mean(0) < 2 * far * (ALIKE_BELOW + 1 / len(some))
    columns: list[int] = np.flatnonzero((far > OUTLIER_ABOVE * deviation) & ((deviation > 0) | are_alike)).tolist()
    return columns


def _merged(exact: np.ndarray, rounded: np.ndarray, name: str) -> str | None:
    """Values that rounding has made equal, and whole numbers it has changed: times, ids and dates have many digits."""
    before, after = len(np.unique(exact)), len(np.unique(rounded))
    changed = exact != rounded if (exact == np.round(exact)).all() else np.zeros(len(exact), bool)
    step = np.spacing(np.abs(rounded).max())
    if before - after >= max(1, MOST_MERGED * before):
        what = f"{counted(before, 'value')} become {after:,} in {rounded.dtype}, whose steps are {step:.3g} there"
    elif changed.any():
        most = np.abs(exact[changed].astype(np.float64) - rounded[changed]).max()
        what = f"{counted(int(changed.sum()), 'value')} change by up to {most:.3g} in {rounded.dtype}"
    else:
        return None
    return f"{name}: {what}; subtract the column's least value from it if they matter"


def _outlier(exact: np.ndarray, name: str, row: Callable[[int], str]) -> str | None:
    """A value that lies far out, alone or in several rows, as a total does, a slip, or a number that stands for a gap.

    Its distance is counted from the median, in medians of the distances from it (1.4826 of them are a deviation of a
    Gaussian), since one such value would move mean and deviation towards itself.
    """
    some = exact[:: -(-len(exact) // ROWS_FOR_MEDIAN)]
    median = np.median(some)
    deviation = 1.4826 * np.median(np.abs(some - median))
    distances = np.abs(exact - median)
    last = int(distances.argmax())
    value, distance = exact[last], distances[last]
    if distance <= OUTLIER_ABOVE * deviation or distance == 0:
        return None
    is_it = exact == value
    others = exact[~is_it]
    if deviation == 0:  # most values are the median
        deviation = others.std()
        if not 0 < deviation < ALIKE_BELOW * distance:
            return None
    elif distance <= OUTLIER_ALONE * distances[~is_it].max():
        return None
    count = int(is_it.sum())
    where = row(last) if count == 1 else f"{count:,} rows, the first {row(last)},"
    advice = "mend it or leave it out" if count == 1 else "if it stands for a gap, leave the cells empty"
    return f"{name}: {value:.6g} in {where} lies {distance / deviation:.3g} deviations from the others: {advice}"
