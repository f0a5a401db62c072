"""FactorVAE's metric: does the latent that varies least while one factor is held fixed say which factor that is?

A vote: draw a factor f; draw 64 data that share a value of f; take the latent with the least variance over them,
relative to its variance over all data. Each latent stands for the factor with which it was taken most often. The score
is the share of further votes in which the latent stands for the factor that was held fixed.

Source: Kim and Mnih, Disentangling by factorising, https://arxiv.org/abs/1802.05983
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from ..datasets import Dataset
from .sampling import Encoder, FactorSampler, Source

__all__ = ["Votes", "factor_vae_score", "factor_vae_votes"]

LEAST_DEVIATION = 0.05  # standard deviation over all data of a latent that a vote may take
DATA_AT_ONCE = 20_000  # that are encoded together


def factor_vae_score(
    encode: Encoder | ArrayLike | Tensor,
    dataset: Dataset | ArrayLike | Tensor,
    *,
    batch: int = 64,
    points: int = 10_000,
    test_points: int = 5_000,
    variance_points: int = 10_000,
    seed: int = 0,
) -> float:
    """The FactorVAE metric, with Locatello et al.'s numbers of votes and data.

    Range: 0 to 1; the ceiling, codes equal to the factors, is 1. Codes without information score about 1/F.

    Degenerate cases: no vote takes a latent with a standard deviation below 0.05, and where there is no other the score
    is 0; a factor with a single value is never held fixed.

    Source: Kim and Mnih, https://arxiv.org/abs/1802.05983; protocol: https://arxiv.org/abs/1811.12359

    Args:
        encode: A function from data ``(B, *shape)`` to codes ``(B, K)``, or codes of all data ``(N, K)``.
        dataset: Data with factors, or the factors ``(N, F)`` where codes are given.
        batch: Data a vote, at least 2.
        points: Votes that decide what each latent stands for.
        test_points: Votes that are scored.
        variance_points: Data that the variance over all data is taken from.
        seed: Seed of all draws.

    Returns:
        The share of votes that are right.

    Raises:
        ValueError: Fewer than two factors that vary, numbers that are too small, or arrays that do not fit.
    """
    return factor_vae_votes(
        encode, dataset, batch=batch, points=points, test_points=test_points, variance_points=variance_points, seed=seed
    ).score


@dataclass(frozen=True, eq=False)
class Votes:
    """The votes that are scored: whether each is right ``(T,)``, and the column of the factor that it held ``(T,)``."""

    are_right: np.ndarray
    held: np.ndarray

    @property
    def score(self) -> float:
        """The share that are right."""
        return float(self.are_right.mean())

    def of_factors(self, factors: int) -> np.ndarray:
        """Of so many columns of factors the share of the votes with it held that are right; NaN without a vote."""
        count = np.bincount(self.held, minlength=factors)
        right = np.bincount(self.held, weights=self.are_right, minlength=factors)
        return np.divide(right, count, out=np.full(factors, np.nan), where=count > 0)


def factor_vae_votes(
    encode: Encoder | ArrayLike | Tensor,
    dataset: Dataset | ArrayLike | Tensor,
    *,
    batch: int = 64,
    points: int = 10_000,
    test_points: int = 5_000,
    variance_points: int = 10_000,
    seed: int = 0,
) -> Votes:
    """The votes behind `factor_vae_score`, of the same arguments."""
    source = Source(encode, dataset)
    columns = source.columns()
    if len(columns) < 2 or min(batch, variance_points) < 2 or min(points, test_points) < 1:
        raise ValueError(
            "this score needs 2 factors that vary, 2 data a vote and a vote at least, "
            f"got {len(columns)}, {batch} and {points} + {test_points}"
        )
    random = np.random.default_rng(seed)
    sampler = FactorSampler(source.factors)
    overall = source.codes(sampler.uniform((variance_points,), random)).var(0, ddof=1, dtype=np.float64)
    active = np.sqrt(overall) >= LEAST_DEVIATION
    held = random.integers(len(columns), size=points + test_points)
    if not active.any():
        return Votes(np.zeros(test_points, bool), columns[held[points:]])
    least = np.concatenate([
        (_variances(source, sampler, columns[some], batch, random) / np.where(active, overall, 1))[:, active].argmin(1)
        for some in np.array_split(held, -(-len(held) * batch // DATA_AT_ONCE))
    ])  # fmt: skip
    votes = np.zeros((len(overall), len(columns)), np.int64)
    np.add.at(votes, (least[:points], held[:points]), 1)
    return Votes(votes.argmax(1)[least[points:]] == held[points:], columns[held[points:]])


def _variances(
    source: Source, sampler: FactorSampler, held: np.ndarray, batch: int, random: np.random.Generator
) -> np.ndarray:
    """The variance of each latent over data that share a value of one factor, ``(len(held), K)``."""
    first = sampler.first((len(held), 1), held[:, None], random)
    index = sampler.sharing(np.repeat(first, batch, axis=1), held[:, None], random)
    z = source.codes(index.ravel()).reshape(len(held), batch, -1)
    return z.var(1, ddof=1, dtype=np.float64)
