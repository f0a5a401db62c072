"""Data that share a factor share it, and nothing else more than chance."""

from __future__ import annotations

import numpy as np
import pytest

from pyro_bvae.metrics import FactorSampler
from pyro_bvae.metrics.arrays import as_classes

GRID = np.stack(np.meshgrid(range(3), range(4), range(5), indexing="ij"), axis=-1).reshape(-1, 3)
PART = np.delete(GRID, slice(7, 23), axis=0) * [10, 1, -2]  # no full grid, and values with gaps


@pytest.mark.parametrize("factors", [GRID, PART])
def test_what_is_drawn_shares_the_factor(factors: np.ndarray) -> None:
    random = np.random.default_rng(0)
    sampler = FactorSampler(factors)
    first = sampler.uniform((500, 4), random)
    factor = random.integers(3, size=(500, 1))
    second = sampler.sharing(first, factor, random)
    assert second.shape == (500, 4)
    for f in range(3):
        asked = factor[:, 0] == f
        np.testing.assert_array_equal(factors[first[asked], f], factors[second[asked], f])


def test_the_other_factors_of_a_full_grid_are_independent_and_uniform() -> None:
    random = np.random.default_rng(0)
    sampler = FactorSampler(GRID)
    first = sampler.uniform((60_000,), random)
    second = sampler.sharing(first, np.array(1), random)
    table = np.bincount(GRID[first, 0] * 15 + GRID[second, 0] * 5 + GRID[second, 2], minlength=45) / 60_000
    np.testing.assert_allclose(table, 1 / 45, atol=0.003)


def test_every_datum_of_a_part_is_drawn_alike() -> None:
    random = np.random.default_rng(0)
    sampler = FactorSampler(PART)
    drawn = sampler.sharing(np.zeros(44_000, int), np.array(0), random)
    sharing = np.flatnonzero(PART[:, 0] == PART[0, 0])
    shares = np.bincount(drawn, minlength=len(PART)) / 44_000
    np.testing.assert_allclose(shares[sharing], 1 / len(sharing), atol=0.01)
    assert shares.sum() == pytest.approx(shares[sharing].sum())


def test_the_seed_decides_the_draws() -> None:
    draws = [FactorSampler(GRID).sharing(np.arange(60), np.array(2), np.random.default_rng(s)) for s in (1, 1, 2)]
    assert (draws[0] == draws[1]).all()
    assert (draws[0] != draws[2]).any()


def test_classes_number_the_values_in_order() -> None:
    assert as_classes([[5, -1], [9, 2], [5, 0]]).tolist() == [[0, 0], [1, 2], [0, 1]]
    assert as_classes(np.array([[1.0], [0.0]])).tolist() == [[1], [0]]
