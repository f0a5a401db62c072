"""Wasserstein correlation: how far is a Gaussian fitted to the codes from the product of its marginals?

    W² = 2 tr Σ − 2 tr (D^½ Σ D^½)^½,   Σ the covariance of the codes, D its diagonal

the squared Wasserstein-2 distance of N(0, Σ) and N(0, D).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from .arrays import as_codes

__all__ = ["WassersteinCorrelation", "wasserstein_correlation"]


@dataclass(frozen=True)
class WassersteinCorrelation:
    """W², in the square of the codes' unit, and ``normalised``, W²/tr Σ, which does not depend on their scale."""

    squared: float
    normalised: float


def wasserstein_correlation(codes: ArrayLike | Tensor) -> WassersteinCorrelation:
    """Wasserstein correlation of disentanglement_lib, on 10,000 points. It needs no factors; low is good.

    Unlike `total_correlation` it stays finite where latents are functions of each other, and dead latents, which have
    little variance, hardly count.

    Range: from 0, for uncorrelated latents, to below 2 tr Σ. K copies of a latent have a normalised one of 2 − 2/√K.

    Degenerate cases: constant latents add nothing; where all are constant, both are 0.

    Source: Locatello et al., Challenging common assumptions, https://arxiv.org/abs/1811.12359; code:
    https://github.com/google-research/disentanglement_lib; distance of Gaussians: Dowson and Landau,
    https://doi.org/10.1016/0047-259X(82)90077-X

    Args:
        codes: ``(N, K)``.

    Returns:
        Both.

    Raises:
        ValueError: Not N×K, or fewer than two rows.

    >>> round(wasserstein_correlation([[1.0, 1.0], [-1.0, -1.0]]).normalised, 4)  # 2 − √2
    0.5858
    """
    covariance = np.atleast_2d(np.cov(as_codes(codes).astype(np.float64), rowvar=False))
    deviations, total = np.sqrt(np.diag(covariance)), float(np.trace(covariance))
    roots = np.sqrt(np.maximum(0.0, np.linalg.eigvalsh(covariance * np.outer(deviations, deviations))))
    squared = max(0.0, 2 * total - 2 * float(roots.sum()))
    return WassersteinCorrelation(squared, squared / total if total > 0 else 0.0)
