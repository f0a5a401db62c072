"""Scores are what their formulas say: at their ceilings, at chance, by hand, and under harmless changes of a code."""

from __future__ import annotations

from collections.abc import Callable
from math import log

import numpy as np
import pytest
import torch

from pyro_bvae import metrics
from pyro_bvae.datasets import Dataset
from pyro_bvae.metrics.arrays import split
from pyro_bvae.metrics.boosting import BOOSTERS
from pyro_bvae.metrics.dci import completeness, disentanglement
from pyro_bvae.metrics.modularity import modularity_of

Score = Callable[[np.ndarray, np.ndarray], float]
FEW = {"points": 1500, "test_points": 1000}  # points of the metrics that sample


def grid(*sizes: int) -> np.ndarray:
    """All combinations of factors with so many values, the last one fastest."""
    return np.stack(np.meshgrid(*map(range, sizes), indexing="ij"), axis=-1).reshape(-1, len(sizes))


SCORES: dict[str, Score] = {
    "mig": metrics.mig,
    "modularity": metrics.modularity,
    "sap": metrics.sap,
    "explicitness": metrics.explicitness,
    "irs": metrics.irs,
    "beta-vae": lambda z, v: metrics.beta_vae_score(z, v, **FEW),
    "beta-vae-paper": lambda z, v: metrics.beta_vae_score(z, v, protocol="paper", **FEW),
    "factor-vae": lambda z, v: metrics.factor_vae_score(z, v, **FEW),
    "disentanglement": lambda z, v: metrics.dci(z, v).disentanglement,
    "completeness": lambda z, v: metrics.dci(z, v).completeness,
    "informativeness": lambda z, v: metrics.dci(z, v).informativeness,
}
DSPRITES = grid(3, 6, 40, 32, 32)
SMALL = grid(3, 4, 5, 6)


def drawn(number: int, seed: int = 0) -> np.ndarray:
    """So many points of dSprites' grid."""
    return DSPRITES[np.random.default_rng(seed).permutation(len(DSPRITES))[:number]]


def rotated(factors: np.ndarray) -> np.ndarray:
    """Standardised factors, turned so that every latent mixes all of them."""
    angles = 2 * np.pi * np.outer(range(factors.shape[1]), range(factors.shape[1])) / factors.shape[1]
    hartley = (np.cos(angles) + np.sin(angles)) / np.sqrt(factors.shape[1])  # orthogonal
    return (factors - factors.mean(0)) / factors.std(0) @ hartley


def mixed(factors: np.ndarray) -> np.ndarray:
    """A code that is neither good nor bad, with more latents than factors."""
    random = np.random.default_rng(1)
    z = factors @ random.normal(size=(factors.shape[1], factors.shape[1] + 1))
    return z + 0.3 * random.normal(size=z.shape)


@pytest.mark.parametrize("sizes", [(2, 2), (3, 4, 5), (20, 7), (20, 20)])
def test_factors_of_at_most_20_values_score_one(sizes: tuple[int, ...]) -> None:
    factors = grid(*sizes)
    assert metrics.mig(factors, factors) == pytest.approx(1)
    assert metrics.modularity(factors, factors) == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "ceiling"),
    [
        ("mig", 0.896), ("modularity", 1), ("sap", 0.23), ("explicitness", 0.988), ("irs", 1), ("beta-vae", 1),
        ("beta-vae-paper", 1), ("factor-vae", 1),
    ],
)  # fmt: skip
def test_factors_score_the_ceiling_of_dsprites_grid(name: str, ceiling: float) -> None:
    factors = drawn(15_000)
    assert SCORES[name](factors, factors) == pytest.approx(ceiling, abs=0.005)


def test_factors_score_the_ceilings_of_dci_on_dsprites_grid() -> None:
    factors = drawn(6000)
    found = metrics.dci(factors, factors)
    assert (found.disentanglement, found.completeness, found.informativeness) == pytest.approx((1, 1, 1), abs=0.005)
    np.testing.assert_allclose(found.importances, np.eye(5), atol=1e-3)


