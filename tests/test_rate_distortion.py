"""Slopes and hulls of rate–distortion curves whose optimum is known."""

from __future__ import annotations

from math import log, sinh

import numpy as np
import pytest

from pyro_bvae.evaluation.rate_distortion import lower_hull, slopes


def exponential(beta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """R and D of the optimum at each β on D = 100 exp(−R) + 7."""
    return np.log(100 / beta), beta + 7


def gaussian(beta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same for a Gaussian source of variance 1 whose distortion is the squared error, D = exp(−2R)."""
    return -0.5 * np.log(beta / 2), beta / 2


@pytest.mark.parametrize("curve", [exponential, gaussian])
def test_slopes_of_an_optimal_curve_are_minus_beta(curve) -> None:
    beta = np.geomspace(0.01, 1.9, 400) * (1 + 0.001 * np.random.default_rng(0).random(400))
    slope = slopes(beta, *curve(beta))
    np.testing.assert_allclose(slope[1:-1], -beta[1:-1], rtol=1e-3)
    assert beta[0] < -slope[0] < beta[1]
    assert beta[-2] < -slope[-1] < beta[-1]


@pytest.mark.parametrize("factor", [1.1, 2.0, 4.0])
def test_wide_steps_in_beta_overstate_the_slope_by_as_much_as_is_said(factor: float) -> None:
    beta = factor ** np.arange(5.0)
    said = -beta * sinh(log(factor)) / log(factor)
    np.testing.assert_allclose(slopes(beta, *exponential(beta))[1:-1], said[1:-1])


def test_slopes_follow_the_order_of_the_points() -> None:
    beta = np.array([0.5, 1.0, 3.0, 4.0, 9.0])
    order = np.random.default_rng(0).permutation(5)
    slope = slopes(beta[order], *exponential(beta[order]))
    np.testing.assert_array_equal(slope, slopes(beta, *exponential(beta))[order])


def test_two_points_have_the_slope_between_them_and_fewer_have_none() -> None:
    assert slopes([1.0, 4.0], [5.0, 3.0], [10.0, 15.0]).tolist() == [-2.5, -2.5]
    assert np.isnan(slopes([1.0], [5.0], [10.0])).all()
    assert slopes([], [], []).shape == (0,)


def test_a_rate_that_stands_still_has_no_slope() -> None:
    assert np.isnan(slopes([1.0, 2.0, 4.0], [0.0, 0.0, 0.0], [9.0, 9.0, 9.0])).all()


@pytest.mark.parametrize("seed", range(5))
def test_a_hull_falls_is_convex_and_has_no_point_below_it(seed: int) -> None:
    rate, distortion = np.random.default_rng(seed).random((2, 40)) * 10
    corners = lower_hull(rate, distortion)
    between = np.diff(distortion[corners]) / np.diff(rate[corners])
    assert (between < 0).all()
    assert (np.diff(between) > 0).all()
    assert (np.interp(rate, rate[corners], distortion[corners]) <= distortion + 1e-12).all()
    assert (rate[corners[0]], distortion[corners[-1]]) == (rate.min(), distortion.min())


def test_a_hull_does_not_depend_on_the_order_of_the_points() -> None:
    random = np.random.default_rng(0)
    points = random.random((2, 30))
    order = random.permutation(30)
    np.testing.assert_array_equal(order[lower_hull(*points[:, order])], lower_hull(*points))


def test_all_points_of_a_convex_curve_are_corners() -> None:
    assert lower_hull(*exponential(np.array([1.0, 2.0, 4.0, 8.0]))).tolist() == [3, 2, 1, 0]


def test_hulls_of_few_or_equal_points() -> None:
    assert lower_hull([], []).tolist() == []
    assert lower_hull([2.0], [3.0]).tolist() == [0]
    assert lower_hull([2.0, 2.0, 2.0], [3.0, 1.0, 1.0]).tolist() == [1]
    assert lower_hull([0.0, 1.0, 2.0], [2.0, 1.0, 0.0]).tolist() == [0, 2]


def test_what_is_no_curve_is_refused() -> None:
    with pytest.raises(ValueError, match=r"vectors of one length, got shapes \[\(2,\), \(1,\), \(2,\)\]"):
        slopes([1.0, 2.0], [1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match=r"positive β, each once, got \[1.0, 1.0\]: average over seeds first"):
        slopes([1.0, 1.0], [1.0, 2.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="positive β"):
        slopes([0.0, 1.0], [1.0, 2.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="finite numbers"):
        lower_hull([1.0, np.nan], [1.0, 2.0])
