"""Scores agree with their definitions, written a second time in plain loops, on twelve code sets."""

from __future__ import annotations

from math import log, sqrt
from statistics import mean

import numpy as np
import pytest
from code_sets import code_sets, plain_information
from scipy.integrate import trapezoid
from scipy.stats import norm
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import LinearSVC

from pyro_bvae import metrics

FACTORS, SETS = code_sets()
F = range(FACTORS.shape[1])
ORDER = np.random.default_rng(0).permutation(len(FACTORS))
TRAIN, TEST = ORDER[:333], ORDER[333:]
each_set = pytest.mark.parametrize("name", SETS)


def gap(values: list[float]) -> float:
    """How far the largest is from the second largest."""
    second, first = sorted(values)[-2:]
    return first - second


@each_set
def test_scores_of_information(name: str) -> None:
    z = SETS[name]
    table = [[plain_information(z[:, k], FACTORS[:, f]) for f in F] for k in range(z.shape[1])]
    entropy = [plain_information(FACTORS[:, f], FACTORS[:, f]) for f in F]
    assert metrics.mig(z, FACTORS) == pytest.approx(mean(gap([row[f] for row in table]) / entropy[f] for f in F))
    shares = [[row[f] / entropy[f] for f in F] for row in table]
    assert metrics.mig_sup(z, FACTORS) == pytest.approx(mean(map(gap, shares)))
    modular = []
    for row in table:
        most = max(row)
        others = sum(value**2 for value in row) - most**2
        modular.append(1 - others / (most**2 * (len(F) - 1)) if most > 1e-9 else 0)
    assert metrics.modularity(z, FACTORS) == pytest.approx(mean(modular))


@each_set
def test_information_over_the_aggregate_posterior(name: str) -> None:
    loc = SETS[name]
    scale = np.random.default_rng(2).uniform(0.2, 0.6, size=loc.shape) * max(1, loc.std(0).max())
    gaps = []
    for f in F:
        values = FACTORS[:, f]
        shares = [(values == value).mean() for value in np.unique(values)]
        information = []
        for k in range(loc.shape[1]):
            reach = np.linspace(loc[:, k].min() - 8 * scale.max(), loc[:, k].max() + 8 * scale.max(), 1500)
            densities = norm.pdf(reach[:, None], loc[:, k], scale[:, k])

            def entropy(of: np.ndarray, densities: np.ndarray = densities, reach: np.ndarray = reach) -> float:
                density = np.maximum(densities[:, of].mean(1), 1e-300)
                return float(trapezoid(-density * np.log(density), reach))

            of_values = [entropy(values == value) for value in np.unique(values)]
            information.append(entropy(values >= 0) - float(np.dot(shares, of_values)))
        gaps.append(gap(information) / -sum(share * log(share) for share in shares))
    assert metrics.mig_chen(loc, scale, FACTORS) == pytest.approx(mean(gaps), abs=1e-3)


@each_set
def test_separated_attribute_predictability(name: str) -> None:
    z, gaps = SETS[name], []
    for f in F:
        right = []
        for k in range(z.shape[1]):
            machine = LinearSVC(C=0.01, class_weight="balanced", random_state=0)
            said = machine.fit(z[TRAIN][:, [k]], FACTORS[TRAIN, f]).predict(z[TEST][:, [k]])
            right.append(mean(float(one == other) for one, other in zip(said, FACTORS[TEST, f], strict=True)))
        gaps.append(gap(right))
    assert metrics.sap(z, FACTORS) == pytest.approx(mean(gaps))


@each_set
def test_explicitness(name: str) -> None:
    z, areas = SETS[name], []
    center, spread = z[TRAIN].mean(0), z[TRAIN].std(0)
    z = (z - center) / np.where(spread > 0, spread, 1)
    for f in F:
        classifier = LogisticRegression().fit(z[TRAIN], FACTORS[TRAIN, f])
        of_factor = []
        for number, value in enumerate(classifier.classes_):
            share, truth = classifier.predict_proba(z[TEST])[:, number], FACTORS[TEST, f] == value
            pairs = [(one > other) + (one == other) / 2 for one in share[truth] for other in share[~truth]]
            of_factor.append(float(np.mean(pairs)))
        areas.append(mean(of_factor))
    assert metrics.explicitness(z, FACTORS) == pytest.approx(mean(areas))


@each_set
def test_interventional_robustness(name: str) -> None:
    z = SETS[name]
    weights, best = [], []
    for k in range(z.shape[1]):
        largest = max(abs(value - z[:, k].mean()) for value in z[:, k])
        if largest == 0:
            continue
        robust = []
        for f in F:
            moved = []
            for value in set(FACTORS[:, f]):
                there = z[FACTORS[:, f] == value, k]
                moved.append(np.quantile([abs(one - there.mean()) for one in there], 0.99))
            robust.append(1 - mean(map(float, moved)) / largest)
        weights.append(largest)
        best.append(max(robust))
    expected = sum(weight * one for weight, one in zip(weights, best, strict=True)) / sum(weights)
    assert metrics.irs(z, FACTORS) == pytest.approx(expected)


@each_set
def test_total_correlation_is_what_each_latent_is_told_by_those_before_it(name: str) -> None:
    z = SETS[name]
    told = [LinearRegression().fit(z[:, :k], z[:, k]).score(z[:, :k], z[:, k]) for k in range(1, z.shape[1])]
    assert metrics.total_correlation(z) == pytest.approx(-sum(log(sqrt(1 - r2)) for r2 in told if r2 < 1), abs=1e-6)
