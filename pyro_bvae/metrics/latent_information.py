"""The mutual-information score of codes: how much do latents tell of one another, two by two?

mean over k ≠ l of I(z_k; z_l),   each latent in 20 bins of equal width
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from .arrays import as_codes
from .information import BINS, cut, information_of_bins

__all__ = ["mutual_information_score"]


def mutual_information_score(codes: ArrayLike | Tensor, *, bins: int = BINS) -> float:
    """Mean mutual information of two latents, nats, on 10,000 points. It needs no factors; low is good.

    Range: 0 to log 20 = 3.0. Latents that are independent score about (bins − 1)²/2N, 0.018 with 10,000 points, and
    less where the outer bins are empty. Latents that all copy one another score the entropy of a binned latent.
    A change of scale, of sign or of order of the latents changes nothing.

    Degenerate cases: a constant latent tells nothing, and counts; with one latent the score is 0.

    Source: Locatello et al., Challenging common assumptions, https://arxiv.org/abs/1811.12359; code:
    https://github.com/google-research/disentanglement_lib

    Args:
        codes: ``(N, K)``.
        bins: Bins of equal width a latent.

    Returns:
        Nats.

    Raises:
        ValueError: Not N×K, fewer than two rows, or fewer than two bins.

    >>> round(mutual_information_score([[0, 0], [0, 0], [1, 1], [1, 1]]), 3)  # log 2
    0.693
    """
    z = as_codes(codes)
    latents = z.shape[1]
    if latents < 2:
        return 0.0
    binned = cut(z, bins)
    information = information_of_bins(binned, binned)
    return float((information.sum() - np.trace(information)) / (latents * (latents - 1)))
