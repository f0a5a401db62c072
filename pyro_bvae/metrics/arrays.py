"""The arrays that metrics take, codes N×K and factors N×F: checked, split, compared.

A factor with a single value says nothing about a code, and is left out of every score. For metrics that fit
classifiers, data are split at random into training and test points.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

__all__ = [
    "Split",
    "as_classes",
    "as_codes",
    "check_rows",
    "checked",
    "gap",
    "of_all_factors",
    "split",
    "standardised",
    "stopped_early",
    "varying",
]

Split = tuple[np.ndarray, np.ndarray]
ROUNDING = 4.0  # units in the last place of the largest code


def as_codes(codes: ArrayLike | Tensor) -> np.ndarray:
    """Codes ``(N, K)`` in single or double precision; what comes in another is brought to double precision.

    A latent that varies by rounding alone is constant: an encoder that has died gives 2.5 and 2.5000002, and scores
    that compare a latent with itself would find a code in that.

    Raises:
        ValueError: Not two-dimensional, no latents, fewer than two rows, or values that are no finite numbers.
    """
    array = _as_array(codes)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"codes must be real numbers, got an array of {array.dtype}")
    if array.ndim != 2 or array.shape[1] == 0:
        raise ValueError(f"codes must be N×K, got shape {array.shape}")
    if len(array) < 2:
        raise ValueError(f"a score needs at least 2 rows, got codes of shape {array.shape}")
    array = array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)
    if not np.isfinite(array).all():
        raise ValueError(
            f"codes must be finite, got {int((~np.isfinite(array)).sum())} values that are NaN or infinite"
        )
    rounding = ROUNDING * np.finfo(array.dtype).eps * np.abs(array).max(0)
    is_constant = np.ptp(array, axis=0) <= rounding
    return np.where(is_constant, array[0], array) if is_constant.any() else array


def as_classes(factors: ArrayLike | Tensor) -> np.ndarray:
    """Factors as classes ``(N, F)``, each column numbered from 0 in the order of its values.

    Raises:
        ValueError: Not two-dimensional, without rows, or values that are no integers.

    >>> as_classes([[7, 0], [3, 0], [7, 0]]).tolist()
    [[1, 0], [0, 0], [1, 0]]
    """
    array = _as_array(factors)
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(f"factors must be N×F, got shape {array.shape}")
    if array.dtype.kind not in "iub" and not (array.dtype.kind == "f" and np.array_equal(array, np.round(array))):
        raise ValueError(
            "factors must be integer classes: number values with np.unique(column, return_inverse=True)[1], "
            "and cut what is continuous with np.digitize"
        )
    classes = np.empty(array.shape, np.int32)
    for column in range(array.shape[1]):
        classes[:, column] = np.unique(array[:, column], return_inverse=True)[1]
    return classes


def check_rows(z: np.ndarray, classes: np.ndarray) -> None:
    """Make sure that codes and factors are of equally many data.

    Raises:
        ValueError: They are not.
    """
    if len(z) != len(classes):
        raise ValueError(f"codes and factors must have as many rows, got {len(z)} and {len(classes)}")


def varying(classes: np.ndarray) -> np.ndarray:
    """Which factors take more than one value, ``(F,)``."""
    return classes.max(0) > 0


def of_all_factors(scores: np.ndarray, varies: np.ndarray, other: float = np.nan) -> np.ndarray:
    """Scores of the factors that vary, with a number for those that do not beside them.

    Args:
        scores: Of those that vary, along the last axis.
        varies: Which of all factors do, ``(F,)``.
        other: The number for the others.

    >>> of_all_factors(np.array([0.5, 1.0]), np.array([True, False, True])).tolist()
    [0.5, nan, 1.0]
    """
    every = np.full((*scores.shape[:-1], len(varies)), other)
    every[..., varies] = scores
    return every


def checked(
    codes: ArrayLike | Tensor, factors: ArrayLike | Tensor, *, least_latents: int = 1, least_factors: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes ``(N, K)``, the classes of the factors that take more than one value, and which of all do, ``(F,)``.

    Args:
        codes: ``(N, K)``.
        factors: ``(N, F)``.
        least_latents: Least number of latents for which the score is defined.
        least_factors: Least number of factors with more than one value for which it is defined.

    Raises:
        ValueError: They do not fit each other, or there are too few of either.
    """
    z, classes = as_codes(codes), as_classes(factors)
    check_rows(z, classes)
    if z.shape[1] < least_latents:
        raise ValueError(f"this score is defined from {least_latents} latents on, got codes of shape {z.shape}")
    varies = varying(classes)
    if varies.sum() < least_factors:
        raise ValueError(f"this score needs at least {least_factors} factors that vary, got {varies.sum()}")
    return z, classes[:, varies], varies


def split(classes: np.ndarray, train_fraction: float, seed: int) -> Split:
    """Indices of training and test points, drawn from ``seed``.

    Raises:
        ValueError: There are no training or no test points, or a factor has a single value among the training points.
    """
    size = len(classes)
    training = round(size * train_fraction)
    if not 0 < training < size:
        raise ValueError(f"train_fraction must leave both parts some of {size} points, got {train_fraction}")
    order = np.random.default_rng(seed).permutation(size)
    train, test = order[:training], order[training:]
    if (np.ptp(classes[train], axis=0) == 0).any():
        raise ValueError(f"{training} training points hold a single value of a factor: give more points")
    return train, test


def standardised(z: np.ndarray, index: np.ndarray | slice = slice(None)) -> np.ndarray:
    """Codes ``(N, K)`` less the mean of some rows, over their deviation; constant latents are 0 there."""
    spread = z[index].std(0)
    standard: np.ndarray = (z - z[index].mean(0)) / np.where(spread > 0, spread, 1)
    return standard


def gap(scores: np.ndarray) -> np.ndarray:
    """The difference between the largest and the second largest of each column of scores ``(K, F)``: ``(F,)``."""
    second, first = np.sort(scores, axis=0)[-2:]
    return first - second


@contextmanager
def stopped_early() -> Iterator[None]:
    """Silence scikit-learn's convergence warnings: published protocols stop after its default number of steps."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def _as_array(values: ArrayLike | Tensor) -> np.ndarray:
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        values = values.float() if values.dtype == torch.bfloat16 else values  # numpy has no bfloat16
    return np.asarray(values)
