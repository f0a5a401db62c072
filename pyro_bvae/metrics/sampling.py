"""Draws of data that share the value of a factor, for the metrics of β-VAE and FactorVAE.

Where the data are a full grid of factors, a datum drawn among those with the same value of factor f has all its other
factors drawn independently and uniformly, as the protocols of both metrics ask for. Other data, a part of a grid for
example, are drawn uniformly among those that have that value: the other factors are then as dependent as they are in
the data, and `how_drawn` says so. A value that a single datum has is never the shared one, and a factor that numbers
the data, of which no value is shared, is left out: the codes of a datum and itself are equal in all latents.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from ..datasets import Dataset
from .arrays import as_classes, as_codes, check_rows, varying

__all__ = ["Encoder", "FactorSampler", "Source", "columns_of", "factors_of", "how_drawn"]

Encoder = Callable[[Tensor], ArrayLike | Tensor]
MOST_COUNTED = 8  # combinations a datum that are counted in a table, which is faster than sorting the data


class FactorSampler:
    """Draws indices of data by their factors.

    Args:
        factors: Classes ``(N, F)``, of a full grid, a part of one, or any data.

    >>> sampler = FactorSampler([[0, 0], [0, 1], [1, 0], [1, 1]])
    >>> sampler.sharing(np.array([0, 3]), np.array([0, 0]), np.random.default_rng(0)).tolist()
    [1, 2]
    """

    def __init__(self, factors: ArrayLike | Tensor) -> None:
        classes = as_classes(factors)
        self.classes = np.ascontiguousarray(classes.T)  # (F, N)
        narrow = np.int16 if classes.max() < 2**15 else np.int32  # numpy sorts int16 in linear time
        self._order = np.stack([row.astype(narrow).argsort(kind="stable") for row in self.classes])
        self._counts = np.stack([np.bincount(row, minlength=int(classes.max()) + 1) for row in self.classes])
        self._starts = self._counts.cumsum(1) - self._counts

    def __len__(self) -> int:
        return self.classes.shape[1]

    def uniform(self, shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
        """Indices drawn among all data."""
        return random.integers(len(self), size=shape)

    def first(self, shape: tuple[int, ...], factor: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Indices drawn among the data whose value of a factor another datum has as well: all, in a full grid.

        Args:
            shape: Of the indices.
            factor: The column of the factor for each of them, of a shape that broadcasts to theirs.
            random: Where draws come from.
        """
        index = self.uniform(shape, random)
        factor = np.broadcast_to(factor, shape)
        is_alone = self._counts[factor, self.classes[factor, index]] == 1
        for column in np.unique(factor[is_alone]):
            others = np.flatnonzero(self._counts[column, self.classes[column]] > 1)
            wrong = is_alone & (factor == column)
            index[wrong] = others[random.integers(len(others), size=int(wrong.sum()))]
        return index

    def sharing(self, index: np.ndarray, factor: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """For each datum a draw among all data with the same value of a factor, itself included.

        Args:
            index: Indices of the data.
            factor: The column of the factor for each of them, of a shape that broadcasts with the indices'.
            random: Where draws come from.

        Returns:
            Indices, of the common shape.
        """
        index, factor = np.broadcast_arrays(index, factor)
        value = self.classes[factor, index]
        place = (random.random(index.shape) * self._counts[factor, value]).astype(np.int64)
        drawn: np.ndarray = self._order[factor, self._starts[factor, value] + place]
        return drawn


class Source:
    """The codes and factors of a data set, for metrics that draw data by factor.

    Args:
        encode: A function from data ``(B, *shape)``, as the data set stores them, to codes ``(B, K)``; or codes of all
            data ``(N, K)``, which is faster where most data are drawn.
        dataset: The data, with factors; or the factors alone ``(N, F)``, where codes are given.

    Raises:
        ValueError: There are no factors, or the codes do not fit them.
        TypeError: A function is given without data to encode.
    """

    def __init__(self, encode: Encoder | ArrayLike | Tensor, dataset: Dataset | ArrayLike | Tensor) -> None:
        self.names = list(dataset.factor_names or []) if isinstance(dataset, Dataset) else []
        self.factors = as_classes(factors_of(dataset))
        if not callable(encode):
            codes = as_codes(encode)
            check_rows(codes, self.factors)
            self.codes: Callable[[np.ndarray], np.ndarray] = lambda index: codes[index]
        elif not isinstance(dataset, Dataset):
            raise TypeError(
                "a function encodes the images of a Dataset; give codes (N, K) where there are factors alone"
            )
        else:
            self.codes = lambda index: as_codes(encode(dataset.images[torch.from_numpy(index)]))

    def columns(self, without: Sequence[str] = ()) -> np.ndarray:
        """Columns of the factors that vary, but for those of some names; see `columns_of`."""
        return columns_of(self.factors, self.names, without)


def columns_of(classes: np.ndarray, names: Sequence[str], without: Sequence[str] = ()) -> np.ndarray:
    """The columns of the factors that take more than one value, but for the factors named in ``without``.

    A factor that has another value in each datum is left out as well.

    Raises:
        ValueError: Factors are to be left out by name, and these have no names.
    """
    if without and not names:
        raise ValueError(f"{' and '.join(without)} is left out, and these factors have no names: say which to ask for")
    left_out = np.array([bool(names) and names[column] in without for column in range(classes.shape[1])])
    numbers_data = classes.max(0) + 1 == len(classes)
    return np.flatnonzero(varying(classes) & ~numbers_data & ~left_out)


def factors_of(dataset: Dataset | ArrayLike | Tensor) -> ArrayLike | Tensor:
    """The factors of a data set, or those given.

    Raises:
        ValueError: The data set has none.
    """
    if not isinstance(dataset, Dataset):
        return dataset
    if dataset.factors is None:
        raise ValueError(f"{dataset.name} has no factors to score against")
    return dataset.factors


def how_drawn(factors: ArrayLike | Tensor) -> str:
    """In words, how data that share a factor are drawn from data with these factors ``(N, F)``.

    >>> how_drawn([[0, 0], [0, 1], [1, 0], [1, 1]])
    'a full grid of 2 × 2: the factors that are not shared are independent and uniform'
    """
    classes = as_classes(factors)
    sizes = [int(size) for size in classes.max(0) + 1 if size > 1]
    counts = _combinations(classes)
    grid = " × ".join(map(str, sizes)) or "1"
    if len(counts) == prod(sizes) and counts.min() == counts.max():
        return f"a full grid of {grid}: the factors that are not shared are independent and uniform"
    which = "all combinations occur, some more often" if len(counts) == prod(sizes) else (
        f"{len(counts):,} of {prod(sizes):,} combinations occur"
    )  # fmt: skip
    return f"no full grid ({grid}: {which}): drawn among the data, with other factors as dependent as these have them"


def _combinations(classes: np.ndarray) -> np.ndarray:
    """How often each combination of the factors occurs, of those that do."""
    sizes = tuple(int(size) for size in classes.max(0) + 1)
    if prod(sizes) > MOST_COUNTED * len(classes):
        return np.unique(classes, axis=0, return_counts=True)[1]
    counts = np.bincount(np.ravel_multi_index(tuple(classes.T), sizes))
    return counts[counts > 0]
