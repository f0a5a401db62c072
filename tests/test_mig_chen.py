"""Chen et al.'s MIG is what draws from the aggregate posterior estimate."""

from __future__ import annotations

from math import e, log, pi

import numpy as np
import pytest
from codes import grid
from scipy.integrate import quad
from scipy.stats import norm

from pyro_bvae import metrics
from pyro_bvae.metrics.mig_chen import aggregate_information

FACTORS = grid(4, 30)


def test_the_information_of_two_overlapping_gaussians_is_the_integral() -> None:
    def minus_density_log_density(z: float) -> float:
        density = (norm.pdf(z, -1, 0.7) + norm.pdf(z, 1, 0.7)) / 2
        return -density * log(density)

    entropy = quad(minus_density_log_density, -9, 9)[0]
    information = aggregate_information([[-1.0], [1.0]], [[0.7], [0.7]], [[0], [1]])
    assert information == pytest.approx(entropy - log(2 * pi * e * 0.49) / 2, abs=1e-3)


def test_the_entropies_are_those_that_draws_estimate() -> None:
    random = np.random.default_rng(0)
    loc = random.normal(size=(120, 3)) + FACTORS[:, :1] * [1.0, 0.2, 0.0]
    scale = random.uniform(0.05, 0.8, size=(120, 3))
    information = aggregate_information(loc, scale, FACTORS)
    for k in range(3):
        for f in range(2):
            assert information[k, f] == pytest.approx(estimated(loc[:, k], scale[:, k], FACTORS[:, f]), abs=0.04)


def estimated(loc: np.ndarray, scale: np.ndarray, column: np.ndarray) -> float:
    """H(z) − Σ p(c) H(z | c) from draws, the densities of all data at each."""

    def entropy(some: np.ndarray) -> float:
        which = np.random.default_rng(1).choice(some, size=5_000)
        z = np.random.default_rng(2).normal(loc[which], scale[which])
        density = np.mean([norm.pdf(z, loc[n], scale[n]) for n in some], axis=0)
        return -np.log(density).mean()

    return entropy(np.arange(len(loc))) - np.mean([entropy(np.flatnonzero(column == c)) for c in np.unique(column)])


def test_factors_score_one_and_the_prior_scores_nothing() -> None:
    loc = FACTORS.astype(float)
    assert metrics.mig_chen(loc, np.full(loc.shape, 0.05), FACTORS) == pytest.approx(1, abs=1e-6)
    assert metrics.mig_chen(np.zeros_like(loc), np.ones_like(loc), FACTORS) == pytest.approx(0, abs=1e-9)
    assert metrics.mig_chen(np.hstack([loc, loc]), np.full((120, 4), 0.1), FACTORS) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("deviation", [1e-3, 1e-5, 1e-9])
def test_deviations_far_below_the_grid_still_score_the_ceiling(deviation: float) -> None:
    scale = np.full(FACTORS.shape, deviation)
    assert metrics.mig_chen(FACTORS, scale, FACTORS) == pytest.approx(1, abs=1e-6)


def test_dead_latents_do_not_count() -> None:
    loc = np.hstack([FACTORS, 0.002 * FACTORS])  # whose means would be copies
    scale = np.hstack([np.full(FACTORS.shape, 0.05), np.ones(FACTORS.shape)])
    assert metrics.mig_chen(loc, scale, FACTORS) == pytest.approx(1, abs=0.001)
    assert metrics.mig(loc, FACTORS) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("change", [(3.0, 5.0), (-0.2, 0.0)])
def test_the_unit_and_sign_of_a_latent_do_not_matter(change: tuple[float, float]) -> None:
    random = np.random.default_rng(0)
    loc, scale = FACTORS + random.normal(size=FACTORS.shape), random.uniform(0.1, 2, size=FACTORS.shape)
    slope, start = change
    changed = metrics.mig_chen(slope * loc + start, abs(slope) * scale, FACTORS)
    assert changed == pytest.approx(metrics.mig_chen(loc, scale, FACTORS), abs=1e-3)


def test_a_factor_with_a_single_value_is_left_out() -> None:
    more = np.column_stack([FACTORS, np.zeros(120, int)])
    scale = np.full(FACTORS.shape, 0.3)
    each = metrics.mig_chen_of_factors(FACTORS, scale, more)
    assert np.isnan(each).tolist() == [False, False, True]
    assert metrics.mig_chen(FACTORS, scale, more) == pytest.approx(metrics.mig_chen(FACTORS, scale, FACTORS))


@pytest.mark.parametrize("scale", [np.zeros((120, 2)), np.ones((120, 3)), -np.ones((120, 2))])
def test_deviations_that_do_not_fit_are_refused(scale: np.ndarray) -> None:
    with pytest.raises(ValueError, match="scale must be above 0, one a mean"):
        metrics.mig_chen(FACTORS, scale, FACTORS)


@pytest.mark.parametrize("wide", [0.01, 1.0, 30.0])
@pytest.mark.parametrize("narrow", [1e-9, 1e-3, 0.01])
def test_a_few_wide_posteriors_among_narrow_ones_never_score_above_one(narrow: float, wide: float) -> None:
    loc = FACTORS * [4.0, 1.0]
    scale = np.full(loc.shape, narrow)
    scale[0] = wide
    assert 0.8 < metrics.mig_chen(loc, scale, FACTORS) <= 1 + 1e-9