def test_mig_of_the_whole_grid_is_what_20_bins_allow() -> None:
    halves = [log(20) / log(40)] + 2 * [(log(32) - 24 / 32 * log(2)) / log(32)]  # 12 of 20 bins hold two of 32 values
    assert metrics.mig(DSPRITES, DSPRITES) == pytest.approx(np.mean([1, 1, *halves]), abs=1e-9)


@pytest.mark.parametrize(
    ("name", "chance", "spread"),
    [
        ("mig", 0, 0.01), ("sap", 0, 0.02), ("explicitness", 0.5, 0.02), ("irs", 0, 0.05), ("beta-vae", 1 / 5, 0.05),
        ("beta-vae-paper", 1 / 5, 0.05), ("factor-vae", 1 / 5, 0.05), ("modularity", 0.66, 0.1),
    ],
)  # fmt: skip
def test_shuffled_codes_score_at_chance(name: str, chance: float, spread: float) -> None:
    factors = drawn(10_000)
    assert SCORES[name](drawn(10_000, seed=1), factors) == pytest.approx(chance, abs=spread)


def test_shuffled_codes_have_no_dci() -> None:
    factors = SMALL[np.random.default_rng(0).integers(len(SMALL), size=3000)]
    found = metrics.dci(np.random.default_rng(1).normal(size=(3000, 6)), factors)
    assert found.disentanglement < 0.05
    assert found.completeness < 0.1
    assert found.informativeness == pytest.approx(np.mean([1 / 3, 1 / 4, 1 / 5, 1 / 6]), abs=0.03)


def test_a_rotated_code_is_informative_and_entangled() -> None:
    factors = drawn(6000)
    z = rotated(factors)
    assert metrics.explicitness(z, factors) > 0.97
    assert metrics.dci(z, factors).disentanglement < 0.1
    for name, most in {"mig": 0.05, "sap": 0.05, "irs": 0.5, "factor-vae": 0.7}.items():
        assert SCORES[name](z, factors) < most, name


@pytest.mark.parametrize("name", SCORES)
def test_order_and_sign_of_latents_do_not_matter(name: str) -> None:
    z = mixed(SMALL)
    changed = z[:, np.random.default_rng(2).permutation(z.shape[1])] * [1, -1, 1, -1, -1]
    near = 0.03 if name in ("disentanglement", "completeness", "informativeness") else 0.005
    assert SCORES[name](changed, SMALL) == pytest.approx(SCORES[name](z, SMALL), abs=near)


@pytest.mark.parametrize("name", SCORES)
def test_a_constant_latent_is_defined(name: str) -> None:
    z = mixed(SMALL)
    expected = SCORES[name](z, SMALL)
    if name == "modularity":  # it knows nothing, and counts as 0
        expected *= 5 / 6
    if name == "completeness":  # which is relative to the number of latents
        expected = 1 - (1 - expected) * log(5) / log(6)
    assert SCORES[name](np.column_stack([z, np.full(len(z), 0.1)]), SMALL) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("name", SCORES)
def test_a_factor_with_a_single_value_is_left_out(name: str) -> None:
    z = mixed(SMALL)
    more = np.column_stack([np.full(len(z), 7), SMALL])
    assert SCORES[name](z, more) == pytest.approx(SCORES[name](z, SMALL), abs=1e-9)


@pytest.mark.parametrize("name", SCORES)
def test_without_a_factor_that_varies_there_is_no_score(name: str) -> None:
    with pytest.raises(ValueError, match=r"factors? that var"):
        SCORES[name](mixed(SMALL), np.zeros_like(SMALL))


@pytest.mark.parametrize("name", SCORES)
def test_fewer_points_than_classes_are_scored_or_refused(name: str) -> None:
    factors = np.column_stack([np.arange(6) % 2, np.arange(6)])  # every point a class of its own
    z = np.random.default_rng(0).normal(size=(6, 3))
    try:
        assert -1 <= SCORES[name](z, factors) <= 1
    except ValueError as error:
        assert "points" in str(error)  # noqa: PT017


def test_too_few_points_to_split_are_refused() -> None:
    factors = np.array([[0, 0], [0, 1], [1, 0]])
    for score in (metrics.sap, metrics.dci, metrics.explicitness):
        with pytest.raises(ValueError, match="training points hold a single value of factor"):
            score(factors, factors, train_fraction=0.4)
        with pytest.raises(ValueError, match="must leave both parts some of 3 points"):
            score(factors, factors, train_fraction=0.99)


