"""Explicitness: how well does a linear classifier predict each factor from the whole code?

mean over f, and over the classes c of v_f, of the area under the ROC curve of p(v_f = c | z) against the rest
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from torch import Tensor

from .arrays import Split, checked, of_all_factors, split, standardised, stopped_early

__all__ = ["explicitness", "explicitness_of_factors"]


def explicitness(
    codes: ArrayLike | Tensor, factors: ArrayLike | Tensor, *, seed: int = 0, train_fraction: float = 2 / 3
) -> float:
    """Explicitness of Ridgeway and Mozer: ``LogisticRegression()`` on standardised codes.

    It is fitted to 10,000 points and scored on 5,000. It measures how much a code says about the factors, not which
    latents say it: a rotation of a code whose latents have equal scales leaves it as it is.

    Range: 0 to 1, and 0.5 at chance. Ceiling with codes equal to the factors: 1 for two values a factor, and about 0.98
    on dSprites' grid, where a factor has many classes and neighbouring ones are alike.

    Degenerate cases: a constant latent is 0 after standardising; classes that are missing among training or test points
    are left out, and so is a factor with a single value.

    Source: Ridgeway and Mozer, https://arxiv.org/abs/1802.05312; protocol: https://arxiv.org/abs/1811.12359

    Args:
        codes: ``(N, K)``.
        factors: Classes ``(N, F)``.
        seed: Seed of the split.
        train_fraction: Share of the points that classifiers are fitted to.

    Returns:
        The mean area.

    Raises:
        ValueError: Arrays that do not fit, no factor that varies, or too few points to hold a class in both parts.
    """
    return float(np.nanmean(explicitness_of_factors(codes, factors, seed=seed, train_fraction=train_fraction)))


def explicitness_of_factors(
    codes: ArrayLike | Tensor, factors: ArrayLike | Tensor, *, seed: int = 0, train_fraction: float = 2 / 3
) -> np.ndarray:
    """The mean area of each factor ``(F,)``, NaN where it has a single value; see `explicitness`."""
    z, classes, varies = checked(codes, factors)
    parts = split(classes, train_fraction, seed)
    z = standardised(z, parts[0])
    return of_all_factors(np.array([_area(z, column, parts) for column in classes.T]), varies)


def _area(z: np.ndarray, column: np.ndarray, parts: Split) -> float:
    """The mean over the classes of one factor of the area under the ROC curve."""
    train, test = parts
    with stopped_early():
        classifier = LogisticRegression().fit(z[train], column[train])
    shares: np.ndarray = classifier.predict_proba(z[test])
    truth = column[test, None] == classifier.classes_
    known = [c for c in range(truth.shape[1]) if 0 < truth[:, c].sum() < len(test)]
    if not known:
        raise ValueError(f"{len(test)} test points hold a single class of a factor: give more points")
    return float(np.mean([roc_auc_score(truth[:, c], shares[:, c]) for c in known]))
