"""Scores are what their formulas say: at their ceilings, at chance, by hand, and under harmless changes of a code."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import log

import numpy as np
import pytest
import torch
from codes import DSPRITES, FEW, SMALL, drawn, grid, mixed, rotated
from scored import DRAWN_ANEW, SCORES, few_trees

from pyro_bvae import metrics
from pyro_bvae.datasets import Dataset


@pytest.mark.parametrize("sizes", [(2, 2), (3, 4, 5), (20, 7), (20, 20)])
def test_factors_of_at_most_20_values_score_one(sizes: tuple[int, ...]) -> None:
    factors = grid(*sizes)
    assert metrics.mig(factors, factors) == pytest.approx(1)
    assert metrics.modularity(factors, factors) == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "ceiling"),
    [
        ("mig", 0.896), ("mig-sup", 0.896), ("mig-quantile", 0.896), ("mig-chen", 0.99), ("modularity", 1),
        ("modularity-quantile", 1), ("sap", 0.23), ("explicitness", 0.988), ("irs", 1), ("beta-vae", 1),
        ("beta-vae-paper", 1), ("factor-vae", 1), ("one-to-one", 1),
    ],
)  # fmt: skip
def test_factors_score_the_ceiling_of_dsprites_grid(name: str, ceiling: float) -> None:
    factors = drawn(15_000)
    assert SCORES[name](factors, factors) == pytest.approx(ceiling, abs=0.005)


def test_factors_score_the_ceilings_of_dci_on_dsprites_grid() -> None:
    factors = drawn(6000)
    scores = few_trees(factors, factors)
    assert (scores.disentanglement, scores.completeness, scores.informativeness) == pytest.approx((1, 1, 1), abs=0.005)
    np.testing.assert_allclose(scores.importances, np.eye(5), atol=1e-3)


def test_mig_of_the_whole_grid_is_what_20_bins_allow() -> None:
    halves = [log(20) / log(40)] + 2 * [(log(32) - 24 / 32 * log(2)) / log(32)]  # 12 of 20 bins hold two of 32 values
    assert metrics.mig(DSPRITES, DSPRITES) == pytest.approx(np.mean([1, 1, *halves]), abs=1e-9)


@pytest.mark.parametrize(
    ("name", "chance", "spread"),
    [
        ("mig", 0, 0.01), ("mig-sup", 0, 0.01), ("mig-quantile", 0, 0.01), ("modularity-quantile", 0.66, 0.1),
        ("mig-chen", 0, 0.01),
        ("sap", 0, 0.02), ("explicitness", 0.5, 0.02), ("irs", 0, 0.05), ("beta-vae", 1 / 5, 0.05),
        ("beta-vae-paper", 1 / 4, 0.05), ("factor-vae", 1 / 5, 0.05), ("modularity", 0.66, 0.1),
    ],
)  # fmt: skip
def test_shuffled_codes_score_at_chance(name: str, chance: float, spread: float) -> None:
    factors = drawn(10_000)
    assert SCORES[name](drawn(10_000, seed=1), factors) == pytest.approx(chance, abs=spread)


def test_shuffled_codes_have_no_dci() -> None:
    factors = SMALL[np.random.default_rng(0).integers(len(SMALL), size=3000)]
    scores = few_trees(np.random.default_rng(1).normal(size=(3000, 6)), factors)
    assert scores.disentanglement < 0.05
    assert scores.completeness < 0.1
    assert scores.informativeness == pytest.approx(np.mean([1 / 3, 1 / 4, 1 / 5, 1 / 6]), abs=0.03)


def test_a_rotated_code_is_informative_and_entangled() -> None:
    factors = drawn(6000)
    z = rotated(factors)
    assert metrics.explicitness(z, factors) > 0.97
    scores = few_trees(z, factors)
    assert scores.informativeness > 2 * np.mean([1 / 3, 1 / 6, 1 / 40, 1 / 32, 1 / 32])  # twice chance
    assert scores.disentanglement < 0.15
    for name, most in {"mig": 0.05, "sap": 0.05, "irs": 0.5, "factor-vae": 0.7}.items():
        assert SCORES[name](z, factors) < most, name


@pytest.mark.parametrize("name", SCORES)
def test_order_and_sign_of_latents_do_not_matter(name: str) -> None:
    z = mixed(SMALL)
    changed = z[:, np.random.default_rng(2).permutation(z.shape[1])] * [1, -1, 1, -1, -1]
    near = 0.04 if name in DRAWN_ANEW else 0.005
    assert SCORES[name](changed, SMALL) == pytest.approx(SCORES[name](z, SMALL), abs=near)


def test_the_papers_protocol_bears_another_scale_of_a_code() -> None:
    factors = (SMALL - SMALL.mean(0)) / SMALL.std(0)
    z = factors + np.random.default_rng(1).normal(size=factors.shape)  # with 1,000 steps: 0.72, 0.92 and 0.98
    asked = {"protocol": "paper", "factors": range(4)}
    small, whole, large = (metrics.beta_vae_score(scale * z, SMALL, **asked) for scale in (0.3, 1, 3))
    assert small == pytest.approx(whole, abs=0.01)
    assert large == pytest.approx(whole, abs=0.01)


@pytest.mark.parametrize("name", SCORES)
def test_a_constant_latent_is_defined(name: str) -> None:
    z = mixed(SMALL)
    expected = SCORES[name](z, SMALL)
    if name.startswith(("modularity", "mig-sup")):  # it knows nothing, and counts as 0
        expected *= 5 / 6
    if name == "completeness":  # which is relative to the number of latents
        expected = 1 - (1 - expected) * log(5) / log(6)
    near = 0.04 if name in DRAWN_ANEW else 0.01
    assert SCORES[name](np.column_stack([z, np.full(len(z), 0.1)]), SMALL) == pytest.approx(expected, abs=near)


def outcome(name: str, z: np.ndarray) -> float | str:
    """A score, or why there is none."""
    try:
        return float(SCORES[name](z, SMALL))
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("clean", [0, 2])
def test_what_varies_by_rounding_alone_is_constant(clean: int, name: str) -> None:
    dead = np.full((len(SMALL), 4), [2.5, -1.7, 0.001, 40.0], np.float32)
    digits = np.random.default_rng(0).integers(-1, 2, size=dead.shape)
    rounded = np.where(digits > 0, np.nextafter(dead, np.inf), np.where(digits < 0, np.nextafter(dead, -np.inf), dead))
    alive = SMALL[:, :clean].astype(np.float32)
    expected, found = (outcome(name, np.hstack([alive, part])) for part in (dead, rounded.astype(np.float32)))
    assert found == expected or np.isnan([found, expected]).all()


@pytest.mark.parametrize("name", SCORES)
def test_a_factor_with_a_single_value_is_left_out(name: str) -> None:
    z = mixed(SMALL)
    more = np.column_stack([np.full(len(z), 7), SMALL])
    assert SCORES[name](z, more) == pytest.approx(SCORES[name](z, SMALL), abs=1e-9)


def test_importances_are_beside_their_factors() -> None:
    z = mixed(SMALL)
    more = np.column_stack([SMALL[:, :1], np.full(len(z), 7), SMALL[:, 1:]])
    importances = few_trees(z, more).importances
    np.testing.assert_array_equal(importances[:, 1], 0)
    np.testing.assert_array_equal(np.delete(importances, 1, axis=1), few_trees(z, SMALL).importances)


@pytest.mark.parametrize("name", SCORES)
def test_the_numbers_of_classes_do_not_matter(name: str) -> None:
    z = mixed(SMALL)
    first = (
        5 if name == "beta-vae-paper" else -5
    )  # the paper's protocol draws from a data set, whose classes begin at 0
    assert SCORES[name](z, SMALL**3 * 100 + first) == SCORES[name](z, SMALL)


def test_factor_vae_compares_variances_relative_to_those_of_all_data() -> None:
    z = mixed(SMALL)
    scaled = z * [1, 16, 64, 1, 256]
    assert metrics.factor_vae_score(scaled, SMALL, **FEW) == metrics.factor_vae_score(z, SMALL, **FEW)


@pytest.mark.parametrize("name", SCORES)
def test_without_a_factor_that_varies_there_is_no_score(name: str) -> None:
    with pytest.raises(ValueError, match=r"factors? that var"):
        SCORES[name](mixed(SMALL), np.zeros_like(SMALL))


@pytest.mark.parametrize("name", sorted({*SCORES} - {"explicitness", "beta-vae-paper", "one-to-one"}))
def test_fewer_points_than_classes_are_scored(name: str) -> None:
    factors = np.column_stack([np.arange(6) % 2, [0, 1, 2, 3, 4, 4]])  # all but two points a class of their own
    z = np.random.default_rng(0).normal(size=(6, 3))
    assert 0 <= SCORES[name](z, factors) <= 1


def test_fewer_points_than_classes_are_refused_where_no_class_can_be_told() -> None:
    factors = np.column_stack([np.arange(6) % 2, np.arange(6)])
    z = np.random.default_rng(0).normal(size=(6, 3))
    with pytest.raises(ValueError, match="2 test points hold a single class of a factor"):
        metrics.explicitness(z, factors)


def test_too_few_points_to_split_are_refused() -> None:
    factors = np.array([[0, 0], [0, 1], [1, 0]])
    for score in (metrics.sap, metrics.dci, metrics.explicitness):
        with pytest.raises(ValueError, match="training points hold a single value of a factor"):
            score(factors, factors, train_fraction=0.4)
        with pytest.raises(ValueError, match="must leave both parts some of 3 points"):
            score(factors, factors, train_fraction=0.99)


@pytest.mark.parametrize(
    "score",
    [
        metrics.sap, few_trees, metrics.explicitness, partial(metrics.irs, points=200),
        partial(metrics.beta_vae_score, **FEW), partial(metrics.factor_vae_score, **FEW),
    ],
)  # fmt: skip
def test_the_seed_decides_what_is_drawn(score: Callable[..., float]) -> None:
    z = mixed(SMALL)
    scores = [getattr(value, "informativeness", value) for value in (score(z, SMALL, seed=seed) for seed in (3, 3, 4))]
    assert scores[0] == scores[1] != scores[2]


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
    assert metrics.mig(z.to(torch.bfloat16), data.factors) == pytest.approx(1)


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
        (
            lambda: metrics.irs(SMALL, SMALL, quantile=99),
            r"quantile must lie in \[0, 1\], and points be 2 at least: got 99",
        ),
        (lambda: metrics.beta_vae_score(SMALL, SMALL, protocol="sklern"), "did you mean 'sklearn'"),
        (lambda: metrics.beta_vae_score(SMALL, SMALL, pairs=0), "a pair and point at least"),
        (lambda: metrics.beta_vae_score(SMALL, SMALL, points=0), "a pair and point at least"),
        (lambda: metrics.beta_vae_score(SMALL, SMALL, factors=[0, 9]), r"different columns that vary, of \[0 1 2 3\]"),
        (lambda: metrics.beta_vae_score(SMALL, SMALL, factors=[1, 1]), "different columns that vary"),
        (lambda: metrics.beta_vae_score(SMALL, SMALL * [0, 1, 1, 1], factors=[0, 1]), "different columns that vary"),
        (lambda: metrics.beta_vae_score(SMALL, SMALL, protocol="paper"), "have no names: say which to ask for"),
        (lambda: metrics.irs(SMALL, SMALL, points=1), "points be 2 at least"),
        (lambda: metrics.mig(SMALL, SMALL.astype(str)), "factors must be integer classes"),
        (lambda: metrics.udr([SMALL, SMALL], [[1.0] * 4, [np.nan] * 4]), "kl must be finite"),
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
