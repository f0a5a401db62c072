"""The score of folds: 1 where a latent follows its factor one to one, 0 where it folds in the middle."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from code_sets import KINDS, code_sets, folded
from codes import SMALL, drawn

from pyro_bvae import metrics
from pyro_bvae.datasets import cars3d
from pyro_bvae.metrics.folds import folded_share
from pyro_bvae.metrics.kinds import check_kinds

FACTORS, SETS = code_sets()
DSPRITES_KINDS = ("categorical", "ordered", "cyclic", "ordered", "ordered")


def share(response: list[float] | np.ndarray, kind: str = "ordered") -> float:
    return folded_share(np.asarray(response, dtype=float), np.ones(len(response)), kind)


def test_it_sees_what_mig_and_factor_vae_do_not() -> None:
    factors = drawn(10_000)
    z = folded(factors, (2, 3, 4))
    assert metrics.mig(z, factors) > 0.7
    assert metrics.factor_vae_score(z, factors, points=1500, test_points=1000) == 1
    whole, scores = (metrics.one_to_one(code, factors, kinds=DSPRITES_KINDS) for code in (factors, z))
    np.testing.assert_allclose(whole.of_factors, [np.nan, 1, 1, 1, 1])
    np.testing.assert_allclose(scores.of_factors, [np.nan, 1, 0, 0, 0], atol=0.02)
    assert (whole.score, scores.score) == pytest.approx((1, 0.25), abs=0.01)


def test_responses_by_hand() -> None:
    assert share([0, 1, 5, 6]) == share([6, 5, 1, 0]) == 1
    assert share([1, 0, 0, 1]) == 0
    assert share([1, 0, 2]) == pytest.approx(0.75)  # the first two pooled to ½: of 2 remain ½
    assert share([0, 2, 1]) == pytest.approx(0.75)
    turned = [3, 4, 5, 0, 1, 2]
    assert share(turned, "cyclic") == 1
    assert share(turned) == pytest.approx(1 - 8 / 35)  # of an ordered factor the halves are known, and no more


@pytest.mark.parametrize(("turn", "expected"), [(1 / 2, 0), (1 / 3, 0.7037), (1 / 4, 0.875)])
def test_a_fold_costs_what_is_lost_of_the_variance(turn: float, expected: float) -> None:
    line = np.linspace(0, 1, 601)
    assert share(np.abs(line - turn).round(9)) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(("values", "most"), [(8, 0.34), (24, 0.13), (40, 0.08), (41, 0.08)])
def test_a_circle_pressed_flat_scores_next_to_nothing(values: int, most: float) -> None:
    angles = 2 * np.pi * np.arange(values) / values
    for shift in (0.0, 0.1, 1.0):
        assert share(np.cos(angles + shift), "cyclic") < most
        assert share(np.cos(2 * angles + shift), "cyclic") < most / 2
    for cut in range(0, values, 7):
        assert share(np.roll(angles, cut), "cyclic") == pytest.approx(1)


def test_random_orders_score_little() -> None:
    random = np.random.default_rng(0)
    assert np.mean([share(random.permutation(32)) for _ in range(100)]) == pytest.approx(0.16, abs=0.03)
    assert np.mean([share(order) for order in permutations(range(3))]) == pytest.approx((1 + 0.75 + 0.75) / 3)


@pytest.mark.parametrize("name", SETS)
def test_scores_agree_with_plain_loops(name: str) -> None:
    scores = metrics.one_to_one(SETS[name], FACTORS, kinds=KINDS)
    of_factors = [plain(SETS[name], FACTORS[:, f], kind) for f, kind in enumerate(KINDS)]
    np.testing.assert_allclose(scores.of_factors, of_factors, atol=1e-9)
    known = [one for one in of_factors if not np.isnan(one)]
    assert scores.score == pytest.approx(np.mean(known) if known else np.nan, nan_ok=True)


def plain(z: np.ndarray, column: np.ndarray, kind: str) -> float:
    """The score of one factor once more."""
    if kind == "categorical":
        return float("nan")
    information = [plain_information(code, column) for code in z.T]
    latent = int(np.argmax(information))
    if information[latent] <= 0.1:
        return float("nan")
    values = range(column.max() + 1)
    response = [float(np.median(z[column == value, latent])) for value in values]
    counts = [int((column == value).sum()) for value in values]
    if kind == "ordered":
        return max(0.0, *(plain_fit(response, list(values), counts, sign) for sign in (1, -1)))
    cuts = [[(value - cut) % len(values) for value in values] for cut in values]
    best = max(plain_fit(response, cut, counts, sign) for cut in cuts for sign in (1, -1))
    return max(0.0, 4 * best - 3)


def plain_fit(response: list[float], values: list[int], counts: list[int], sign: int) -> float:
    """R² of the least-squares monotone fit, by its formula of greatest least means."""
    levels = sorted(set(response), reverse=sign < 0)
    weight = [sum(n for r, n in zip(response, counts, strict=True) if r == level) for level in levels]
    pairs = list(zip(response, values, counts, strict=True))
    mean = [sum(v * n for r, v, n in pairs if r == level) / w for level, w in zip(levels, weight, strict=True)]

    def between(a: int, b: int) -> float:
        return sum(m * w for m, w in zip(mean[a : b + 1], weight[a : b + 1], strict=True)) / sum(weight[a : b + 1])

    last = len(levels) - 1
    fit = {level: max(min(between(a, b) for b in range(place, last + 1)) for a in range(place + 1))
           for place, level in enumerate(levels)}  # fmt: skip
    centre = sum(v * n for _, v, n in pairs) / sum(counts)
    return 1 - sum(n * (v - fit[r]) ** 2 for r, v, n in pairs) / sum(n * (v - centre) ** 2 for _, v, n in pairs)


def plain_information(code: np.ndarray, column: np.ndarray) -> float:
    """The share of a factor's entropy in 20 bins of a latent's ranks, less what chance gives."""
    ranks = [sum(code < value) + (sum(code == value) + 1) / 2 for value in code]
    low, high = min(ranks), max(ranks)
    cut = [min(19, int(20 * (rank - low) / (high - low) + 1e-9)) if high > low else 0 for rank in ranks]
    total, entropy, size = 0.0, 0.0, len(code)
    for value in set(column.tolist()):
        share_of_value = sum(column == value) / size
        entropy -= share_of_value * np.log(share_of_value)
        for part in set(cut):
            both = sum(c == part and v == value for c, v in zip(cut, column, strict=True)) / size
            if both:
                total += both * np.log(both / (share_of_value * cut.count(part) / size))
    bins = min(20, len(set(code.tolist())))
    return (total - (bins - 1) * int(column.max()) / (2 * size)) / entropy


def test_monotone_functions_order_and_direction_change_nothing() -> None:
    z = SETS["folded"]
    whole = metrics.one_to_one(z, FACTORS, kinds=KINDS).of_factors
    changed = np.exp(-3 * z[:, ::-1]) + 5
    np.testing.assert_allclose(metrics.one_to_one(changed, FACTORS, kinds=KINDS).of_factors, whole)
    backwards = FACTORS.max(0) - FACTORS
    np.testing.assert_allclose(metrics.one_to_one(z, backwards, kinds=KINDS).of_factors, whole)
    turned = FACTORS.copy()
    turned[:, 3] = (turned[:, 3] + 2) % 6
    np.testing.assert_allclose(metrics.one_to_one(z, turned, kinds=KINDS).of_factors, whole)


def test_noise_and_other_factors_are_no_folds() -> None:
    factors = drawn(8000)[:, [2, 3]]
    noise = np.random.default_rng(0).normal(size=8000)
    z = np.column_stack([factors[:, 0] + 15 * noise, factors[:, 1] + 0.4 * factors[:, 0]])
    assert metrics.one_to_one(z, factors).score > 0.97


def test_factors_that_no_latent_holds_are_left_out() -> None:
    noise = np.random.default_rng(0).normal(size=(len(SMALL), 5))
    none = metrics.one_to_one(noise, SMALL)
    assert np.isnan(none.score)
    assert np.isnan(none.table).all()
    one = metrics.one_to_one(np.column_stack([SMALL[:, 2], noise]), SMALL)
    np.testing.assert_array_equal(one.of_factors, [np.nan, np.nan, 1, np.nan])
    assert np.isfinite(one.table).sum() == 1


def test_constant_latents_and_factors_are_left_out() -> None:
    z = np.column_stack([np.full(len(SMALL), 2.0), SMALL])
    more = np.column_stack([np.full(len(SMALL), 7), SMALL])
    np.testing.assert_array_equal(metrics.one_to_one(z, more).of_factors, [np.nan, 1, 1, 1, 1])
    assert np.isnan(metrics.one_to_one(z[:, :1], SMALL).score)
    assert metrics.one_to_one(SMALL[:, 3:], SMALL).score == 1  # a single latent
    two = np.arange(100)[:, None] % 2
    assert np.isnan(metrics.one_to_one(two, two).score)  # two values cannot fold


def test_a_circle_in_two_latents_folds_in_each() -> None:
    angles = np.repeat(np.arange(40), 50)[:, None]
    z = np.hstack([np.cos(2 * np.pi * angles / 40), np.sin(2 * np.pi * angles / 40)])
    assert metrics.one_to_one(z, angles, kinds=["cyclic"]).score < 0.05


def test_kinds_go_by_names() -> None:
    names = ["shape", "scale", "orientation", "x", "y"]
    assert metrics.kinds_of(names) == metrics.kinds_of(names, "dsprites") == DSPRITES_KINDS
    assert metrics.kinds_of(["floor_hue", "orientation"], "shapes3d:a.h5") == ("cyclic", "ordered")
    assert metrics.kinds_of(["category", "instance", "elevation", "azimuth", "lighting"]) == (
        "categorical", "categorical", "ordered", "cyclic", "categorical",
    )  # fmt: skip
    assert metrics.kinds_of(cars3d.FACTOR_NAMES) == ("ordered", "cyclic", "categorical")  # 183 models without an order
    assert metrics.kinds_of(["objectShape", "rectangle_width", "ANGLE", "posX"]) == (
        "categorical", "ordered", "cyclic", "ordered",
    )  # fmt: skip
    assert check_kinds(None, 2) == ("ordered", "ordered")
    with pytest.raises(ValueError, match="did you mean 'cyclic'"):
        metrics.one_to_one(SMALL, SMALL, kinds=["cycle"] * 4)
    with pytest.raises(ValueError, match="for each of 4 factors, got 1"):
        metrics.one_to_one(SMALL, SMALL, kinds=["cyclic"])
    with pytest.raises(ValueError, match="factors? that var"):
        metrics.one_to_one(SMALL, np.zeros_like(SMALL))
