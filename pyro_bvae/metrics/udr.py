"""Unsupervised disentanglement ranking: do runs of other seeds learn the same latents?

For runs a and b and the strengths r (K_a×K_b) with which standardised latents of one predict those of the other,

    UDR_ab = ½ [mean over columns of max r²/Σr + mean over rows of max r²/Σr]

over active latents. The score of a run is the median of UDR_ab over all other runs b.

Source: Duan et al., Unsupervised model selection for variational disentangled representation learning,
https://arxiv.org/abs/1905.12614
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata
from sklearn.linear_model import Lasso
from torch import Tensor

from ..settings.names import check
from ..terms import ACTIVE_ABOVE
from .arrays import as_codes

__all__ = ["METHODS", "udr"]


def udr(
    codes: Sequence[ArrayLike | Tensor],
    kl: Sequence[ArrayLike | Tensor] | None = None,
    *,
    method: str = "lasso",
    seed: int = 0,
) -> list[float]:
    """UDR of each of several runs, from their codes of the same 1,000 data. It needs no factors.

    Range: 0 to 1. Runs that are copies of each other, up to the order and sign of their latents, score about 0.9 by
    "lasso", whose penalty shrinks a strength of 1 to 0.9. By "spearman" they score near 1, lowered by the chance
    correlations of other latents.

    Degenerate cases: latents with a mean KL of at most 0.01 nats are left out, and constant ones; UDR_ab is 0 where one
    of the two runs has no other latents.

    Source: Duan et al., https://arxiv.org/abs/1905.12614

    Args:
        codes: For each run ``(N, K)``, of the same data in the same order.
        kl: For each run the mean KL of its latents ``(K,)``, nats; by default all latents are active.
        method: "lasso", ``Lasso(alpha=0.1)``, or "spearman", rank correlations.
        seed: Seed of the lasso.

    Returns:
        A score a run.

    Raises:
        ValueError: Fewer than two runs, codes of different data, kl that does not fit or is not finite, or an
            unknown method.
    """
    strengths = METHODS[check("method", method, METHODS)]
    arrays = [as_codes(one) for one in codes]
    if len(arrays) < 2 or len({len(array) for array in arrays}) > 1:
        raise ValueError(f"udr compares at least 2 runs on the same data, got codes {[a.shape for a in arrays]}")
    if kl is not None and [np.shape(one) for one in kl] != [(array.shape[1],) for array in arrays]:
        raise ValueError(f"kl needs a number for each latent of each run, got {[np.shape(one) for one in kl]}")
    if kl is not None and not all(np.isfinite(one).all() for one in map(np.asarray, kl)):
        raise ValueError("kl must be finite")
    active = [np.ptp(a, axis=0) > 0 if kl is None else (np.ptp(a, axis=0) > 0) & (np.asarray(kl[run]) > ACTIVE_ABOVE)
              for run, a in enumerate(arrays)]  # fmt: skip
    kept = [_standardised(array[:, mask]) for array, mask in zip(arrays, active, strict=True)]
    return [
        float(np.median([_agreement(strengths, other, one, seed) for j, other in enumerate(kept) if j != i]))
        for i, one in enumerate(kept)
    ]


def _agreement(strengths: Callable[..., np.ndarray], one: np.ndarray, other: np.ndarray, seed: int) -> float:
    """UDR_ab of two runs; 0 where one of them has no latents left."""
    if not one.shape[1] or not other.shape[1]:
        return 0.0
    r = strengths(one, other, seed)
    return float((_relative(r) + _relative(r.T)) / 2)


def _relative(r: np.ndarray) -> float:
    """The mean over columns of max r²/Σr; 0 for a column of zeros."""
    total = r.sum(0)
    return float(np.mean(r.max(0) ** 2 / np.where(total > 0, total, 1)))


def _standardised(array: np.ndarray) -> np.ndarray:
    return (array - array.mean(0)) / array.std(0)


def _lasso(one: np.ndarray, other: np.ndarray, seed: int) -> np.ndarray:
    lasso = Lasso(alpha=0.1, random_state=seed).fit(one, other)
    return np.abs(np.atleast_2d(lasso.coef_)).T


def _spearman(one: np.ndarray, other: np.ndarray, seed: int) -> np.ndarray:  # noqa: ARG001
    ranks = [_standardised(rankdata(array, axis=0)) for array in (one, other)]
    return np.abs(ranks[0].T @ ranks[1]) / len(one)


METHODS = {"lasso": _lasso, "spearman": _spearman}