@pytest.mark.parametrize("score", [metrics.sap, metrics.dci, metrics.explicitness])
def test_the_seed_decides_the_split(score: Callable[..., float]) -> None:
    z = mixed(SMALL)
    found = [getattr(value, "informativeness", value) for value in (score(z, SMALL, seed=seed) for seed in (3, 3, 4))]
    assert found[0] == found[1] != found[2]


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


@pytest.mark.parametrize("protocol", metrics.PROTOCOLS)
def test_beta_vae_score_of_one_pair_by_hand(protocol: str) -> None:
    factors = grid(2, 2)
    z = factors[:, :1]  # |z₁ − z₂| is 0 if the first is shared, else 0 half of the time: right in 3 of 4 cases
    score = metrics.beta_vae_score(z, factors, protocol=protocol, pairs=1, points=4000, test_points=20_000)
    assert score == pytest.approx(0.75, abs=0.015)
    assert metrics.beta_vae_score(z, factors, protocol=protocol, **FEW) == 1  # the other factor, by exclusion


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


def test_udr_is_lower_where_seeds_disagree() -> None:
    random = np.random.default_rng(0)
    z = random.normal(size=(1000, 4))
    turned = [z @ np.linalg.qr(random.normal(size=(4, 4)))[0] for _ in range(3)]
    assert min(metrics.udr([z, z[:, ::-1], -z])) > 0.85
    assert max(metrics.udr(turned)) < 0.7


def test_scores_take_tensors_lists_and_functions() -> None:
    factors = grid(3, 4)
    z = torch.tensor(factors).float()
    images = z[:, :, None, None].expand(-1, -1, 4, 4) / 4  # (N, 2, 4, 4): the factors are its channels
    data = Dataset("made", images, factors=torch.tensor(factors), factor_names=["shape", "x"])
    assert metrics.mig(z, data.factors) == metrics.mig(factors.tolist(), factors.tolist()) == pytest.approx(1)
    codes = images[:, :, 0, 0]
    for score in (metrics.beta_vae_score, metrics.factor_vae_score):
        assert score(lambda x: x[:, :, 0, 0], data, **FEW) == score(codes, data, **FEW) == score(codes, factors, **FEW)
    assert metrics.irs(lambda x: x[:, :, 0, 0], data) == metrics.irs(codes, factors)


