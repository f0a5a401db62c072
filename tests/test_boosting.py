"""Boosters agree with scikit-learn's exact one, and importances are what their formula says."""

from __future__ import annotations

from statistics import mean

import numpy as np
import pytest
from codes import SMALL, drawn, mixed, rotated
from sklearn.ensemble import GradientBoostingClassifier

from pyro_bvae import metrics
from pyro_bvae.metrics import presorted
from pyro_bvae.metrics.boosting import BOOSTERS
from pyro_bvae.metrics.presorted import PresortedTrees

FACTORS = np.random.default_rng(0).integers([2, 3, 5], size=(600, 3))


def codes(factors: np.ndarray) -> dict[str, np.ndarray]:
    """Codes that are noisy, duplicated, entangled, and partly dead."""
    random = np.random.default_rng(5)
    z = (factors - factors.mean(0)) / factors.std(0)
    near = z + 0.3 * random.normal(size=z.shape)
    noise = random.normal(size=z.shape)
    return {
        "noisy": np.hstack([z + random.normal(size=z.shape), noise]),
        "duplicated": np.hstack([z, z]),
        "entangled": np.hstack([rotated(factors) + 0.1 * noise, z @ random.normal(size=(z.shape[1], 2))]),
        "partly dead": np.hstack([near[:, 1:], near.sum(1, keepdims=True), 0.01 * noise[:, :1], np.zeros((len(z), 1))]),
    }


