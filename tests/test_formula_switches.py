"""Where a formula gives way to another, both agree with a reference in double precision, and so do derivatives."""

from __future__ import annotations

from math import exp, log

import pytest
import torch
from scipy import integrate, special
from torch import Tensor

from pyro_bvae.likelihoods import LIKELIHOODS, build
from pyro_bvae.likelihoods.continuous_bernoulli import ContinuousBernoulli
from pyro_bvae.likelihoods.grey_levels import log_bin_mass
from pyro_bvae.likelihoods.stretched_beta import SHIFT, STRETCH, StretchedBeta

AROUND = (-1e-3, -1e-6, 1e-6, 1e-3)  # relative distances from a switch
LOGITS = [sign * size * (1 + off) for sign in (-1, 1) for size in (1e-3, 0.25, 1.0, 16.0) for off in AROUND]
LOGITS += [0.0, 1e-8, -1e-8, 4e-4, -4e-4, 59.0, -59.0]
SHARES = torch.tensor([1e-3, 0.1, 0.5, 0.9, 0.999], dtype=torch.float64)
# decoder outputs at which a family changes its formula, the first and the second parameter of a value
SWITCHES: dict[str, list[tuple[float, ...]]] = {
    "bernoulli": [(0.0,)],
    "binarized-bernoulli": [(0.0,)],
    "continuous-bernoulli": [(0.0,), (1e-3,), (-1e-3,), (0.25,), (-0.25,), (1.0,), (-1.0,)],
    "gaussian": [(0.0,)],
    "gaussian-learned": [(0.0,)],
    "gaussian-optimal": [(0.0,)],
    "gaussian-heteroscedastic": [(0.3, log(100))],
    "laplace": [(0.0,)],
    "laplace-learned": [(0.0,)],
    "beta": [(20.0, 1.0), (1.0, 20.0), (1e4, 1e4)],
    "discretized-logistic": [(0.1, 6.0), (0.1, 0.0)],
    "categorical": [tuple(torch.arange(256).sin().tolist())],
}
CASES = [
    (name, tuple(value * (1 + off) + off for value in outputs))
    for name, switches in SWITCHES.items()
    for outputs in switches
    for off in (-1e-3, -1e-5, 1e-5, 1e-3)
]


def test_every_family_is_looked_at() -> None:
    assert SWITCHES.keys() == LIKELIHOODS.keys()


def log_prob(name: str, outputs: Tensor, x: float) -> Tensor:
    x = round(x) if name == "binarized-bernoulli" else x
    return build(name, (1,)).eval().to(outputs.dtype)(outputs).log_prob(outputs.new_tensor([x]))


@pytest.mark.parametrize(("name", "outputs"), CASES)
def test_single_precision_agrees_with_double_around_every_switch(name: str, outputs: tuple[float, ...]) -> None:
    single, double = (torch.tensor(outputs, dtype=kind) for kind in (torch.float32, torch.float64))
    for x in (0.0, 51 / 255, 1.0):
        value, reference = log_prob(name, single, x).double(), log_prob(name, single.double(), x)
        torch.testing.assert_close(value, reference, rtol=1e-4, atol=1e-4)
        assert reference.item() == pytest.approx(log_prob(name, double, x).item(), rel=1e-3, abs=1e-3)


@pytest.mark.parametrize(("name", "outputs"), CASES)
def test_derivatives_are_those_of_finite_differences_around_every_switch(name: str, outputs: tuple[float, ...]) -> None:
    parameters = torch.tensor(outputs, dtype=torch.float64, requires_grad=True)
    for x in (0.0, 51 / 255, 1.0):
        assert torch.autograd.gradcheck(lambda given, x=x: log_prob(name, given, x), parameters, eps=1e-7, atol=1e-4)


@pytest.mark.parametrize("logit", LOGITS)
def test_draws_of_a_continuous_bernoulli_invert_its_distribution_function(logit: float) -> None:
    logits = torch.tensor(logit, dtype=torch.float64)
    p = ContinuousBernoulli(logits)
    x = p.icdf(SHARES)
    for share, value in zip(SHARES.tolist(), x.tolist(), strict=True):
        density = lambda t: p.log_prob(torch.tensor(t, dtype=torch.float64)).exp().item()  # noqa: E731
        mass, _ = integrate.quad(density, 0, value, points=[max(value - 0.2, value / 2)])
        assert mass == pytest.approx(share, abs=2e-7)
    torch.testing.assert_close(p.cdf(x), SHARES, rtol=0, atol=2e-7)
    single = ContinuousBernoulli(logits.float())
    torch.testing.assert_close(single.icdf(SHARES.float()).double(), x, rtol=0, atol=1e-6)
    torch.testing.assert_close(single.cdf(x.float()).double(), SHARES, rtol=0, atol=5e-6)  # times the density


@pytest.mark.parametrize("of", ["icdf", "cdf", "mean", "variance"])
@pytest.mark.parametrize("logit", LOGITS)
def test_derivatives_in_the_logit_are_right_in_single_precision(logit: float, of: str) -> None:
    def value(logits: Tensor) -> Tensor:
        part = getattr(ContinuousBernoulli(logits), of)
        return part(SHARES.to(logits.dtype)).sum() if callable(part) else part

    logits = torch.tensor(logit, requires_grad=True)
    (derivative,) = torch.autograd.grad(value(logits), logits)
    low, high = (torch.tensor(logit + step, dtype=torch.float64) for step in (-5e-2, 5e-2))
    # a difference so wide that no formula's rounding shows in it
    secant = (value(high) - value(low)).item() / 0.1
    assert derivative.item() == pytest.approx(secant, abs=2e-3)


@pytest.mark.parametrize(("a", "b"), [(5000.0, 5000.0), (9000.0, 300.0), (0.5, 0.5), (1e4, 1e4), (2.0, 7000.0)])
def test_the_bins_of_a_beta_have_their_mass_in_both_tails(a: float, b: float) -> None:
    levels = torch.arange(256, dtype=torch.float64) / 255
    p = StretchedBeta(torch.tensor(a, dtype=torch.float64), torch.tensor(b, dtype=torch.float64)).expand((256,))
    masses = log_bin_mass(p, levels)
    mirrored = log_bin_mass(StretchedBeta(p.b, p.a), 1 - levels)
    torch.testing.assert_close(masses, mirrored, rtol=1e-9, atol=1e-9)
    assert masses.exp().sum().item() == pytest.approx(1, abs=1e-12)
    for level in (3, 77, 128, 200, 250):
        edges = [(levels[level].item() + end - SHIFT) / STRETCH for end in (-0.5 / 255, 0.5 / 255)]

        def log_density(y: float) -> float:
            return float(special.xlogy(a - 1, y) + special.xlog1py(b - 1, -y) - special.betaln(a, b))

        highest = max(map(log_density, edges))
        mass, _ = integrate.quad(lambda y, most=highest: exp(log_density(y) - most), *edges, epsabs=0, epsrel=1e-10)
        if highest > -600:
            assert masses[level].item() == pytest.approx(log(mass) + highest, abs=1e-6)
