"""Draws of data that share the value of a factor, for the metrics of β-VAE and FactorVAE.

Where the data are a full grid of factors, a datum drawn among those with the same value of factor f has all its other
factors drawn independently and uniformly, as the protocols of both metrics ask for. Other data, a part of a grid for
example, are drawn uniformly among those that have that value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from ..datasets import Dataset
from .arrays import as_classes, as_codes, check_rows, varying

__all__ = ["Encoder", "FactorSampler", "Source", "columns_of", "factors_of"]

Encoder = Callable[[Tensor], ArrayLike | Tensor]


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

    Raises:
        ValueError: Factors are to be left out by name, and these have no names.
    """
    if without and not names:
        raise ValueError(f"{' and '.join(without)} is left out, and these factors have no names: say which to ask for")
    left_out = np.array([bool(names) and names[column] in without for column in range(classes.shape[1])])
    return np.flatnonzero(varying(classes) & ~left_out)


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
