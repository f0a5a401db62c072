"""The mutual information gap as Chen et al. define it: of draws of z, over the whole aggregate posterior.

    I(z_k; v_f) = H(z_k) − Σ_c p(v_f = c) H(z_k | v_f = c),   z_k ~ q(z_k) = mean over n of N(loc_nk, scale_nk)

where the density of z_k at v_f = c is the mean over the data with that value. The gap between the two latents with the
most information is divided by H(v_f), as in `mig`. Chen et al. estimate entropies from 10,000 draws; here they are
integrals over a grid. Deviations are rounded to one of 32 values a latent, evenly spaced in their logarithm, and the
means that share one are spread over the grid and convolved with their Gaussian by a Fourier transform. Deviations of
less than two cells of the grid count as two cells.

Source: Chen et al., Isolating sources of disentanglement, https://arxiv.org/abs/1802.04942, section 4 and appendix C
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.fft import irfft, rfft, rfftfreq
from torch import Tensor

from .arrays import as_classes, as_codes, checked, gap, of_all_factors
from .information import entropies

__all__ = ["aggregate_information", "mig_chen", "mig_chen_of_factors"]

GRID, SCALES = 8192, 32
CELLS = 2  # of the grid: the least deviation that it shows
MARGIN = 6.0  # of the largest deviations beyond the outermost means
LEAST_DENSITY = 1e-300


def mig_chen(loc: ArrayLike | Tensor, scale: ArrayLike | Tensor, factors: ArrayLike | Tensor) -> float:
    """Chen et al.'s own MIG; dead latents have no information here, since their posteriors are the prior.

    Chen et al. take all 737,280 images of dSprites, and all factors but the shape; `score` does the same.

    Range: 0 to 1. Ceiling, for latents that equal the factors with deviations far below the distance of their values: 1
    at any number of values. Latents whose posterior is the prior: 0.

    Degenerate cases: a deviation below a 4,000th of the range of a latent's means, widened by six of the largest
    deviations on either side, counts as that; a factor with a single value is left out.

    Source: Chen et al., https://arxiv.org/abs/1802.04942

    Args:
        loc: Means of q(z | x), of all data ``(N, K)``, K at least 2.
        scale: Their standard deviations, above 0.
        factors: Classes ``(N, F)``.

    Returns:
        The mean gap.

    Raises:
        ValueError: Arrays that do not fit, deviations that are not above 0, fewer than two latents, or no factor that
            varies.

    >>> round(mig_chen([[0, 0], [9, 0]], [[0.1, 1], [0.1, 1]], [[0], [1]]), 3)
    1.0
    """
    return float(np.nanmean(mig_chen_of_factors(loc, scale, factors)))


def mig_chen_of_factors(loc: ArrayLike | Tensor, scale: ArrayLike | Tensor, factors: ArrayLike | Tensor) -> np.ndarray:
    """The gap of each factor ``(F,)``, NaN where it has a single value; see `mig_chen`."""
    means, classes, varies = checked(loc, factors, least_latents=2)
    return of_all_factors(gap(aggregate_information(means, scale, classes)) / entropies(classes), varies)


def aggregate_information(
    loc: ArrayLike | Tensor, scale: ArrayLike | Tensor, factors: ArrayLike | Tensor
) -> np.ndarray:
    """I(z_k; v_f) over the aggregate posterior, nats, ``(K, F)``; see `mig_chen`."""
    means, deviations, classes = as_codes(loc), as_codes(scale), as_classes(factors)
    if means.shape != deviations.shape or not (deviations > 0).all():
        raise ValueError(
            f"scale must be above 0, one a mean: got shape {deviations.shape} for {means.shape}, "
            f"the least {deviations.min():g}"
        )
    information = np.zeros((means.shape[1], classes.shape[1]))
    everything = np.zeros(len(means), np.int64)
    for k in range(means.shape[1]):
        column, spread = means[:, k].astype(np.float64), deviations[:, k].astype(np.float64)
        whole = _entropies(column, spread, everything)[0]
        for f, values in enumerate(classes.T):
            shares = np.bincount(values) / len(values)
            information[k, f] = max(0.0, whole - shares @ _entropies(column, spread, values))
    return information


def _entropies(loc: np.ndarray, scale: np.ndarray, group: np.ndarray) -> np.ndarray:
    """The entropy of the mixture of each group's Gaussians, nats: ``(groups,)``."""
    counts = np.bincount(group)
    scale = np.maximum(scale, _least(loc, scale))
    low = loc.min() - MARGIN * scale.max()
    step = (loc.max() + MARGIN * scale.max() - low) / GRID
    place = (loc - low) / step
    cell = place.astype(np.int64)
    level, levels = _levels(scale)
    frequency = 2 * np.pi * rfftfreq(GRID, step)
    transform = np.zeros((len(counts), len(frequency)), np.complex128)
    for number in np.unique(level):
        some = level == number
        row, share = group[some] * GRID + cell[some], place[some] - cell[some]
        heights = np.bincount(row, 1 - share, minlength=len(counts) * GRID)
        heights += np.bincount(row + 1, share, minlength=len(counts) * GRID)
        transform += rfft(heights.reshape(len(counts), GRID)) * np.exp(-((frequency * levels[number]) ** 2) / 2)
    density = np.maximum(irfft(transform, GRID) / (step * counts[:, None]), LEAST_DENSITY)
    entropy: np.ndarray = -(density * np.log(density)).sum(1) * step
    return entropy


def _least(loc: np.ndarray, scale: np.ndarray) -> float:
    """The deviation of `CELLS` cells of the grid, whose margins are of the largest deviation, also if that is this."""
    return float(CELLS * (np.ptp(loc) + 2 * MARGIN * scale.max()) / (GRID - 2 * MARGIN * CELLS))


def _levels(scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The level that each deviation is rounded to, and the deviation of each level."""
    logarithm = np.log(scale)
    low, width = logarithm.min(), np.ptp(logarithm)
    level = np.minimum((logarithm - low) / max(width, 1e-12) * SCALES, SCALES - 1).astype(np.int64)
    return level, np.exp(low + width * (np.arange(SCALES) + 0.5) / SCALES)
