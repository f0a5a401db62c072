"""Separated attribute predictability: is each factor predicted by one latent alone?

SAP = mean over f of (a_first,f − a_second,f),   a_kf the test accuracy of a linear classifier of v_f on z_k
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.svm import LinearSVC
from torch import Tensor

from .arrays import checked, gap, of_all_factors, split, stopped_early

__all__ = ["sap", "sap_of_factors"]


def sap(
    codes: ArrayLike | Tensor, factors: ArrayLike | Tensor, *, seed: int = 0, train_fraction: float = 2 / 3
) -> float:
    """SAP of Kumar et al., with support vector machines on single latents, 10,000 training and 5,000 test points.

    The support vector machines are ``LinearSVC(C=0.01, class_weight="balanced")``. They are regularised, so that the
    score depends on the scale of a latent.

    Range: 0 to 1. Ceiling with codes equal to the factors: 1 for two values a factor, and 0.23 on dSprites' grid: a
    linear classifier of one number cannot split 32 ordered classes. Codes without information: near 0. Below 3,000
    points the score of a good code falls: 0.23 with 15,000 points is 0.20 with 4,500 and 0.17 with 1,500.

    Degenerate cases: a constant latent predicts one class; a class that only the test part holds is never predicted; a
    factor with a single value is left out.

    Source: Kumar et al., Variational inference of disentangled latent concepts, https://arxiv.org/abs/1711.00848;
    protocol: https://arxiv.org/abs/1811.12359

    Args:
        codes: ``(N, K)``, K at least 2.
        factors: Classes ``(N, F)``.
        seed: Seed of the split.
        train_fraction: Share of the points that classifiers are fitted to.

    Returns:
        The mean gap in accuracy.

    Raises:
        ValueError: Arrays that do not fit, fewer than two latents, no factor that varies, or too few points.
    """
    return float(np.nanmean(sap_of_factors(codes, factors, seed=seed, train_fraction=train_fraction)))


def sap_of_factors(
    codes: ArrayLike | Tensor, factors: ArrayLike | Tensor, *, seed: int = 0, train_fraction: float = 2 / 3
) -> np.ndarray:
    """The gap of each factor ``(F,)``, NaN where it has a single value; see `sap`."""
    z, classes, varies = checked(codes, factors, least_latents=2)
    train, test = split(classes, train_fraction, seed)
    accuracies = np.zeros((z.shape[1], classes.shape[1]))
    with stopped_early():
        for k, f in np.ndindex(*accuracies.shape):
            machine = LinearSVC(C=0.01, class_weight="balanced", random_state=seed)
            machine.fit(z[train, k, None], classes[train, f])
            accuracies[k, f] = machine.score(z[test, k, None], classes[test, f])
    return of_all_factors(gap(accuracies), varies)
