"""DCI-ES: areas by hand, ceilings and chance, and probes beside a second implementation."""

from __future__ import annotations

import numpy as np
import pytest
from code_sets import KINDS, code_sets, factors_drawn
from codes import SMALL, rotated

from pyro_bvae import metrics
from pyro_bvae.metrics.arrays import split
from pyro_bvae.metrics.dci_es import explicitness_of

FACTORS, SETS = code_sets()
SIZES = (0, 16, 32, 64, 128, 256, 512, 1024)


def test_areas_by_hand() -> None:
    capacities = np.array([0.0, 1.0, 3.0])
    assert explicitness_of(capacities, np.array([0.2, 0.2, 0.2]), 1.0) == 1  # nothing is left to be learnt
    assert explicitness_of(capacities, np.array([0.8, 0.2, 0.2]), 1.0) == pytest.approx(1 - 0.3 / 1.5)
    assert explicitness_of(capacities, np.array([1.0, 1.0, 0.0]), 1.0) == pytest.approx(1 - 2 / 1.5)
    assert explicitness_of(capacities, np.array([0.4, 0.1, 0.1]), 0.5) == pytest.approx(1 - 0.15 / 0.75)


def test_factors_score_the_ceiling() -> None:
    factors = factors_drawn(1500)
    scores = metrics.dci_es(factors, factors)
    assert (scores.explicitness, scores.informativeness, scores.size) == pytest.approx((1, 1, 1), abs=1e-3)
    assert metrics.dci_es(rotated(factors), factors).explicitness == pytest.approx(1, abs=1e-3)


def test_codes_without_information_are_explicit_of_nothing() -> None:
    factors = factors_drawn(1500)
    scores = metrics.dci_es(np.random.default_rng(0).normal(size=(1500, 8)), factors, kinds=KINDS)
    assert scores.explicitness == pytest.approx(1, abs=0.02)
    assert scores.informativeness == pytest.approx(0, abs=0.03)
    assert scores.size == 0.5


def test_a_code_that_takes_a_larger_probe_is_less_explicit() -> None:
    factors = factors_drawn(1500)
    unit = factors / factors.max(0)
    easy, hard = (metrics.dci_es(code, factors) for code in (unit, np.sin(9 * unit) + unit))
    assert easy.informativeness == pytest.approx(1, abs=0.01)
    assert hard.informativeness > 0.9
    assert hard.explicitness < 0.9 < easy.explicitness


@pytest.mark.parametrize("name", SETS)
def test_scores_agree_with_plain_loops(name: str) -> None:
    scores = metrics.dci_es(SETS[name], FACTORS, kinds=KINDS, seed=2)
    of_factors, known = plain(SETS[name], FACTORS, seed=2)
    np.testing.assert_allclose(scores.of_factors, of_factors, atol=0.01)
    assert scores.explicitness == pytest.approx(np.mean(of_factors), abs=0.005)
    assert scores.informativeness == pytest.approx(np.mean(known), abs=0.005)
    assert scores.size == 4 / SETS[name].shape[1]


def plain(z: np.ndarray, factors: np.ndarray, seed: int) -> tuple[list[float], list[float]]:
    """E of each factor, and what its best probe knows, once more."""
    train, test = split(factors, 2 / 3, seed)
    deviations = [code[train].std() or 1.0 for code in z.T]
    x = np.column_stack(
        [(code - code[train].mean()) / deviation for code, deviation in zip(z.T, deviations, strict=True)]
    )
    random = np.random.RandomState(seed)
    frequencies = 0.5 * random.normal(size=(x.shape[1], 1024))
    waves = np.sqrt(2) * np.cos(x @ frequencies + random.uniform(0, 2 * np.pi, size=1024))
    explicitness, known = [], []
    for column, kind in zip(factors.T, KINDS, strict=True):
        curve, capacities = [], []
        common = np.bincount(column[train]).argmax()
        baseline = float((column[test] != common).mean()) if kind == "categorical" else 1.0
        for size in SIZES:
            features = np.hstack([x, waves[:, :size]])
            loss = probe(features, column, kind, train, test)
            curve.append(min([loss, baseline, *curve]))
            capacities.append(np.log(features.shape[1] + 1))
        steps = [(capacities[i + 1] - capacities[i]) * ((curve[i] + curve[i + 1]) / 2 - curve[-1]) for i in range(7)]
        explicitness.append(1 - 2 * sum(steps) / ((capacities[-1] - capacities[0]) * baseline))
        known.append(1 - curve[-1] / baseline)
    return explicitness, known


def probe(x: np.ndarray, column: np.ndarray, kind: str, train: np.ndarray, test: np.ndarray) -> float:
    """The test loss of a ridge regression, by its dual."""
    y = np.eye(column.max() + 1)[column] if kind == "categorical" else column[:, None].astype(float)
    centre, height = x[train].mean(0), y[train].mean(0)
    kernel = (x[train] - centre) @ (x[train] - centre).T + np.eye(len(train))
    answers = height + (x[test] - centre) @ (x[train] - centre).T @ np.linalg.solve(kernel, y[train] - height)
    if kind == "categorical":
        return float((answers.argmax(1) != column[test]).mean())
    return float(((answers - y[test]) ** 2).sum() / ((y[test] - y[test].mean()) ** 2).sum())


def test_order_sign_and_scale_of_latents_hardly_matter() -> None:
    whole = metrics.dci_es(SETS["mixed"], FACTORS, kinds=KINDS)
    changed = metrics.dci_es(-7 * SETS["mixed"][:, ::-1] + 3, FACTORS, kinds=KINDS)
    assert changed.explicitness == pytest.approx(whole.explicitness, abs=0.03)


def test_odd_codes_and_factors_are_defined() -> None:
    more = np.column_stack([SMALL, np.full(len(SMALL), 7)])
    constant = metrics.dci_es(np.ones((len(SMALL), 2)), more)
    assert (constant.explicitness, constant.informativeness, constant.size) == pytest.approx((1, 0, 2))
    assert np.isnan(constant.of_factors[4])
    one = metrics.dci_es(SMALL[:, :1], SMALL)
    assert one.of_factors[0] == pytest.approx(1, abs=1e-3)
    assert len(one.losses) == 4
    few = np.column_stack([np.arange(6) % 2, np.arange(6)])
    assert -1 <= metrics.dci_es(np.random.default_rng(0).normal(size=(6, 3)), few).explicitness <= 1
    with pytest.raises(ValueError, match="values that are NaN or infinite"):
        metrics.dci_es(np.full((6, 2), np.nan), few)
    with pytest.raises(ValueError, match="training points hold a single value"):
        metrics.dci_es(few[:3], np.array([[0, 0], [0, 1], [1, 0]]), train_fraction=0.4)
