"""Mutual information of codes and factors, in nats, of codes cut into bins of equal width.

    I(z_k; v_f) = Σ p(b, c) log p(b, c)/(p(b) p(c))   over bins b of z_k and classes c of v_f

Source: Locatello et al., Challenging common assumptions, https://arxiv.org/abs/1811.12359, appendix C
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import mutual_info_score
from torch import Tensor

from .arrays import as_classes, as_codes, check_rows

__all__ = ["BINS", "entropies", "information_of", "mutual_information"]

BINS = 20


def mutual_information(codes: ArrayLike | Tensor, factors: ArrayLike | Tensor, bins: int = BINS) -> np.ndarray:
    """Mutual information of each latent and each factor.

    Args:
        codes: ``(N, K)``.
        factors: Classes ``(N, F)``.
        bins: Bins of equal width between a latent's least and largest value.

    Returns:
        Nats, ``(K, F)``, each between 0 and the entropy of the factor; 0 where latent or factor is constant.

    Raises:
        ValueError: Arrays that do not fit, or fewer than two bins.

    >>> mutual_information([[0.0], [0.1], [5.0], [5.1]], [[0], [0], [1], [1]]).round(3).tolist()  # log 2
    [[0.693]]
    """
    z, classes = as_codes(codes), as_classes(factors)
    check_rows(z, classes)
    return information_of(z, classes, bins)


def information_of(z: np.ndarray, classes: np.ndarray, bins: int) -> np.ndarray:
    """Mutual information, nats, ``(K, F)``, of arrays that have been checked."""
    if bins < 2:
        raise ValueError(f"bins must be at least 2, got {bins}")
    information = np.zeros((z.shape[1], classes.shape[1]))
    sizes = classes.max(0).astype(int) + 1
    for k in range(z.shape[1]):
        binned = _binned(z[:, k], bins)
        for f, size in enumerate(sizes):
            table = np.bincount(binned * size + classes[:, f], minlength=bins * size).reshape(bins, size)
            information[k, f] = max(0.0, mutual_info_score(None, None, contingency=table))
    return information


def entropies(classes: np.ndarray) -> np.ndarray:
    """Entropy of each factor, nats, ``(F,)``."""
    shares = [np.bincount(column) / len(column) for column in classes.T]
    return np.array([-(share[share > 0] * np.log(share[share > 0])).sum() for share in shares])


def _binned(column: np.ndarray, bins: int) -> np.ndarray:
    """The bin of each value, 0 ... bins − 1; the last bin holds its upper edge."""
    edges = np.linspace(column.min(), column.max(), bins + 1, dtype=np.float64)
    return np.digitize(column, edges[1:-1])