def test_the_papers_protocol_does_not_ask_for_the_shape() -> None:
    factors = grid(3, 4, 5)
    data = Dataset("made", torch.rand(60, 1, 4, 4), factors=torch.tensor(factors), factor_names=["shape", "x", "y"])
    only = factors[:, 1:2]  # tells x from y; from x, y and shape it can tell x alone
    assert metrics.beta_vae_score(only, data, protocol="paper", **FEW) == 1
    assert metrics.beta_vae_score(only, data, protocol="sklearn", **FEW) == pytest.approx(2 / 3, abs=0.05)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.mig(np.zeros(4), np.zeros((4, 1))), r"codes must be N×K, got shape \(4,\)"),
        (lambda: metrics.mig(np.zeros((4, 2)), np.zeros(4)), r"factors must be N×F, got shape \(4,\)"),
        (lambda: metrics.mig(np.zeros((4, 2)), np.zeros((5, 2))), "as many rows, got 4 and 5"),
        (lambda: metrics.mig(np.full((4, 2), np.nan), np.zeros((4, 2))), "8 values that are NaN or infinite"),
        (lambda: metrics.mig(np.zeros((4, 2)), np.full((4, 2), 0.5)), "factors must be integer classes"),
        (lambda: metrics.mig(SMALL[:, :1], SMALL), "defined from 2 latents on"),
        (lambda: metrics.mig(SMALL[:1], SMALL[:1]), "at least 2 rows"),
        (lambda: metrics.mig(SMALL, SMALL, bins=1), "bins must be at least 2"),
        (lambda: metrics.modularity(SMALL, SMALL[:, :1]), "at least 2 factors that vary, got 1"),
        (lambda: metrics.dci(SMALL, SMALL, booster="exactly"), "did you mean 'exact'"),
        (lambda: metrics.irs(SMALL, SMALL, quantile=99), r"quantile must lie in \[0, 1\], got 99"),
        (lambda: metrics.beta_vae_score(SMALL, SMALL, protocol="sklern"), "did you mean 'sklearn'"),
        (lambda: metrics.beta_vae_score(SMALL, SMALL, pairs=-1), "a pair and point at least"),
        (lambda: metrics.beta_vae_score(SMALL, Dataset("a", torch.rand(360, 3))), "a has no factors"),
        (lambda: metrics.factor_vae_score(SMALL, SMALL, batch=1), "2 data a vote"),
        (lambda: metrics.factor_vae_score(SMALL[:5], SMALL), "as many rows, got 5 and 360"),
        (lambda: metrics.udr([SMALL]), "at least 2 runs"),
        (lambda: metrics.udr([SMALL, SMALL[:9]]), "at least 2 runs on the same data"),
        (lambda: metrics.udr([SMALL, SMALL], [[1.0], [1.0]]), "a number for each latent of each run"),
    ],
)
def test_mistakes_are_named(call: Callable[[], float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_a_function_needs_data_to_encode() -> None:
    with pytest.raises(TypeError, match="encodes the images of a Dataset"):
        metrics.beta_vae_score(lambda x: x, SMALL)


def test_the_boosters_agree_on_a_small_grid() -> None:
    for z in (mixed(SMALL), SMALL + 0.2 * np.random.default_rng(0).normal(size=SMALL.shape)):
        exact, histogram = (metrics.dci(z, SMALL, booster=booster) for booster in ("exact", "histogram"))
        assert histogram.disentanglement == pytest.approx(exact.disentanglement, abs=0.06)
        assert histogram.completeness == pytest.approx(exact.completeness, abs=0.06)
        assert histogram.informativeness == pytest.approx(exact.informativeness, abs=0.06)


@pytest.mark.slow
@pytest.mark.parametrize(
    "code", [rotated, mixed, lambda factors: factors + np.random.default_rng(0).normal(size=(1, 5))]
)
def test_the_boosters_agree_on_dsprites_grid(code: Callable[[np.ndarray], np.ndarray]) -> None:
    factors = drawn(15_000)
    exact, histogram = (metrics.dci(code(factors), factors, booster=booster) for booster in ("exact", "histogram"))
    assert histogram.disentanglement == pytest.approx(exact.disentanglement, abs=0.04)
    assert histogram.completeness == pytest.approx(exact.completeness, abs=0.04)
    assert histogram.informativeness == pytest.approx(exact.informativeness, abs=0.04)
    np.testing.assert_allclose(histogram.importances, exact.importances, atol=0.08)


def test_importances_are_falls_in_squared_residual() -> None:
    factors = SMALL[np.random.default_rng(0).integers(len(SMALL), size=500)]
    z, column = mixed(factors), factors[:, 2]
    trees, found = BOOSTERS["histogram"](z, column, 0)
    shares = [np.full((500, 5), np.bincount(column) / 500), *map(softmax_of, trees.staged_decision_function(z))]
    falls = np.zeros(z.shape[1])
    for share, round_ in zip(shares, trees._predictors, strict=False):
        for c, tree in enumerate(round_):
            falls += fall(tree.nodes, 0, z, (column == c) - share[:, c])
    np.testing.assert_allclose(found, falls / falls.sum(), atol=0.005)


def softmax_of(logits: np.ndarray) -> np.ndarray:
    shares = np.exp(logits - logits.max(1, keepdims=True))
    return shares / shares.sum(1, keepdims=True)


def fall(nodes: np.ndarray, at: int, z: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """Σ (r − r̄)² of a node less that of its children, added to the latent it is split on, over a tree."""
    found = np.zeros(z.shape[1])
    node = nodes[at]
    if node["is_leaf"]:
        return found
    is_left = z[:, node["feature_idx"]] <= node["num_threshold"]
    parts = residual[is_left], residual[~is_left]
    found[node["feature_idx"]] = residual.var() * len(residual) - sum(part.var() * len(part) for part in parts)
    for child, inside in ((node["left"], is_left), (node["right"], ~is_left)):
        found += fall(nodes, int(child), z[inside], residual[inside])
    return found
