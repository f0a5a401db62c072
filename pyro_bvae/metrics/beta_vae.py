"""The β-VAE paper's metric: when a pair of images shares one factor, can a linear classifier say which from the codes?

A point: draw a factor f; draw L pairs of data whose two share the value of f, their other factors independent; encode.
Its feature is the mean over the pairs of |z₁ − z₂|, a number a latent, and its class is f. The score is the accuracy
of a linear classifier on points that it was not fitted to.

Source: Higgins et al., β-VAE, https://openreview.net/forum?id=Sy2fzU9gl, section 3
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from ..datasets import Dataset
from ..settings.names import check
from .arrays import stopped_early
from .sampling import Encoder, FactorSampler, Source
from .softmax import Softmax

__all__ = ["PROTOCOLS", "Protocol", "beta_vae_score"]

PAIRS_AT_ONCE = 5_000  # that are encoded together


@dataclass(frozen=True)
class Protocol:
    """A way of taking the score. Scores taken by two protocols cannot be compared.

    Attributes:
        classifier: The classifier, in words.
        leaves_out: Names of the factors that are never the shared one.
        pairs: Pairs a point, L.
        points: Points that the classifier is fitted to.
        test_points: Points that it is scored on.
        fit: From features, classes, number of classes and a seed to a fitted classifier.
    """

    classifier: str
    leaves_out: tuple[str, ...]
    pairs: int
    points: int
    test_points: int
    fit: Callable[[np.ndarray, np.ndarray, int, int], LogisticRegression | Softmax]


PROTOCOLS = {
    "paper": Protocol(
        "linear softmax, Adagrad 0.01, 10,000 steps of 10",
        ("shape",), 64, 10_000, 5_000,
        lambda x, y, classes, seed: Softmax(classes, seed=seed).fit(x, y),
    ),
    "sklearn": Protocol(
        "LogisticRegression()", (), 64, 10_000, 5_000,
        lambda x, y, classes, seed: LogisticRegression(random_state=seed).fit(x, y),  # noqa: ARG005
    ),
}  # fmt: skip


def beta_vae_score(
    encode: Encoder | ArrayLike | Tensor,
    dataset: Dataset | ArrayLike | Tensor,
    *,
    protocol: str | Protocol = "sklearn",
    factors: Sequence[int] | None = None,
    pairs: int | None = None,
    points: int | None = None,
    test_points: int | None = None,
    seed: int = 0,
) -> float:
    """The β-VAE metric, in one of the two protocols in use.

    "paper" is Higgins et al.'s own: every factor but the shape (four on dSprites), and a linear softmax classifier
    fitted by Adagrad at 0.01. The paper does not say for how long; here it is 10,000 steps of 10 points, ten passes.
    After 1,000 steps the score depends on the scale of a code: for the codes of one β-VAE of dSprites, multiplied by
    0.3, 1 or 3, it is 0.85 to 0.99, and after 10,000 steps 0.97 to 0.99.

    "sklearn" is Locatello et al.'s: all factors (five), and scikit-learn's `LogisticRegression`, fitted for longer. The
    score depends strongly on the number of factors and of pairs as well: report both with it.

    Range: 0 to 1; chance is 1/F; the ceiling, codes equal to the factors, is 1. A code with F − 1 good latents may
    score 1 as well, since the classifier infers the last factor from the absence of all others.

    Degenerate cases: a factor with a single value is never the shared one; a constant latent is a feature of zeros;
    where factors have no names, nothing says which is the shape, and the paper's protocol needs ``factors``.

    Source: Higgins et al., https://openreview.net/forum?id=Sy2fzU9gl; Locatello et al.,
    https://arxiv.org/abs/1811.12359

    Args:
        encode: A function from data ``(B, *shape)`` to codes ``(B, K)``, or codes of all data ``(N, K)``.
        dataset: Data with factors, or the factors ``(N, F)`` where codes are given.
        protocol: A key of `PROTOCOLS`, or one of your own.
        factors: Columns of the factors that pairs share, in place of the protocol's.
        pairs: Pairs a point; this, ``points`` and ``test_points`` are the protocol's by default.
        points: Points that the classifier is fitted to.
        test_points: Points that it is scored on.
        seed: Seed of all draws.

    Returns:
        Test accuracy.

    Raises:
        ValueError: Fewer than two factors that vary, a column that is given twice or does not vary, numbers below 1, an
            unknown protocol, or arrays that do not fit.
    """
    settings = protocol if isinstance(protocol, Protocol) else PROTOCOLS[check("protocol", protocol, PROTOCOLS)]
    source = Source(encode, dataset)
    columns = source.columns(settings.leaves_out) if factors is None else np.asarray(factors)
    if len(np.unique(columns)) < len(columns) or not np.isin(columns, source.columns()).all():
        raise ValueError(f"factors must be different columns that vary, of {source.columns()}, got {columns}")
    given = {"pairs": pairs, "points": points, "test_points": test_points}
    numbers = [getattr(settings, name) if number is None else number for name, number in given.items()]
    if len(columns) < 2 or min(numbers) < 1:
        raise ValueError(
            f"this score needs 2 factors that vary and a pair and point at least, got {columns.tolist()} and {numbers}"
        )
    random = np.random.default_rng(seed)
    x, y = _points(source, columns, numbers[0], numbers[1] + numbers[2], random)
    train = numbers[1]
    if len(np.unique(y[:train])) < 2:
        raise ValueError(f"{train} points ask for a single factor: give more points")
    with stopped_early():
        classifier = settings.fit(x[:train], y[:train], len(columns), seed)
    return float(classifier.score(x[train:], y[train:]))


def _points(
    source: Source, columns: np.ndarray, pairs: int, points: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Features ``(points, K)``, and for each point the index into ``columns`` of the factor that its pairs share."""
    sampler = FactorSampler(source.factors)
    labels = random.integers(len(columns), size=points)
    features = []
    for some in np.array_split(labels, -(-points * pairs // PAIRS_AT_ONCE)):
        first = sampler.first((len(some), pairs), columns[some][:, None], random)
        second = sampler.sharing(first, columns[some][:, None], random)
        z = source.codes(np.stack([first, second]).ravel()).reshape(2, len(some), pairs, -1)
        features.append(np.abs(z[0] - z[1]).mean(1))  # (some, K)
    return np.concatenate(features), labels
