"""Active latents, counted by the variance of their posterior means.

This is the field's older count. Everywhere else this package calls a latent active when its mean KL exceeds 0.01 nats
(`terms.ACTIVE_ABOVE`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from .arrays import as_codes

__all__ = ["active_units_variance"]


def active_units_variance(codes: ArrayLike | Tensor, threshold: float = 0.01) -> np.ndarray:
    """Latents whose posterior mean varies over the data. It needs no factors.

    Range: booleans, of which 0 to K are true.

    Source: Burda et al., Importance weighted autoencoders, https://arxiv.org/abs/1509.00519

    Args:
        codes: Posterior means ``(N, K)``.
        threshold: Least variance of an active latent, in squared prior standard deviations.

    Returns:
        Booleans ``(K,)``.

    Raises:
        ValueError: Not N×K, or fewer than two rows.

    >>> active_units_variance([[0.0, 1.0], [0.0, 3.0]]).tolist()
    [False, True]
    """
    is_active: np.ndarray = as_codes(codes).var(0, ddof=1) > threshold
    return is_active
