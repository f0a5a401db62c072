"""Pairs of data that share all but a few of their factors, the weak supervision of Locatello et al.

Source: Locatello et al., Weakly-supervised disentanglement without compromises, https://arxiv.org/abs/2002.02886
"""

from __future__ import annotations

from math import prod

import numpy as np

from .dataset import Dataset

__all__ = ["Pairs"]

TRIES = 30  # draws of what changes, until there is a datum with these factors
MOST_LOOKED_AT = 1000  # training data, to see whether they have partners
FEWEST = 0.5  # of these that must have one


class Pairs:
    """For each training datum another one, drawn at random, that differs from it in one factor or a few.

    How many factors differ is drawn from 1 to ``differing``, then which ones, then their values, then one of the data
    that have these. A datum of which there is no such partner in the training data is its own.

    Args:
        data: With factors.
        differing: The most factors in which the two may differ.

    Raises:
        ValueError: The data have no factors, fewer than two that vary or too few for ``differing``, or most of them
            have no partner.
    """

    def __init__(self, data: Dataset, differing: int = 1) -> None:
        if data.factors is None or data.factor_sizes is None:
            raise ValueError(f"pairs want data with factors, and {data.name} has none: dsprites has")
        self.factors = data.factors.cpu().numpy()[data.train.cpu().numpy()]
        self.sizes = np.array(data.factor_sizes, dtype=np.int64)
        self.varying = np.flatnonzero((self.factors != self.factors[0]).any(0))
        if not 1 <= differing < len(self.varying):
            raise ValueError(
                f"the two of a pair share a factor at least: with {len(self.varying)} factors of {data.name} that "
                f"vary, {differing} cannot differ"
            )
        if prod(map(int, self.sizes)) >= 2**62:
            raise ValueError(f"the factors of {data.name} have too many values to find partners by")
        self.differing = differing
        codes = self._codes(self.factors)
        self._order = np.argsort(codes, kind="stable")
        self._codes_in_order = codes[self._order]
        self._has_twins = bool((np.diff(self._codes_in_order) == 0).any())  # data with the same factors
        few = np.arange(len(codes))[:: max(1, len(codes) // MOST_LOOKED_AT)]
        share = float((self(few, np.random.default_rng(0)) != few).mean())
        if share < FEWEST:
            raise ValueError(
                f"of the training data of {data.name} only {share:.0%} have a partner with all but {differing} of "
                "their factors: take all of the data, or let more factors differ"
            )

    def __call__(self, positions: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """The partners of some training data.

        Args:
            positions: Of these in the training part of the data, ``(M,)``.
            random: What draws.

        Returns:
            Positions ``(M,)``.
        """
        partners, pending = np.array(positions), np.arange(len(positions))
        for _ in range(TRIES):
            own = self.factors[positions[pending]]
            codes = self._codes(self._changed(own, random))
            first, end = (np.searchsorted(self._codes_in_order, codes, side=side) for side in ("left", "right"))
            is_there = (first < end) & (codes != self._codes(own))
            places = random.integers(first, np.maximum(end, first + 1)) if self._has_twins else first
            partners[pending[is_there]] = self._order[places[is_there]]
            pending = pending[~is_there]
        return partners

    def _changed(self, factors: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """The same factors ``(M, F)`` with some of them at another value."""
        count = random.integers(1, self.differing, size=(len(factors), 1), endpoint=True)
        ranks = random.random((len(factors), len(self.varying))).argsort(1).argsort(1)
        sizes = self.sizes[self.varying]
        other = (factors[:, self.varying] + random.integers(1, sizes, size=ranks.shape)) % sizes
        changed = np.array(factors)
        changed[:, self.varying] = np.where(ranks < count, other, factors[:, self.varying])
        return changed

    def _codes(self, factors: np.ndarray) -> np.ndarray:
        """A number for each row of factors."""
        return np.ravel_multi_index(tuple(factors.T), tuple(self.sizes))
