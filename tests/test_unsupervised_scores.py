"""Scores that need no factors: the mutual-information score and the Wasserstein correlation."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
from code_sets import code_sets, plain_information
from scipy.linalg import sqrtm

from pyro_bvae import metrics

SETS = code_sets()[1]


@pytest.mark.parametrize("name", SETS)
def test_scores_agree_with_plain_loops(name: str) -> None:
    z = SETS[name]
    latents = range(z.shape[1])
    pairs = [plain_information(z[:, k], z[:, other]) for k in latents for other in range(k)]
    assert metrics.mutual_information_score(z) == pytest.approx(np.mean(pairs))
    covariance = np.cov(z.T)
    if name == "one latent":
        assert metrics.wasserstein_correlation(z).squared == pytest.approx(0, abs=1e-12)
        return
    product = covariance * np.diag(covariance)[:, None]  # D Σ, as in disentanglement_lib
    squared = float(2 * np.trace(covariance) - 2 * np.trace(sqrtm(product)).real)
    scores = metrics.wasserstein_correlation(z)
    assert scores.squared == pytest.approx(squared, abs=1e-5)
    assert scores.normalised == pytest.approx(squared / np.trace(covariance), abs=1e-5)


def test_copies_and_independent_latents_by_hand() -> None:
    random = np.random.default_rng(0)
    z = random.normal(size=(10_000, 3))
    assert metrics.mutual_information_score(z) < 0.018
    assert metrics.wasserstein_correlation(z).normalised < 1e-3
    copies = np.repeat(random.integers(5, size=(1000, 1)), 4, axis=1)
    assert metrics.mutual_information_score(copies) == pytest.approx(log(5), abs=0.01)
    assert metrics.wasserstein_correlation(copies).normalised == pytest.approx(2 - 2 / 4**0.5)
    correlated = random.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], size=1000)
    r = np.corrcoef(correlated.T)[0, 1]
    standard = correlated / correlated.std(0)  # eigenvalues 1 ± r
    expected = 2 - ((1 + r) ** 0.5 + (1 - r) ** 0.5)
    assert metrics.wasserstein_correlation(standard).normalised == pytest.approx(expected)


def test_order_sign_and_scale_do_not_matter() -> None:
    z = SETS["mixed"]
    assert metrics.mutual_information_score(4 * z[:, ::-1]) == pytest.approx(metrics.mutual_information_score(z))
    one, other = metrics.wasserstein_correlation(z), metrics.wasserstein_correlation(-2 * z[:, ::-1])
    assert (other.normalised, other.squared) == pytest.approx((one.normalised, 4 * one.squared))


def test_dead_and_single_latents_are_defined() -> None:
    constant = np.ones((50, 3))
    assert metrics.mutual_information_score(constant) == metrics.mutual_information_score(np.eye(4)[:, :1]) == 0
    assert metrics.wasserstein_correlation(constant).normalised == 0
    assert metrics.wasserstein_correlation(np.eye(4)[:, :1]).normalised == pytest.approx(0, abs=1e-12)
    for score in (metrics.mutual_information_score, metrics.wasserstein_correlation):
        with pytest.raises(ValueError, match="values that are NaN or infinite"):
            score(np.full((4, 2), np.inf))
    with pytest.raises(ValueError, match="bins must be at least 2"):
        metrics.mutual_information_score(np.eye(4), bins=1)
