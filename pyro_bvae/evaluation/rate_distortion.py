"""The curve of distortion D against rate R that models at different β lie on, in nats an image.

A model that minimises D + β R lies where the curve has the slope dD/dR = −β. The least D at each R falls with R and is
convex, since two models can be mixed by sending a share of the data through each. A point above the lower convex hull
of other points is therefore not the best at its rate.

Source: Alemi et al., Fixing a broken ELBO, https://arxiv.org/abs/1711.00464
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["lower_hull", "slopes"]


def slopes(betas: ArrayLike, rates: ArrayLike, distortions: ArrayLike) -> np.ndarray:
    """The local slope dD/dR = (dD/d log β)/(dR/d log β), which at the optimum is −β.

    Each derivative is a central difference in log β. At the two ends it is a difference to the one neighbour, and the
    slope of an optimal curve then lies between −β of the two. If D = exp(−R) and β grows by a factor f from point to
    point, inner slopes are too steep by sinh(log f)/log f: 1.08 for a factor of 2, 1.35 for 4.

    Source: Alemi et al., Fixing a broken ELBO, https://arxiv.org/abs/1711.00464

    Args:
        betas: β of each point, positive and all different, in any order, ``(P,)``.
        rates: R, nats, ``(P,)``.
        distortions: D, nats, ``(P,)``.

    Returns:
        The slopes ``(P,)``, in the order of the points; nan where the rate does not change, and for a single point.

    Raises:
        ValueError: Shapes differ, or a β is not positive or given twice.

    >>> slopes([1.0, 2.0, 4.0], [7.0, 5.0, 3.0], [10.0, 13.0, 20.0]).round(3).tolist()
    [-1.5, -2.5, -3.5]
    """
    beta, rate, distortion = _vectors(betas, rates, distortions)
    if not (beta > 0).all() or len(np.unique(beta)) < len(beta):
        raise ValueError(f"a curve wants positive β, each once, got {beta.tolist()}: average over seeds first")
    slope = np.full(len(beta), np.nan)
    if len(beta) > 1:
        order = np.argsort(beta)
        rise, run = (np.gradient(values[order], np.log(beta[order])) for values in (distortion, rate))
        slope[order] = np.divide(rise, run, out=np.full_like(rise, np.nan), where=run != 0)
    return slope


def lower_hull(rates: ArrayLike, distortions: ArrayLike) -> np.ndarray:
    """The corners of the achievable frontier, which is the lower convex hull as far as distortion falls.

    Points between two corners are reached by mixing the two models. Beyond the last corner, more rate does not lower
    the distortion.

    Source: Andrew, Another efficient algorithm for convex hulls in two dimensions,
    https://doi.org/10.1016/0020-0190(79)90072-3

    Args:
        rates: R, nats, ``(P,)``.
        distortions: D, nats, ``(P,)``.

    Returns:
        Indices of the corners, by rising rate.

    Raises:
        ValueError: Shapes differ.

    >>> lower_hull([4.0, 1.0, 2.0, 3.0], [5.0, 9.0, 6.0, 7.0]).tolist()
    [1, 2, 0]
    """
    rate, distortion = _vectors(rates, distortions)
    corners: list[int] = []
    for point in np.lexsort((distortion, rate)):
        if corners and distortion[point] >= distortion[corners[-1]]:
            continue  # an earlier one has less of both
        while len(corners) > 1 and not _is_corner(rate, distortion, corners[-2], corners[-1], point):
            corners.pop()
        corners.append(int(point))
    return np.array(corners, dtype=int)


def _is_corner(rate: np.ndarray, distortion: np.ndarray, before: int, point: int, after: int) -> bool:
    """Whether a point lies below the line through its neighbours."""
    rise, run = distortion[after] - distortion[before], rate[after] - rate[before]
    return bool((distortion[point] - distortion[before]) * run < rise * (rate[point] - rate[before]))


def _vectors(*values: ArrayLike) -> list[np.ndarray]:
    vectors = [np.asarray(value, dtype=float) for value in values]
    if any(vector.ndim != 1 or len(vector) != len(vectors[0]) for vector in vectors):
        raise ValueError(f"a curve wants vectors of one length, got shapes {[vector.shape for vector in vectors]}")
    if not np.isfinite(vectors).all():
        raise ValueError("a curve wants finite numbers: leave out runs that have none")
    return vectors
