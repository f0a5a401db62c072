"""InfoMEC is what Hsu et al. say: by hand, at its ceilings and at chance, and beside a second implementation."""

from __future__ import annotations

import numpy as np
import pytest
from code_sets import code_sets, factors_drawn
from codes import SMALL, drawn, rotated
from scipy.optimize import minimize
from scipy.special import digamma, logsumexp
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from pyro_bvae import metrics
from pyro_bvae.metrics.infomec import modularity_and_compactness

FACTORS, SETS = code_sets()


def unit(factors: np.ndarray) -> np.ndarray:
    """Factors from 0 to 1, so that none is pruned for its range."""
    return factors / factors.max(0)


def test_infomec_by_hand() -> None:
    shares = np.array([[0.8, 0.2, 0.0], [0.1, 0.1, 0.2], [0.0, 0.0, 0.6]])
    rows, columns = np.mean([0.8, 0.5, 1]), np.mean([8 / 9, 2 / 3, 0.75])
    assert modularity_and_compactness(shares) == pytest.approx(((rows - 1 / 3) * 1.5, (columns - 1 / 3) * 1.5))
    assert modularity_and_compactness(np.full((2, 2), 0.4)) == pytest.approx((0, 0))


def test_latents_and_factors_without_information_by_hand() -> None:
    shares = np.array([[0.8, 0.0], [0.0, 0.0]])  # the second latent is left out, the second factor is an even column
    assert modularity_and_compactness(shares) == (1.0, (np.mean([1, 0.5]) - 0.5) * 2)
    assert modularity_and_compactness(np.zeros((2, 2))) == (0.0, 0.0)
    one, none = modularity_and_compactness(shares[:1]), modularity_and_compactness(shares[:0])
    assert (one[0], none[0]) == (1.0, 0.0)
    assert np.isnan([one[1], none[1]]).all()


def test_factors_on_one_scale_score_the_ceiling() -> None:
    factors = drawn(4000)
    scores = metrics.infomec(unit(factors), factors)
    assert (scores.modularity, scores.compactness, scores.explicitness) == pytest.approx((1, 1, 1), abs=0.03)
    np.testing.assert_allclose(scores.shares, np.eye(5), atol=0.03)


def test_codes_without_information_score_what_the_docstring_says() -> None:
    factors, z = drawn(5000), np.random.default_rng(0).normal(size=(5000, 10))
    scores = metrics.infomec(z, factors)
    assert scores.modularity == pytest.approx(0.6, abs=0.15)
    assert scores.compactness == pytest.approx(0.35, abs=0.15)
    assert scores.explicitness == pytest.approx(0, abs=0.01)


def test_a_rotated_code_is_explicit_and_neither_modular_nor_compact() -> None:
    factors = factors_drawn(2000)
    scores = metrics.infomec(rotated(factors), factors)
    assert scores.explicitness > 0.98
    assert max(scores.modularity, scores.compactness) < 0.5


@pytest.mark.parametrize("name", SETS)
def test_scores_agree_with_plain_loops(name: str) -> None:
    scores = metrics.infomec(SETS[name], FACTORS)
    modularity, compactness, explicitness = plain(SETS[name], FACTORS)
    assert scores.modularity == pytest.approx(modularity, abs=1e-6)
    assert scores.compactness == pytest.approx(compactness, abs=1e-6, nan_ok=True)
    assert scores.explicitness == pytest.approx(explicitness, abs=0.01)


def test_the_numbers_of_the_authors_other_file_can_be_asked_for() -> None:
    z = np.column_stack([SETS["mixed"], SETS["mixed"][:, 0] / 10])  # a range of a tenth
    asked = {"neighbours": 10, "least_range": 1 / 20}
    scores, other = metrics.infomec(z, FACTORS, **asked), metrics.infomec(z, FACTORS)
    assert (scores.active.sum(), other.active.sum()) == (z.shape[1], z.shape[1] - 1)
    modularity, compactness, _ = plain(z, FACTORS, **asked)
    assert (scores.modularity, scores.compactness) == pytest.approx((modularity, compactness), abs=1e-6)
    for wrong in ({"neighbours": 0}, {"least_range": 1.0}, {"least_range": -0.1}):
        with pytest.raises(ValueError, match="neighbours begin at 1, and least_range at 0"):
            metrics.infomec(z, FACTORS, **wrong)


def plain(
    z: np.ndarray, factors: np.ndarray, neighbours: int = 3, least_range: float = 1 / 8
) -> tuple[float, float, float]:
    """InfoM, InfoC and InfoE once more."""
    ranges = [column.max() - column.min() for column in z.T]
    table = []
    for column, width in zip(noised(z).T, ranges, strict=True):
        shares = [ross(column, v, neighbours) / ross_ceiling(v) for v in factors.T]
        table.append(shares if width > max(ranges) * least_range else [0.0] * len(shares))
    active = sum(width > max(ranges) * least_range for width in ranges)
    rows = [max(row) / sum(row) for row in table if sum(row) > 0]
    columns = [max(column) / sum(column) if sum(column) > 0 else 1 / active for column in zip(*table, strict=True)]
    even = 1 / factors.shape[1]
    modularity = (sum(rows) / len(rows) - even) / (1 - even)
    compactness = (sum(columns) / len(columns) - 1 / active) / (1 - 1 / active) if active > 1 else float("nan")
    return modularity, compactness, float(np.mean([predictive(z, v) for v in factors.T]))


