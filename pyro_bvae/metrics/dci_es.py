"""Explicitness and size, the E and S of DCI-ES: how large a probe does it take to read the factors off a code?

Probes of growing capacity κ are fitted to the code, and their losses ℓ_f(κ) on test data taken, 1 − R² or the share of
errors. ℓ falls from the loss ℓ_b of a probe without the code, and each probe has the least loss up to its capacity.

    E_f = 1 − ∫ (ℓ_f(κ) − min ℓ_f) dκ / (½ (κ_max − κ_min) ℓ_b),   E = mean over f
    S   = F/K, factors over latents

The area is that of the authors' code; the paper's own text was not at hand, and S stands here as it is remembered. The
family of probes is this package's: ridge regressions on the code and on random Fourier features of it.

Source: Eastwood et al., DCI-ES: an extended disentanglement framework, https://arxiv.org/abs/2210.00364
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from sklearn.kernel_approximation import RBFSampler
from sklearn.linear_model import Ridge
from torch import Tensor

from .arrays import Split, checked, of_all_factors, split, standardised
from .kinds import check_kinds

__all__ = ["DCIES", "FEATURES", "dci_es", "explicitness_of"]

FEATURES = (0, 16, 32, 64, 128, 256, 512, 1024)  # random Fourier features beside the code, a probe each
FREQUENCIES = 0.5  # standard deviation of the features' frequencies, radians a standard deviation of the code
PENALTY = 1.0  # of squared weights, beside the sum of squared errors


@dataclass(frozen=True, eq=False)
class DCIES:
    """Explicitness and size, and the curves behind them.

    Attributes:
        explicitness: E, the mean over factors.
        informativeness: The mean over factors of 1 − min ℓ/ℓ_b: what the best probe knows.
        size: S.
        capacities: κ of each probe, ``(P,)``: the logarithm of its number of weights a target.
        losses: The loss-capacity curve of each factor that varies, ``(F, P)``.
        of_factors: E of each factor, ``(F,)``; NaN for one with a single value.
    """

    explicitness: float
    informativeness: float
    size: float
    capacities: np.ndarray
    losses: np.ndarray
    of_factors: np.ndarray


def dci_es(
    codes: ArrayLike | Tensor,
    factors: ArrayLike | Tensor,
    *,
    kinds: Sequence[str] | None = None,
    seed: int = 0,
    train_fraction: float = 2 / 3,
) -> DCIES:
    """Explicitness and size of DCI-ES, of probes on 10,000 points that are scored on 5,000.

    Probes are ridge regressions on the standardised code, alone and beside 16 to 1024 random Fourier features. These
    are one of the three families of the paper, with the linear probe set before them; trees and networks give other
    numbers, and so does another range of capacities. Categorical factors are predicted by a number a class, the
    greatest of which is taken; all others, cyclic ones too, as a number.

    Range: E from −1 to 1, and S above 0. Ceilings with codes equal to the factors: E = 1 for ordered factors and
    factors of two values, which the linear probe reads, and 0.97 on dSprites' grid, where it does not part three
    shapes in one latent. E = 0 for a loss that falls in proportion to κ, and below 0 where a loss falls late. Codes
    without information have E = 1: their loss falls nowhere. Read E beside the informativeness. D and C are those of
    `dci`.

    Degenerate cases: a constant latent tells nothing; a factor with a single value is left out; a probe that is worse
    than none has the loss of none.

    Source: Eastwood et al., https://arxiv.org/abs/2210.00364; the area, and 0 for the least possible loss, as in
    https://github.com/andreinicolicioiu/DCI-ES

    Args:
        codes: ``(N, K)``.
        factors: Classes ``(N, F)``.
        kinds: For each factor "ordered", "cyclic" or "categorical", see `kinds_of`; by default all are ordered.
        seed: Seed of the split and of the features.
        train_fraction: Share of the points that probes are fitted to.

    Returns:
        The scores.

    Raises:
        ValueError: Arrays that do not fit, no factor that varies, too few points, or kinds that do not fit.
    """
    z, classes, varies = checked(codes, factors)
    kept = np.asarray(check_kinds(kinds, len(varies)))[varies]
    parts = split(classes, train_fraction, seed)
    features = _features(z, parts[0], seed)
    targets = [_targets(column, kind) for column, kind in zip(classes.T, kept, strict=True)]
    baselines = np.array([_baseline(column, kind, parts) for column, kind in zip(classes.T, kept, strict=True)])
    sizes = [z.shape[1] + number for number in FEATURES]
    losses = np.stack([_losses(features[:, :size], targets, classes, kept, parts) for size in sizes], axis=1)
    losses = np.minimum.accumulate(np.minimum(losses, baselines[:, None]), axis=1)
    capacities = np.log(np.array(sizes) + 1)
    each = np.array([explicitness_of(capacities, *pair) for pair in zip(losses, baselines, strict=True)])
    known = 1 - losses[:, -1] / np.where(baselines > 0, baselines, 1)
    of_factors = of_all_factors(each, varies)
    return DCIES(float(each.mean()), float(known.mean()), len(kept) / z.shape[1], capacities, losses, of_factors)


def explicitness_of(capacities: np.ndarray, losses: np.ndarray, baseline: float) -> float:
    """E of one loss-capacity curve ``(P,)``, whose losses do not rise; 1 where there is nothing to lose.

    >>> explicitness_of(np.array([0.0, 1.0, 2.0]), np.array([1.0, 0.5, 0.0]), 1.0)  # in proportion to κ
    0.0
    >>> explicitness_of(np.array([0.0, 1.0, 2.0]), np.array([0.5, 0.0, 0.0]), 1.0)  # 1 − 0.25/1
    0.75
    """
    if baseline <= 0:
        return 1.0
    area = float(np.trapezoid(losses - losses.min(), capacities))
    return float(1 - area / ((capacities[-1] - capacities[0]) * baseline / 2))


def _features(z: np.ndarray, train: np.ndarray, seed: int) -> np.ndarray:
    """The standardised code, and random Fourier features of it beside, ``(N, K + 1024)``."""
    standard = standardised(z.astype(np.float64), train)
    sampler = RBFSampler(gamma=FREQUENCIES**2 / 2, n_components=FEATURES[-1], random_state=seed)
    fourier = sampler.fit_transform(standard) * FEATURES[-1] ** 0.5  # cosines with a mean square of 1
    return np.hstack([standard, fourier])


def _targets(column: np.ndarray, kind: str) -> np.ndarray:
    """What probes predict of a factor: its value from 0 to 1, or a number a class, ``(N, T)``."""
    return np.eye(column.max() + 1)[column] if kind == "categorical" else column[:, None] / column.max()


def _baseline(column: np.ndarray, kind: str, parts: Split) -> float:
    """The loss without a code: 1 for 1 − R², and the errors of the training points' commonest class."""
    if kind != "categorical":
        return 1.0
    train, test = parts
    return float((column[test] != np.bincount(column[train]).argmax()).mean())


def _losses(
    features: np.ndarray, targets: Sequence[np.ndarray], classes: np.ndarray, kinds: np.ndarray, parts: Split
) -> np.ndarray:
    """The test loss of one probe for each factor, ``(F,)``."""
    train, test = parts
    every = np.hstack(targets)
    predicted = Ridge(alpha=PENALTY).fit(features[train], every[train]).predict(features[test]).reshape(len(test), -1)
    columns = np.split(predicted, np.cumsum([target.shape[1] for target in targets])[:-1], axis=1)
    losses = []
    for column, target, kind, truth in zip(columns, targets, kinds, classes[test].T, strict=True):
        if kind == "categorical":
            losses.append(float((column.argmax(1) != truth).mean()))
        else:
            variance = float(target[test].var())
            losses.append(float(((column - target[test]) ** 2).mean()) / variance if variance else 0.0)
    return np.array(losses)
