"""Mutual information of codes and factors, in nats, of codes cut into bins of equal width or of equally many points.

    I(z_k; v_f) = Σ p(b, c) log p(b, c)/(p(b) p(c))   over bins b of z_k and classes c of v_f

Bins of equal width lie between a latent's least and largest value: a single outlier leaves most of them empty. Bins of
equally many points bear it, and any other change of a latent that keeps its order.

Source: Locatello et al., Challenging common assumptions, https://arxiv.org/abs/1811.12359, appendix C
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import mutual_info_score
from torch import Tensor

from ..settings.names import check
from .arrays import as_classes, as_codes, check_rows

__all__ = ["BINNINGS", "BINS", "cut", "entropies", "information_of", "information_of_bins", "mutual_information"]

BINS = 20


def mutual_information(
    codes: ArrayLike | Tensor, factors: ArrayLike | Tensor, bins: int = BINS, binning: str = "width"
) -> np.ndarray:
    """Mutual information of each latent and each factor.

    Args:
        codes: ``(N, K)``.
        factors: Classes ``(N, F)``.
        bins: Bins a latent.
        binning: "width", bins of equal width between its least and largest value, or "quantile", of equally many
            points, where equal values share a bin.

    Returns:
        Nats, ``(K, F)``, each between 0 and the entropy of the factor; 0 where latent or factor is constant.

    Raises:
        ValueError: Arrays that do not fit, fewer than two bins, or an unknown binning.

    >>> mutual_information([[0.0], [0.1], [5.0], [5.1]], [[0], [0], [1], [1]]).round(3).tolist()  # log 2
    [[0.693]]
    """
    z, classes = as_codes(codes), as_classes(factors)
    check_rows(z, classes)
    return information_of(z, classes, bins, binning)


def information_of(z: np.ndarray, classes: np.ndarray, bins: int, binning: str = "width") -> np.ndarray:
    """Mutual information, nats, ``(K, F)``, of arrays that have been checked."""
    return information_of_bins(cut(z, bins, binning), classes)


def cut(z: np.ndarray, bins: int, binning: str = "width") -> np.ndarray:
    """The bin of each code, from 0, ``(N, K)``."""
    edges_of = BINNINGS[check("binning", binning, BINNINGS)]
    if bins < 2:
        raise ValueError(f"bins must be at least 2, got {bins}")
    return np.stack([np.digitize(column, edges_of(column, bins)) for column in z.T], axis=1)


def information_of_bins(binned: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Mutual information, nats, ``(K, F)``, of bins and classes that are numbered from 0."""
    information = np.zeros((binned.shape[1], classes.shape[1]))
    sizes = binned.max(0) + 1, classes.max(0).astype(int) + 1
    for k, f in np.ndindex(*information.shape):
        shape = sizes[0][k], sizes[1][f]
        table = np.bincount(binned[:, k] * shape[1] + classes[:, f], minlength=shape[0] * shape[1]).reshape(shape)
        information[k, f] = max(0.0, mutual_info_score(None, None, contingency=table))
    return information


def entropies(classes: np.ndarray) -> np.ndarray:
    """Entropy of each factor, nats, ``(F,)``."""
    shares = [np.bincount(column) / len(column) for column in classes.T]
    return np.array([-(share[share > 0] * np.log(share[share > 0])).sum() for share in shares])


def _of_equal_width(column: np.ndarray, bins: int) -> np.ndarray:
    """The edges between bins of equal width; the last bin holds its upper edge."""
    edges: np.ndarray = np.linspace(column.min(), column.max(), bins + 1, dtype=np.float64)[1:-1]
    return edges


def _of_equal_count(column: np.ndarray, bins: int) -> np.ndarray:
    """The edges between bins of equally many points: each bin holds its lower edge."""
    edges: np.ndarray = np.sort(column)[len(column) * np.arange(1, bins) // bins]
    return edges


BINNINGS = {"width": _of_equal_width, "quantile": _of_equal_count}
