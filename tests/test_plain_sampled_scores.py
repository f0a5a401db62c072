"""Scores that draw or fit agree with their definitions, written a second time in plain loops, on twelve code sets.

The loops draw for themselves, so that two shares of points differ by chance: `CHANCE` is four standard errors of the
difference of two shares of 1,000.
"""

from __future__ import annotations

import random
from math import log, sqrt
from statistics import mean, median

import numpy as np
import pytest
import torch
from code_sets import code_sets
from scipy.stats import spearmanr
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import Lasso, LogisticRegression

from pyro_bvae import metrics
from pyro_bvae.metrics.softmax import Softmax

FACTORS, SETS = code_sets()
F = range(FACTORS.shape[1])
SHARING = {(f, value): np.flatnonzero(FACTORS[:, f] == value).tolist() for f in F for value in set(FACTORS[:, f])}
CHANCE = 4 * sqrt(2 * 0.25 / 1_000)
each_set = pytest.mark.parametrize("name", SETS)


@each_set
def test_factor_vae(name: str) -> None:
    z, draw = SETS[name], random.Random(1)
    overall = [z[:, k].var(ddof=1) for k in range(z.shape[1])]
    usable = [k for k, variance in enumerate(overall) if sqrt(variance) >= 0.05]

    def vote() -> tuple[int, int]:
        f = draw.choice(F)
        value = FACTORS[draw.randrange(len(z)), f]
        chosen = z[draw.choices(SHARING[f, value], k=64)]
        return min(usable, key=lambda k: chosen[:, k].var(ddof=1) / overall[k]), f

    votes = [vote() for _ in range(4_000)]
    stands_for = {k: max(F, key=lambda f: votes.count((k, f))) for k in usable}
    right = mean(stands_for[k] == f for k, f in (vote() for _ in range(1_000)))
    assert metrics.factor_vae_score(z, FACTORS, points=4_000, test_points=1_000) == pytest.approx(right, abs=CHANCE)


def points(z: np.ndarray, number: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Means of |z₁ − z₂| over 64 pairs that share a factor, and which factor it is."""
    draw, features, classes = random.Random(seed), [], []
    for _ in range(number):
        f = draw.choice(F)
        first = draw.choices(range(len(z)), k=64)
        second = [draw.choice(SHARING[f, FACTORS[datum, f]]) for datum in first]
        features.append(np.abs(z[first] - z[second]).mean(0))
        classes.append(f)
    return np.array(features), np.array(classes)


@each_set
def test_beta_vae(name: str) -> None:
    x, y = points(SETS[name], 3_000, seed=1)
    expected = LogisticRegression().fit(x[:2_000], y[:2_000]).score(x[2_000:], y[2_000:])
    taken = metrics.beta_vae_score(SETS[name], FACTORS, points=2_000, test_points=1_000)
    assert taken == pytest.approx(expected, abs=CHANCE)


@each_set
def test_the_papers_classifier_is_a_softmax_fitted_by_adagrad(name: str) -> None:
    x, y = points(SETS[name], 300, seed=2)
    weights = torch.zeros(len(F), x.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(len(F), dtype=torch.float64, requires_grad=True)
    adagrad = torch.optim.Adagrad([weights, bias], lr=0.01, initial_accumulator_value=1e-10, eps=0)
    features, classes = torch.from_numpy(x), torch.from_numpy(y)
    for batch in np.random.default_rng(0).integers(len(x), size=(200, 10)):
        adagrad.zero_grad()
        torch.nn.functional.cross_entropy(features[batch] @ weights.T + bias, classes[batch]).backward()
        adagrad.step()
    fitted = Softmax(len(F), steps=200).fit(x, y)
    expected = torch.cat([weights, bias[:, None]], dim=1).T.detach().numpy()
    np.testing.assert_allclose(fitted.weights, expected, atol=1e-9)
    right = ((features @ weights.T + bias).argmax(1) == classes).double().mean().item()
    assert fitted.score(x, y) == pytest.approx(right)


@each_set
def test_disentanglement_completeness_informativeness(name: str) -> None:
    z, order = SETS[name], np.random.default_rng(0).permutation(len(FACTORS))
    train, test, latents = order[:333], order[333:], range(SETS[name].shape[1])
    trees = [GradientBoostingClassifier(random_state=0).fit(z[train], FACTORS[train, f]) for f in F]
    table = [[trees[f].feature_importances_[k] for f in F] for k in latents]

    def purity(shares: list[float]) -> float:
        parts = [share / sum(shares) for share in shares if share]
        return 1 + sum(part * log(part) for part in parts) / log(len(shares))

    columns = [[row[f] for row in table] for f in F]
    total = sum(map(sum, table))
    expected = [sum(sum(row) / total * purity(row) for row in rows if sum(row)) for rows in (table, columns)]
    expected.append(mean(trees[f].score(z[test], FACTORS[test, f]) for f in F))
    taken = metrics.dci(z, FACTORS)
    scores = [taken.disentanglement, taken.completeness, taken.informativeness]
    assert scores == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("method", ["lasso", "spearman"])
def test_unsupervised_disentanglement_ranking(method: str) -> None:
    runs = [np.column_stack([z for z in codes.T if np.ptp(z)]) for codes in SETS.values()]
    runs = [(codes - codes.mean(0)) / codes.std(0) for codes in runs]

    def strength(one: np.ndarray, k: int, other: np.ndarray, m: int) -> float:
        """Of latent k of one run in predicting latent m of another."""
        if method == "spearman":
            return abs(spearmanr(one[:, k], other[:, m]).statistic)
        return abs(Lasso(alpha=0.1).fit(one, other[:, m]).coef_[k])

    def agreement(one: np.ndarray, other: np.ndarray) -> float:
        r = [[strength(one, k, other, m) for m in range(other.shape[1])] for k in range(one.shape[1])]
        halves = []
        for lines in (r, list(zip(*r, strict=True))):
            halves.append(mean(max(line) ** 2 / sum(line) if sum(line) else 0 for line in lines))
        return mean(halves)

    expected = [median(agreement(other, one) for other in runs if other is not one) for one in runs]
    assert metrics.udr(list(SETS.values()), method=method) == pytest.approx(expected, abs=1e-6)
