"""Total correlation of a Gaussian with the codes' covariance: how far are the latents from uncorrelated?

TC = ½ (Σ_k log Σ_kk − log det Σ) = −½ log det(correlations)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from .arrays import as_codes

__all__ = ["total_correlation"]


def total_correlation(codes: ArrayLike | Tensor) -> float:
    """KL from a Gaussian fitted to the codes to the product of its marginals, nats. It needs no factors.

    Range: 0, for uncorrelated latents, to infinity, for latents that are linear functions of each other. K latents and
    N points without any correlation give about K(K − 1)/4N.

    Degenerate cases: constant latents are left out; with fewer than two others the score is 0.

    Source: Locatello et al., Challenging common assumptions, https://arxiv.org/abs/1811.12359; total correlation:
    Watanabe, https://doi.org/10.1147/rd.41.0066

    Args:
        codes: ``(N, K)``.

    Returns:
        Nats.

    Raises:
        ValueError: Not N×K, or fewer than two rows.

    >>> round(total_correlation([[1, 1], [-1, -1], [1, -1], [-1, 1]]), 6)
    0.0
    """
    z = as_codes(codes).astype(np.float64)
    z = z[:, np.ptp(z, axis=0) > 0]
    if z.shape[1] < 2:
        return 0.0
    sign, log_determinant = np.linalg.slogdet(np.corrcoef(z, rowvar=False))
    return max(0.0, float(-log_determinant / 2)) if sign > 0 else float("inf")