@pytest.mark.parametrize("name", codes(FACTORS))
def test_presorted_trees_score_as_the_literatures(name: str) -> None:
    z = codes(FACTORS)[name].astype(np.float32)
    seeds = range(4 if name == "duplicated" else 1)  # copies tie, and ties are drawn: the mean is what agrees
    exact, ours = (
        [metrics.dci(z, FACTORS, booster=booster, seed=seed) for seed in seeds] for booster in ("exact", "presorted")
    )
    for score in ("disentanglement", "completeness", "informativeness"):
        expected = mean(getattr(dci, score) for dci in exact)
        assert mean(getattr(dci, score) for dci in ours) == pytest.approx(expected, abs=0.02), score
    if name != "duplicated":
        np.testing.assert_allclose(ours[0].importances, exact[0].importances, atol=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("name", codes(FACTORS))
def test_presorted_trees_score_as_the_literatures_at_many_classes(name: str) -> None:
    factors = drawn(3000)[:, [0, 1, 4]]
    z = codes(factors)[name].astype(np.float32)
    exact, ours = (metrics.dci(z, factors, booster=booster) for booster in ("exact", "presorted"))
    assert ours.disentanglement == pytest.approx(exact.disentanglement, abs=0.02)
    assert ours.completeness == pytest.approx(exact.completeness, abs=0.03 if name == "duplicated" else 0.02)
    assert ours.informativeness == pytest.approx(exact.informativeness, abs=0.02)


def test_the_first_rounds_are_the_literatures_but_for_ties(monkeypatch: pytest.MonkeyPatch) -> None:
    z, column = codes(FACTORS)["noisy"].astype(np.float32), FACTORS[:, 2]
    exact = GradientBoostingClassifier(n_estimators=3, random_state=0).fit(z, column)
    monkeypatch.setattr(presorted, "ROUNDS", 3)
    ours = PresortedTrees(z, column, 0)
    np.testing.assert_allclose(ours.importances, exact.feature_importances_, atol=0.01)
    assert (ours.predict(z) == exact.predict(z)).mean() > 0.97


def test_the_bins_that_are_searched_hold_the_best_thresholds(monkeypatch: pytest.MonkeyPatch) -> None:
    factors = drawn(900)
    z, column = codes(factors)["noisy"], factors[:, 0]
    few = PresortedTrees(z, column, 0)
    monkeypatch.setattr(presorted, "SEARCHED", 10_000)
    every = PresortedTrees(z, column, 0)
    np.testing.assert_allclose(few.importances, every.importances, atol=0.01)


@pytest.mark.parametrize("change", [lambda z: z**3, lambda z: 100 * z, np.exp])
def test_importances_bear_a_change_that_keeps_the_order(change: np.ufunc) -> None:
    z, column = codes(FACTORS)["noisy"].astype(np.float32), FACTORS[:, 1]
    before, after = (PresortedTrees(values, column, 0).importances for values in (z, change(z.astype(np.float64))))
    np.testing.assert_allclose(after, before, atol=0.01)


def test_copies_share_what_they_are_worth() -> None:
    z, column = codes(FACTORS)["noisy"][:, 2:3], FACTORS[:, 2]
    importances = PresortedTrees(np.hstack([z, z, z, np.zeros_like(z)]), column, 0).importances
    np.testing.assert_allclose(importances, [1 / 3, 1 / 3, 1 / 3, 0], atol=0.04)


@pytest.mark.parametrize("booster", BOOSTERS)
def test_latents_that_do_not_vary_have_no_importance(booster: str) -> None:
    trees, importances = BOOSTERS[booster](np.ones((40, 3)), np.arange(40) % 3 // 2, 0)
    np.testing.assert_array_equal(importances, 0)
    np.testing.assert_array_equal(trees.predict(np.ones((2, 3))), 0)  # the larger class


@pytest.mark.parametrize("booster", BOOSTERS)
def test_one_latent_that_is_the_class_predicts_it(booster: str) -> None:
    column = np.arange(60) % 4 + 7
    trees, importances = BOOSTERS[booster](np.column_stack([column, np.zeros(60)]), column, 0)
    np.testing.assert_allclose(importances, [1, 0])
    assert trees.score(np.column_stack([column, np.zeros(60)]), column) == 1


def test_the_histogram_booster_is_near_on_a_small_grid() -> None:
    z = SMALL[:, :3] + 0.2 * np.random.default_rng(0).normal(size=(len(SMALL), 3))
    exact, histogram = (metrics.dci(z, SMALL[:, :3], booster=booster) for booster in ("presorted", "histogram"))
    assert histogram.disentanglement == pytest.approx(exact.disentanglement, abs=0.06)
    assert histogram.completeness == pytest.approx(exact.completeness, abs=0.06)
    assert histogram.informativeness == pytest.approx(exact.informativeness, abs=0.06)


def test_importances_of_histograms_are_falls_in_squared_residual() -> None:
    factors = SMALL[np.random.default_rng(0).integers(len(SMALL), size=500)]
    z, column = mixed(factors), factors[:, 2]
    trees, importances = BOOSTERS["histogram"](z, column, 0)
    shares = [np.full((500, 5), np.bincount(column) / 500), *map(softmax_of, trees.staged_decision_function(z))]
    falls = np.zeros(z.shape[1])
    for share, round_ in zip(shares, trees._predictors, strict=False):
        for c, tree in enumerate(round_):
            falls += fall(tree.nodes, 0, z, (column == c) - share[:, c])
    np.testing.assert_allclose(importances, falls / falls.sum(), atol=0.005)


def softmax_of(logits: np.ndarray) -> np.ndarray:
    shares = np.exp(logits - logits.max(1, keepdims=True))
    return shares / shares.sum(1, keepdims=True)


def fall(nodes: np.ndarray, at: int, z: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """Σ (r − r̄)² of a node less that of its children, added to the latent it is split on, over a tree."""
    falls = np.zeros(z.shape[1])
    node = nodes[at]
    if node["is_leaf"]:
        return falls
    is_left = z[:, node["feature_idx"]] <= node["num_threshold"]
    parts = residual[is_left], residual[~is_left]
    falls[node["feature_idx"]] = residual.var() * len(residual) - sum(part.var() * len(part) for part in parts)
    for child, inside in ((node["left"], is_left), (node["right"], ~is_left)):
        falls += fall(nodes, int(child), z[inside], residual[inside])
    return falls
