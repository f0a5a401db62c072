"""Bits are counted on one scale for every family that has one."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
import torch
from pyro import distributions as dist
from scipy import stats

from pyro_bvae.likelihoods import LIKELIHOODS, build
from pyro_bvae.likelihoods.grey_levels import PixelDistribution, central_interval, log_bin_mass

LEVELS = torch.arange(256, dtype=torch.float64) / 255
BINNED = [name for name, family in LIKELIHOODS.items() if family.has_bits_per_dim]


def one_pixel(name: str, parameter: float) -> torch.distributions.Distribution:
    """A family at fixed parameters, of one value."""
    likelihood = build(name, (1,)).eval()
    outputs = parameter + 0.7 * torch.arange(likelihood.outputs_per_value, dtype=torch.float64).sin()
    return likelihood(outputs.detach()).base_dist.expand((1,))


@pytest.mark.parametrize("name", list(LIKELIHOODS))
def test_every_family_gives_bits_or_says_that_it_has_none(name: str) -> None:
    with torch.no_grad():
        masses = log_bin_mass(one_pixel(name, 0.3), LEVELS)
    assert (masses is not None) == LIKELIHOODS[name].has_bits_per_dim
    assert set(LIKELIHOODS) - set(BINNED) == {"bernoulli", "binarized-bernoulli"}


@pytest.mark.parametrize("parameter", [-12.0, -1.0, 0.0, 0.3, 7.0])
@pytest.mark.parametrize("name", BINNED)
def test_the_bins_of_every_family_sum_to_one(name: str, parameter: float) -> None:
    with torch.no_grad():
        masses = log_bin_mass(one_pixel(name, parameter), LEVELS).exp()
    assert masses.sum().item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("parameter", [-0.5, 0.4])
@pytest.mark.parametrize("name", BINNED)
def test_draws_of_a_family_cost_its_own_discretised_entropy(name: str, parameter: float) -> None:
    p = one_pixel(name, parameter)
    with torch.no_grad():
        log_masses = log_bin_mass(p, LEVELS)
        entropy = -(log_masses.exp() * log_masses).sum().item()
        levels = (p.sample((20_000,)).clamp(0, 1) * 255).round() / 255
        costs = -log_bin_mass(p.expand((20_000,)), levels.squeeze(-1))
    assert costs.mean().item() == pytest.approx(entropy, abs=5 * costs.std().item() / 20_000**0.5 + 1e-4)


@pytest.mark.parametrize("loc", [-3.0, 0.0, 0.4, 1.0, 5.0])
@pytest.mark.parametrize("scale", [0.002, 0.1, 3.0])
@pytest.mark.parametrize(("ours", "theirs"), [(dist.Normal, stats.norm), (dist.Laplace, stats.laplace)])
def test_symmetric_bins_agree_with_scipy_wherever_scipy_can_see(ours, theirs, loc: float, scale: float) -> None:
    low, high = LEVELS.numpy() - 0.5 / 255, LEVELS.numpy() + 0.5 / 255
    low[0], high[-1] = -np.inf, np.inf
    frozen = theirs(loc, scale)
    right = low > loc
    mass = np.where(right, frozen.sf(low) - frozen.sf(high), frozen.cdf(high) - frozen.cdf(low))
    log_masses = log_bin_mass(ours(*torch.tensor([loc, scale], dtype=torch.float64)), LEVELS).numpy()
    assert np.isfinite(log_masses).all()
    seen = mass > 1e-290
    np.testing.assert_allclose(log_masses[seen], np.log(mass[seen]), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", BINNED)
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_central_interval_holds_its_share_of_the_draws(name: str, share: float) -> None:
    p = one_pixel(name, 0.4)
    with torch.no_grad():
        low, high = central_interval(p, share)
        draws = p.sample((20_000,))
        held = ((draws >= low - 1e-6) & (draws <= high + 1e-6)).double().mean().item()
        inside = (low - 1e-6 <= LEVELS) & (high + 1e-6 >= LEVELS)
        by_levels = log_bin_mass(p, LEVELS).exp()[inside].sum().item()  # of which each is in or out as a whole
    discrete = name in ("categorical", "discretized-logistic")
    assert held == pytest.approx(by_levels if discrete else share, abs=0.015)
    assert by_levels >= share - 0.015 or not discrete


def test_a_distribution_of_pixels_without_a_mass_says_what_is_missing() -> None:
    class Unfinished(PixelDistribution):
        arg_constraints: ClassVar = {}

    with pytest.raises(NotImplementedError, match="Unfinished must say the mass of a grey level: write log_bin_mass"):
        log_bin_mass(Unfinished(validate_args=False), LEVELS)


def test_a_bernoulli_has_neither_bins_nor_quantiles() -> None:
    p = dist.Bernoulli(logits=torch.zeros(3))
    assert log_bin_mass(p, torch.ones(3)) is None
    assert central_interval(p, 0.5) is None
