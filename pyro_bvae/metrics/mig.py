"""Mutual information gap: is each factor encoded in one latent only? And does each latent encode one factor only?

    MIG     = mean over f of (I(z_first; v_f) − I(z_second; v_f)) / H(v_f)
    MIG-sup = mean over k of I(z_k; v_first)/H(v_first) − I(z_k; v_second)/H(v_second)

where first and second are the latents with the most information about factor f, and the factors of which latent k has
the largest shares.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from .arrays import checked, gap, of_all_factors
from .information import BINS, entropies, information_of

__all__ = ["mig", "mig_of_factors", "mig_sup"]


def mig(codes: ArrayLike | Tensor, factors: ArrayLike | Tensor, *, bins: int = BINS, binning: str = "width") -> float:
    """Mutual information gap of Chen et al., as Locatello et al. compute it: binned means of q(z | x), 10,000 points.

    Chen et al.'s own, `mig_chen`, takes draws of z, the full aggregate posterior and four factors: the two cannot be
    compared.

    Range: 0 to 1. Ceiling with codes equal to the factors: 1 up to 20 values a factor; 0.896 on dSprites' grid, where
    20 bins do not separate 32 or 40 values. Codes without information: near 0. Below 3,000 points the
    score of a good code falls, since information of all latents is estimated too high: on dSprites' factors with noise,
    0.61 with 10,000 points is 0.60 with 3,000, 0.56 with 1,000 and 0.45 with 300.

    Degenerate cases: a constant latent has no information; a factor with a single value is left out.

    Source: Chen et al., Isolating sources of disentanglement, https://arxiv.org/abs/1802.04942; protocol:
    https://arxiv.org/abs/1811.12359

    Args:
        codes: ``(N, K)``, K at least 2.
        factors: Classes ``(N, F)``.
        bins: Bins a latent.
        binning: "width" or "quantile", see `mutual_information`.

    Returns:
        The mean gap.

    Raises:
        ValueError: Arrays that do not fit, fewer than two latents, or no factor that varies.

    >>> mig([[0, 0], [0, 1], [1, 0], [1, 1]], [[0, 0], [0, 1], [1, 0], [1, 1]])
    1.0
    """
    return float(np.nanmean(mig_of_factors(codes, factors, bins=bins, binning=binning)))


def mig_of_factors(
    codes: ArrayLike | Tensor, factors: ArrayLike | Tensor, *, bins: int = BINS, binning: str = "width"
) -> np.ndarray:
    """The gap of each factor ``(F,)``, NaN where it has a single value; see `mig`.

    >>> mig_of_factors([[0, 0], [0, 1], [1, 0], [1, 1]], [[0, 5], [0, 5], [1, 5], [1, 5]])
    array([ 1., nan])
    """
    z, classes, varies = checked(codes, factors, least_latents=2)
    return of_all_factors(gap(information_of(z, classes, bins, binning)) / entropies(classes), varies)


def mig_sup(
    codes: ArrayLike | Tensor, factors: ArrayLike | Tensor, *, bins: int = BINS, binning: str = "width"
) -> float:
    """MIG-sup of Li et al.: the gap between the two factors that a latent has most information about.

    MIG does not see that one latent encodes two factors; this does, and does not see that two latents encode one.

    Range: 0 to 1. Ceiling with codes equal to the factors: 1 up to 20 values a factor, 0.896 on dSprites' grid. Codes
    without information: near 0.

    Degenerate cases: a latent without information counts as 0, so that dead latents lower the mean; a factor with a
    single value is left out.

    Source: Li et al., Progressive learning and disentanglement of hierarchical representations,
    https://arxiv.org/abs/2002.10549

    Args:
        codes: ``(N, K)``.
        factors: Classes ``(N, F)``, at least two of them varying.
        bins: Bins a latent.
        binning: "width" or "quantile", see `mutual_information`.

    Returns:
        The mean over latents.

    Raises:
        ValueError: Arrays that do not fit, or fewer than two factors that vary.

    >>> mig_sup([[0], [1], [2], [3]], [[0, 0], [0, 1], [1, 0], [1, 1]])  # one latent of two factors
    0.0
    """
    z, classes, _ = checked(codes, factors, least_factors=2)
    return float(gap((information_of(z, classes, bins, binning) / entropies(classes)).T).mean())
