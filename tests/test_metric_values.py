"""Scores of small fixed codes agree with values worked out by hand."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
from codes import FEW, grid
from sklearn.linear_model import Lasso

from pyro_bvae import metrics
from pyro_bvae.metrics.arrays import split
from pyro_bvae.metrics.dci import completeness, disentanglement
from pyro_bvae.metrics.modularity import modularity_of


def test_mutual_information_by_hand() -> None:
    v = np.array([[0], [0], [1], [1]])
    z = np.array([[0.0, 0.0, 5.0], [0.0, 1.0, 5.0], [1.0, 1.0, 5.0], [1.0, 1.0, 5.0]])
    joint = 2 * (1 / 4) * log(4) + 1 / 2 * log(2)  # of the second latent and the factor
    second = log(2) + (1 / 4 * log(4) + 3 / 4 * log(4 / 3)) - joint
    np.testing.assert_allclose(metrics.mutual_information(z, v)[:, 0], [log(2), second, 0], atol=1e-12)
    assert metrics.mig(z, v) == pytest.approx((log(2) - second) / log(2))


def test_modularity_by_hand() -> None:
    information = np.array([[1.0, 0.0, 0.5], [0.3, 0.4, 0.0], [0.0, 0.0, 0.0]])
    assert modularity_of(information) == pytest.approx(((1 - 0.25 / 2) + (1 - 0.09 / (0.16 * 2)) + 0) / 3)


def test_sap_by_hand() -> None:
    v = np.tile([0, 1, 1], 60)[:, None]
    _, test = split(v, 2 / 3, seed=0)
    z = np.column_stack([10.0 * v[:, 0], np.zeros(180)])  # the first is always right, the second always says one class
    assert metrics.sap(z, v) in (pytest.approx(1 - v[test].mean()), pytest.approx(v[test].mean()))
    assert metrics.sap(np.column_stack([v, -v]), v) == 0


def test_dci_by_hand() -> None:
    importances = np.array([[0.75, 0.0], [0.25, 0.5], [0.0, 0.5]])
    quarter = (1 / 3 * log(3) + 2 / 3 * log(3 / 2)) / log(2)  # entropy of the second row, 1/3 and 2/3, in base F = 2
    assert disentanglement(importances) == pytest.approx((0.75 * 1 + 0.75 * (1 - quarter) + 0.5 * 1) / 2)
    first, second = (3 / 4 * log(4 / 3) + 1 / 4 * log(4)) / log(3), log(2) / log(3)  # the columns', in base K = 3
    assert completeness(importances) == pytest.approx((2 - first - second) / 2)
    assert disentanglement(np.zeros((3, 2))) == 0


def test_explicitness_of_one_latent_is_the_share_of_pairs_in_order() -> None:
    random = np.random.default_rng(0)
    v = random.integers(2, size=(300, 1))
    z = v + random.normal(size=(300, 1))
    _, test = split(v, 2 / 3, seed=0)
    zeros, ones = z[test][v[test] == 0], z[test][v[test] == 1]
    assert metrics.explicitness(z, v) == pytest.approx(np.mean(ones[:, None] > zeros))


def test_irs_by_hand() -> None:
    z, v = np.array([[0.0], [1.0], [4.0], [5.0]]), np.array([[0], [0], [1], [1]])
    assert metrics.irs(z, v, quantile=1) == pytest.approx(1 - 0.5 / 2.5)
    two = np.column_stack([z, [0.0, 10.0, 0.0, 10.0]])  # which ignores the factor: 1 − 5/5, and weighs 5
    assert metrics.irs(two, v, quantile=1) == pytest.approx((2.5 * 0.8 + 5 * 0) / 7.5)
    assert metrics.irs(np.ones((4, 2)), v) == 0
    far = np.column_stack([np.append(np.zeros(100), [101.0, 0.0, 0.0])])  # one of 101 is far from its class's mean, 1
    classes = np.repeat([0, 1], [101, 2])[:, None]
    largest = 101 - 101 / 103
    assert metrics.irs(far, classes) == pytest.approx(1 - (1 + 0) / 2 / largest)  # 99% of deviations are 1
    assert metrics.irs(far, classes, quantile=1) == pytest.approx(1 - (100 + 0) / 2 / largest)


@pytest.mark.parametrize("protocol", metrics.PROTOCOLS)
def test_beta_vae_score_of_one_pair_by_hand(protocol: str) -> None:
    factors, asked = grid(2, 2), {"protocol": protocol, "factors": [0, 1]}
    z = factors[:, :1]  # |z₁ − z₂| is 0 if the first is shared, else 0 half of the time: right in 3 of 4 cases
    score = metrics.beta_vae_score(z, factors, **asked, pairs=1, points=4000, test_points=20_000)
    assert score == pytest.approx(0.75, abs=0.015)
    assert metrics.beta_vae_score(z, factors, **asked, **FEW) == 1  # the other factor, by exclusion


def test_factor_vae_score_of_one_latent_is_the_share_of_its_factor() -> None:
    factors = grid(2, 2)
    z = np.column_stack([factors[:, 0], 0.01 * factors[:, 1]])  # the second varies too little to be voted for
    assert metrics.factor_vae_score(z, factors, **FEW) == pytest.approx(0.5, abs=0.05)
    assert metrics.factor_vae_score(0.01 * z, factors, **FEW) == 0
    assert metrics.factor_vae_score(factors, factors, **FEW) == 1


def test_total_correlation_of_two_latents_by_hand() -> None:
    a, b = np.array([1.0, -1.0, 1.0, -1.0]), np.array([1.0, 1.0, -1.0, -1.0])
    z = np.column_stack([a, 0.6 * a + 0.8 * b, np.full(4, 3.0)])  # correlation 0.6, and a constant
    assert metrics.total_correlation(z) == pytest.approx(-log(1 - 0.36) / 2)
    assert metrics.total_correlation(np.column_stack([a, b])) == 0
    assert metrics.total_correlation(np.column_stack([a, a])) > 10
    assert metrics.total_correlation(np.ones((4, 3))) == 0


def test_udr_of_copies_by_hand() -> None:
    a, b = np.array([1.0, -1.0, 1.0, -1.0] * 5), np.array([1.0, 1.0, -1.0, -1.0] * 5)
    runs = [np.column_stack([a, b, 0.1 * a]), np.column_stack([-3 * b, a, b]), np.column_stack([b, a, 5 * b])]
    kl = [[1.0, 2.0, 0.005], [1.0, 1.0, 0.0], [0.5, 0.5, 0.01]]  # the third latent of each is inactive
    assert metrics.udr(runs, kl) == pytest.approx([0.9] * 3)  # a lasso's coefficient of 1 − 0.1: 0.9²/0.9
    assert metrics.udr(runs, kl, method="spearman") == pytest.approx([1] * 3)
    assert metrics.udr([a[:, None], b[:, None]]) == [0, 0]
    assert metrics.udr(runs, [[0.0] * 3] * 3) == [0, 0, 0]


def test_udr_is_the_median_over_partners() -> None:
    random = np.random.default_rng(0)
    z = random.normal(size=(500, 3))
    runs = [z, z[:, ::-1], z @ np.linalg.qr(random.normal(size=(3, 3)))[0], random.normal(size=(500, 2))]
    pairs = [[metrics.udr([one, other])[0] for other in runs if other is not one] for one in runs]
    assert metrics.udr(runs) == pytest.approx([np.median(of_run) for of_run in pairs])
    assert np.std(pairs[0]) > 0.2


def test_udr_by_lasso_predicts_the_partner_from_the_run() -> None:
    random = np.random.default_rng(0)
    one, noise = random.normal(size=(2, 400, 1))
    z, other = np.hstack([one, noise]), one + noise  # which needs both latents, and tells each of them by half
    r = [np.abs(Lasso(alpha=0.1).fit(standard(a), standard(b)).coef_).reshape(b.shape[1], -1).T
         for a, b in ((z, other), (other, z))]  # fmt: skip
    expected = [(np.mean(a.max(0) ** 2 / a.sum(0)) + np.mean(a.max(1) ** 2 / a.sum(1))) / 2 for a in r]
    assert metrics.udr([other, z])[0] == pytest.approx(expected[0])
    assert metrics.udr([z, other])[0] == pytest.approx(expected[1])
    assert expected[0] != pytest.approx(expected[1], abs=0.01)


def standard(z: np.ndarray) -> np.ndarray:
    return (z - z.mean(0)) / z.std(0)


def test_udr_is_lower_where_seeds_disagree() -> None:
    random = np.random.default_rng(0)
    z = random.normal(size=(1000, 4))
    turned = [z @ np.linalg.qr(random.normal(size=(4, 4)))[0] for _ in range(3)]
    assert min(metrics.udr([z, z[:, ::-1], -z])) > 0.85
    assert max(metrics.udr(turned)) < 0.7
