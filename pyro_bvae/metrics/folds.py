"""One to one: does the latent that holds a factor follow it one to one, or fold over?

A latent z = |v − ½| tells all about a factor v but its side. MIG, DCI and the FactorVAE score do not notice. The
response of a latent k to a factor f is the median code m(v) of the data with each value v. It does not depend on what
noise and other factors add to the code. How well does a monotone function of the response tell the value?

    R²_kf = max over increasing and decreasing g of 1 − E(v − g(m(v)))² / Var v     (isotonic regression)

    ordered factor   R²_kf: 1 where the response is monotone, 0 where it is folded in the middle
    cyclic factor    max(0, 4 R²_kf − 3), R²_kf for the best place to cut the circle open: 1 where the response is
                     monotone from there on, 0 where the circle is pressed flat, as by cos v, which has R² = 3/4

The score of a factor is that of the latent with the most information about it, where that is more than a tenth of the
factor's entropy. Factors that no latent holds, and categorical ones, have none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata
from sklearn.isotonic import IsotonicRegression
from torch import Tensor

from .arrays import checked, of_all_factors
from .information import BINS, entropies, information_of
from .kinds import check_kinds

__all__ = ["HELD_ABOVE", "OneToOne", "folded_share", "one_to_one"]

HELD_ABOVE = 0.1  # share of a factor's entropy above which a latent holds it
LEAST_VALUES = {"ordered": 3, "cyclic": 4}  # fewer cannot fold
FLAT_CIRCLE = 0.75  # R² of a circle that is pressed flat


@dataclass(frozen=True, eq=False)
class OneToOne:
    """How far factors are one-to-one functions of their latents.

    Attributes:
        score: The mean over the factors that have one; NaN where none has.
        of_factors: Of each factor ``(F,)``, that of the latent that holds most of it; NaN where it has none.
        table: Of each latent and factor ``(K, F)``; NaN where the latent does not hold the factor.
    """

    score: float
    of_factors: np.ndarray
    table: np.ndarray


def one_to_one(
    codes: ArrayLike | Tensor, factors: ArrayLike | Tensor, *, kinds: Sequence[str] | None = None
) -> OneToOne:
    """Whether factors are one-to-one functions of the latents that hold them, on 10,000 points.

    Range: 0 to 1. Ceiling with codes equal to the factors: 1. A factor that is folded in the middle scores 0, at a
    third of its length 0.70, and at a quarter 0.88: what counts is how far apart the values are that share a code. A
    cyclic factor that is pressed flat scores 0 to 0.07 for 40 values, and up to 0.33 for 8. A response in random order
    scores 0.16 for 32 values, and more for fewer. It is a score of the factors that are held. Read it beside one that
    says how many are, such as `mig`.

    Strictly monotone functions of a latent, the order of latents, and the direction of factors change nothing, nor does
    the value at which a cyclic factor begins.

    Degenerate cases: a constant latent holds nothing. Codes without information hold nothing, and the score is NaN.
    Ordered factors of two values and cyclic ones of three cannot fold, and are left out. A circle that is spread over
    two latents, as cos v and sin v, scores 0: neither of them has it one to one. The response is one curve for all
    data: folds that lie elsewhere for each shape, say, may cancel.

    Source: this package. Isotonic regression: Barlow et al., Statistical inference under order restrictions, 1972

    Args:
        codes: ``(N, K)``.
        factors: Classes ``(N, F)``, numbered in their order.
        kinds: For each factor "ordered", "cyclic" or "categorical", see `kinds_of`; by default all are ordered.

    Returns:
        The scores.

    Raises:
        ValueError: Arrays that do not fit, no factor that varies, or kinds that are unknown or of another number.

    >>> import numpy as np
    >>> v = np.repeat(np.arange(5), 20)[:, None]
    >>> one_to_one(v, v).score, one_to_one(np.abs(v - 2), v).score
    (1.0, 0.0)
    """
    z, classes, varies = checked(codes, factors)
    kept = np.asarray(check_kinds(kinds, len(varies)))[varies]
    shares = _shares_held(z, classes)
    table = np.full(shares.shape, np.nan)
    for f, (column, kind) in enumerate(zip(classes.T, kept, strict=True)):
        counts = np.bincount(column)
        if len(counts) >= LEAST_VALUES.get(kind, np.inf):
            for k in np.flatnonzero(shares[:, f] > HELD_ABOVE):
                table[k, f] = folded_share(_response(z[:, k], column), counts, kind)
    of_factors = table[shares.argmax(0), range(len(kept))]
    known = of_factors[np.isfinite(of_factors)]
    score = float(known.mean()) if len(known) else float("nan")
    return OneToOne(score, of_all_factors(of_factors, varies), of_all_factors(table, varies))


def folded_share(response: np.ndarray, counts: np.ndarray, kind: str = "ordered") -> float:
    """The score of one response: the code ``(V,)`` at each value of a factor, and how many data have it.

    >>> folded_share(np.array([2.0, 1.0, 1.0, 2.0]), np.ones(4))  # folded in the middle
    0.0
    >>> folded_share(np.array([2.0, 3.0, 0.0, 1.0]), np.ones(4), "cyclic")  # monotone from the third value on
    1.0
    """
    values = np.arange(len(response), dtype=np.float64)
    if kind == "ordered":
        return _best_fit(response, values, counts)
    cuts = (np.roll(values, cut) for cut in range(len(values)))
    best = max(_best_fit(response, cut, counts) for cut in cuts)
    return max(0.0, (best - FLAT_CIRCLE) / (1 - FLAT_CIRCLE))


def _best_fit(response: np.ndarray, values: np.ndarray, counts: np.ndarray) -> float:
    """The share of the values' variance that a monotone function of the response explains, R²."""
    centre = np.average(values, weights=counts)
    fits = [
        IsotonicRegression(increasing=increasing).fit_transform(response, values, sample_weight=counts)
        for increasing in (True, False)
    ]
    variance = np.average((values - centre) ** 2, weights=counts)
    return float(max(0.0, *(1 - np.average((values - fit) ** 2, weights=counts) / variance for fit in fits)))


def _response(code: np.ndarray, column: np.ndarray) -> np.ndarray:
    """The median code at each value of a factor, ``(V,)``: where a circle is cut, a mean would lie in between."""
    return np.array([np.median(code[column == value]) for value in range(column.max() + 1)])


def _shares_held(z: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Information of ranks in 20 bins, less what chance gives, as a share of the factor's entropy, ``(K, F)``."""
    ranks = rankdata(z, axis=0)
    bins = np.array([min(BINS, len(np.unique(column))) for column in z.T])
    chance = np.outer(bins - 1, classes.max(0)) / (2 * len(z))
    return (information_of(ranks, classes, BINS) - chance) / entropies(classes)