def noised(z: np.ndarray) -> np.ndarray:
    """Codes as scikit-learn has them: scaled, and with a little noise in the place of ties."""
    z = z / np.where(z.std(0) > 0, z.std(0), 1)
    noise = np.random.RandomState(0).standard_normal(size=z.shape)
    return z + 1e-10 * np.maximum(1, np.abs(z).mean(0)) * noise


def ross(code: np.ndarray, column: np.ndarray, most: int) -> float:
    """Ross's estimator of mutual information, nats."""
    total = 0.0
    for place, value in enumerate(code):
        alike = np.sort(np.abs(code[column == column[place]] - value))  # itself first
        neighbours = min(most, len(alike) - 1)
        inside = (np.abs(code - value) < alike[neighbours]).sum()
        total += digamma(neighbours) - digamma(len(alike)) - digamma(inside)
    return max(0.0, digamma(len(code)) + total / len(code))


def ross_ceiling(column: np.ndarray) -> float:
    """The entropy of a factor, nats."""
    shares = [float((column == value).mean()) for value in set(column.tolist())]
    return -sum(share * np.log(share) for share in shares)


def predictive(z: np.ndarray, column: np.ndarray) -> float:
    """1 − CE(v | z)/CE(v), with weights that make classes equal, the fit taken to its end."""
    x = np.column_stack([(z - z.mean(0)) / np.where(z.std(0) > 0, z.std(0), 1), np.ones(len(z))])
    classes = column.max() + 1
    truth = np.eye(classes)[column]
    weights = len(z) / (classes * truth.sum(0)[column])

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        logits = x @ flat.reshape(-1, classes)
        logs = logits - logsumexp(logits, axis=1, keepdims=True)
        gradient = x.T @ (weights[:, None] * (np.exp(logs) - truth))
        return -float((weights[:, None] * truth * logs).sum()), gradient.ravel()

    fitted = minimize(loss, np.zeros(x.shape[1] * classes), jac=True, options={"maxiter": 500}).x
    logits = x @ fitted.reshape(-1, classes)
    mean = -float((truth * (logits - logsumexp(logits, axis=1, keepdims=True))).sum()) / len(z)
    return 1 - mean / np.log(classes)


def test_the_null_of_explicitness_is_the_logarithm_of_the_classes() -> None:
    column = np.repeat([0, 1, 2], [50, 10, 5])
    null = LogisticRegression(C=np.inf, class_weight="balanced").fit(np.zeros((65, 2)), column)
    assert log_loss(column, null.predict_proba(np.zeros((65, 2)))) == pytest.approx(np.log(3), abs=1e-6)


def test_order_sign_and_scale_of_latents_do_not_matter() -> None:
    z = SETS["mixed"]
    whole = metrics.infomec(z, FACTORS)
    changed = metrics.infomec(-7 * z[:, ::-1], FACTORS)
    np.testing.assert_allclose(changed.shares[::-1], whole.shares, atol=1e-6)
    assert changed.explicitness == pytest.approx(whole.explicitness, abs=1e-3)


def test_latents_of_little_range_are_pruned_and_one_outlier_is_not_all() -> None:
    scores = metrics.infomec(SETS["dead"], FACTORS)
    assert scores.active.tolist() == [True] * 4 + [False] * 3
    assert scores.modularity == pytest.approx(metrics.infomec(SETS["noisy"], FACTORS).modularity, abs=0.01)
    z = SETS["noisy"].copy()
    z[0] *= 1.5
    assert metrics.infomec(z, FACTORS).modularity == pytest.approx(scores.modularity, abs=0.02)


def test_codes_that_do_not_vary_say_nothing() -> None:
    scores = metrics.infomec(np.ones((len(SMALL), 3)), SMALL)
    assert (scores.modularity, scores.explicitness) == pytest.approx((0, 0), abs=1e-6)
    assert np.isnan(scores.compactness)
    assert not scores.active.any()


def test_a_factor_with_a_single_value_is_left_out() -> None:
    z = SETS["noisy"]
    more = np.column_stack([np.full(len(z), 7), FACTORS])
    scores, less = metrics.infomec(z, more), metrics.infomec(z, FACTORS)
    assert (scores.modularity, scores.explicitness) == (less.modularity, less.explicitness)
    np.testing.assert_array_equal(scores.shares[:, 0], 0)


def test_points_that_are_classes_of_their_own_have_no_information() -> None:
    v = np.column_stack([np.arange(6) % 2, np.arange(6)])
    scores = metrics.infomec(np.random.default_rng(0).normal(size=(6, 3)), v)
    np.testing.assert_array_equal(scores.shares[:, 1], 0)
    with pytest.raises(ValueError, match="at least 2 factors that vary, got 1"):
        metrics.infomec(v, v[:, :1])
    with pytest.raises(ValueError, match="values that are NaN or infinite"):
        metrics.infomec(np.full((6, 2), np.nan), v)
