"""Modularity: does each latent encode one factor only?

mean over k of 1 − (Σ_f m_kf² − max_f m_kf²) / (max_f m_kf² (F − 1)),   m_kf = I(z_k; v_f)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from .arrays import checked
from .information import BINS, information_of

__all__ = ["modularity", "modularity_of"]

LEAST_INFORMATION = 1e-12  # nats; what is less comes from rounding


def modularity(
    codes: ArrayLike | Tensor, factors: ArrayLike | Tensor, *, bins: int = BINS, binning: str = "width"
) -> float:
    """Modularity of Ridgeway and Mozer, on means of q(z | x) cut into 20 bins, 10,000 points.

    Range: 0 to 1. Ceiling with codes equal to independent factors: 1, and above 0.99 on dSprites' grid. Codes without
    information do not score 0: their information is estimated with noise, and more of it for factors of more values. On
    dSprites' grid they score 0.66. Read modularity beside a metric of how much information there is, such as `mig`.

    Degenerate cases: a latent without any information counts as 0; a factor with a single value is left out.

    Source: Ridgeway and Mozer, Learning deep disentangled embeddings with the F-statistic loss,
    https://arxiv.org/abs/1802.05312; protocol: https://arxiv.org/abs/1811.12359

    Args:
        codes: ``(N, K)``.
        factors: Classes ``(N, F)``, at least two of them varying.
        bins: Bins a latent.
        binning: "width" or "quantile", see `mutual_information`.

    Returns:
        The mean over latents.

    Raises:
        ValueError: Arrays that do not fit, or fewer than two factors that vary.

    >>> modularity([[0, 0], [0, 1], [1, 0], [1, 1]], [[0, 0], [0, 1], [1, 0], [1, 1]])
    1.0
    """
    z, classes, _ = checked(codes, factors, least_factors=2)
    return modularity_of(information_of(z, classes, bins, binning))


def modularity_of(information: np.ndarray) -> float:
    """Modularity of a table of mutual information ``(K, F)``, nats, F at least 2.

    >>> modularity_of(np.array([[1.0, 0.0, 0.5]]))  # 1 − 0.25/2
    0.875
    """
    squares = information**2
    largest = squares.max(1)
    rest = (squares.sum(1) - largest) / (np.maximum(largest, LEAST_INFORMATION**2) * (information.shape[1] - 1))
    return float(np.mean(np.where(information.max(1) > LEAST_INFORMATION, 1 - rest, 0.0)))
