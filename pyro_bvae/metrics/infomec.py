"""InfoM, InfoE and InfoC: modularity, explicitness and compactness of the active latents, from information alone.

With the shares N (K×F) of a factor's entropy that a latent tells, N_kf = I(z_k; v_f)/H(v_f), I by nearest neighbours,
K' active latents and F factors:

    InfoM   mean over active k of max_f N_kf / Σ_f N_kf,   shifted so that an even row, 1/F, is 0
    InfoC   mean over f of max_k N_kf / Σ_k N_kf,          shifted so that an even column, 1/K', is 0
    InfoE   mean over f of 1 − CE(v_f | z) / CE(v_f),      CE the cross-entropy of a logistic regression

Source: Hsu et al., Disentanglement via latent quantization, https://arxiv.org/abs/2305.18378
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from sklearn.feature_selection import mutual_info_classif
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from torch import Tensor

from .arrays import checked, of_all_factors, standardised, stopped_early
from .information import entropies

__all__ = ["InfoMEC", "infomec", "modularity_and_compactness", "nearest_information"]


@dataclass(frozen=True, eq=False)
class InfoMEC:
    """The three scores, and what two of them were taken of.

    Attributes:
        modularity: InfoM.
        explicitness: InfoE.
        compactness: InfoC; NaN where fewer than two latents are active, for there is nothing to choose from.
        shares: Mutual information as a share of the factor's entropy ``(K, F)``; 0 for a factor with a single value.
        active: Which latents count for InfoM and InfoC, ``(K,)``.
    """

    modularity: float
    explicitness: float
    compactness: float
    shares: np.ndarray
    active: np.ndarray


def infomec(
    codes: ArrayLike | Tensor,
    factors: ArrayLike | Tensor,
    *,
    neighbours: int = 3,
    least_range: float = 1 / 8,
    seed: int = 0,
) -> InfoMEC:
    """InfoMEC of Hsu et al., of 10,000 points.

    Information is that of Ross's estimator, scikit-learn's ``mutual_info_classif``. It needs no bins, and one outlier
    changes little of it. Latents of little range beside the widest one are pruned from InfoM and InfoC. InfoE sees all
    latents, standardised, in a ``LogisticRegression`` without penalty, with balanced classes and 100 steps of L-BFGS,
    and takes its cross-entropy on the points that it was fitted to. The null that it is compared with knows no code,
    and has log V nats for a factor of V values.

    The authors' code has two versions. The numbers here are those of the experiments of their paper
    (mutual_information.py). The file that they hand out for use elsewhere (infomec.py) takes 10 neighbours and a range
    of 1/20: say ``neighbours=10, least_range=1/20`` to compare with papers that used it. Where codes are quantised, the
    authors count the values of a latent in place of its neighbours, and InfoE sees each value as a latent of 0 and 1.
    Here codes are numbers: a factor that is no linear function of them has a lower InfoE.

    Range: at most 1 each. Ceilings with codes equal to the factors, on one scale: 1, and above 0.98 on dSprites' grid.
    Their raw numbers have other ranges: beside 40 orientations the three shapes are pruned, and InfoC is 0.87. Codes
    without information do not score 0 on InfoM and InfoC: what is estimated of nothing is noise, and the largest of
    noise is more than its share. Ten normal latents on dSprites' grid have 0.6, 0.00 and 0.35. A rotated code has an
    InfoE of 1. InfoE may lie below 0 where classes are of unequal size, and is too high where points are few.

    Degenerate cases: a code without any active latent scores 0, 0 and NaN, and InfoC is NaN with one active latent. An
    active latent without information is left out of InfoM, as in the authors' code; a factor without information counts
    as an even column, where theirs gives NaN. A factor with a single value is left out, and so are classes that a
    single point has.

    Source: Hsu et al., https://arxiv.org/abs/2305.18378; code: https://github.com/kylehkhsu/latent_quantization;
    estimator:
    Ross, https://doi.org/10.1371/journal.pone.0087357

    Args:
        codes: ``(N, K)``.
        factors: Classes ``(N, F)``, at least two of them varying.
        neighbours: Of Ross's estimator.
        least_range: Share of the widest latent's range, from 0 to below 1, that a latent is pruned at and below.
        seed: Seed of the noise of 1e-10 that breaks ties between neighbours.

    Returns:
        The scores.

    Raises:
        ValueError: Arrays that do not fit, fewer than two factors that vary, or numbers out of range.
    """
    if neighbours < 1 or not 0 <= least_range < 1:
        raise ValueError(f"neighbours begin at 1, and least_range at 0 and below 1: got {neighbours}, {least_range}")
    z, classes, varies = checked(codes, factors, least_factors=2)
    z = z.astype(np.float64)
    ranges = np.ptp(z, axis=0)
    active = ranges > least_range * ranges.max()
    shares = nearest_information(z, classes, neighbours, seed) / entropies(classes)
    modularity, compactness = modularity_and_compactness(shares[active])
    every = of_all_factors(shares, varies, 0.0)
    return InfoMEC(modularity, _explicitness(z, classes), compactness, every, active)


def nearest_information(z: np.ndarray, classes: np.ndarray, neighbours: int = 3, seed: int = 0) -> np.ndarray:
    """Mutual information by nearest neighbours, nats, ``(K, F)``, of arrays that have been checked."""
    information = np.zeros((z.shape[1], classes.shape[1]))
    for f, column in enumerate(classes.T):
        if np.bincount(column).max() > 1:  # where every point is a class of its own, none has a neighbour
            information[:, f] = mutual_info_classif(
                z, column, discrete_features=False, n_neighbors=neighbours, random_state=seed
            )
    return information


def modularity_and_compactness(shares: np.ndarray) -> tuple[float, float]:
    """InfoM and InfoC from the shares of active latents ``(K', F)``, F at least 2.

    >>> modularity_and_compactness(np.array([[1.0, 0.0], [0.25, 0.75]]))  # rows (1, 3/4), columns (4/5, 1)
    (0.75, 0.8)
    """
    latents, factors = shares.shape
    known = shares[shares.sum(1) > 0]
    modularity = _above_even(known.max(1) / known.sum(1), factors) if len(known) else 0.0
    if latents < 2:
        return modularity, float("nan")
    sums = shares.sum(0)
    largest = np.where(sums > 0, shares.max(0) / np.where(sums > 0, sums, 1), 1 / latents)
    return modularity, _above_even(largest, latents)


def _above_even(largest: np.ndarray, parts: int) -> float:
    """The mean of the largest shares, shifted and scaled from 1/parts ... 1 to 0 ... 1."""
    return float((largest.mean() - 1 / parts) / (1 - 1 / parts))


def _explicitness(z: np.ndarray, classes: np.ndarray) -> float:
    """InfoE: the mean over factors of the share of the null's cross-entropy that the code saves."""
    standard, saved = standardised(z), []
    for column in classes.T:
        with stopped_early():
            classifier = LogisticRegression(C=np.inf, class_weight="balanced").fit(standard, column)
        null = np.log(column.max() + 1)  # classes are numbered from 0; with balanced weights the null holds them equal
        saved.append(1 - log_loss(column, classifier.predict_proba(standard)) / null)
    return float(np.mean(saved))
