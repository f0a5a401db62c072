"""Interventional robustness: how little does each latent move when all factors but its own are changed?

IRS_kf = 1 − mean over values c of Q₉₉(|z_k − E[z_k | v_f = c]| given v_f = c) / max |z_k − E z_k|
IRS    = mean over k of max_f IRS_kf, weighted by max |z_k − E z_k|
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from ..datasets import Dataset
from .arrays import checked
from .sampling import Encoder, Source

__all__ = ["irs"]


def irs(
    encode: Encoder | ArrayLike | Tensor,
    dataset: Dataset | ArrayLike | Tensor,
    *,
    quantile: float = 0.99,
    points: int = 10_000,
    seed: int = 0,
) -> float:
    """The interventional robustness score of Suter et al., of 10,000 points and with the quantile 0.99.

    Range: at most 1. It may be below 0, since deviations at one value of a factor are taken from the mean at that
    value, and the largest deviation from the mean of all points. Ceiling with codes equal to the factors: 1, at any
    number of values. Codes without information score near 0 only where large deviations are common: about 0.01 if they
    are uniform, 0.4 if they are normal. A latent that depends on two factors may score high, and copies of a latent do
    not lower the score.

    The factors are taken as they are. disentanglement_lib cuts them into 20 bins first, so that two of 32 positions are
    one value there: its ceiling on dSprites' grid is below 1, and its numbers of good codes are lower than these.

    Degenerate cases: constant latents are left out, and where there is no other the score is 0; a factor with a single
    value is left out; a value of a factor that only one point has counts as a deviation of 0, so that the score is too
    high where points are few.

    Source: Suter et al., Robustly disentangled causal mechanisms, https://arxiv.org/abs/1811.00007; protocol:
    https://arxiv.org/abs/1811.12359

    Args:
        encode: A function from data ``(B, *shape)`` to codes ``(B, K)``, or codes of all data ``(N, K)``.
        dataset: Data with factors, or the factors ``(N, F)`` where codes are given.
        quantile: Of the deviations at each value of a factor; 1 takes the largest, as the paper does.
        points: How many data are drawn; all are taken where there are fewer.
        seed: Seed of the draws.

    Returns:
        The weighted mean.

    Raises:
        ValueError: No factor that varies, a quantile outside [0, 1], fewer than two points, or arrays that do not fit.
    """
    if not 0 <= quantile <= 1 or points < 2:
        raise ValueError(f"quantile must lie in [0, 1], and points be 2 at least: got {quantile}, {points}")
    source = Source(encode, dataset)
    size = len(source.factors)
    index = np.random.default_rng(seed).permutation(size)[:points] if points < size else np.arange(size)
    z, classes, _ = checked(source.codes(index), source.factors[index])
    z = z[:, np.ptp(z, axis=0) > 0]
    if not z.shape[1]:
        return 0.0
    largest = np.abs(z - z.mean(0)).max(0)
    robustness = 1 - np.stack([_deviations(z, column, quantile) for column in classes.T]) / largest  # (F, K)
    return float(np.average(robustness.max(0), weights=largest))


def _deviations(z: np.ndarray, column: np.ndarray, quantile: float) -> np.ndarray:
    """The quantile of the deviations from the mean at each value of a factor, averaged over its values: ``(K,)``."""
    groups = (z[column == value] for value in np.unique(column))
    return np.mean([np.quantile(np.abs(group - group.mean(0)), quantile, axis=0) for group in groups], axis=0)
