"""Every family is a normalised distribution with the mean it says it has, in the data's units."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from pyro_bvae import likelihoods
from pyro_bvae.continuous_bernoulli import ContinuousBernoulli
from pyro_bvae.likelihoods import LIKELIHOODS, Gaussian, GaussianLearned, Likelihood, build

PARAMETERS = [-12.0, -1.0, -1e-4, 0.0, 0.3, 7.0]
LOGITS = [-60.0, -16.0, -3.0, -0.2501, -0.2499, -1e-3, -1e-6, 0.0, 1e-7, 1e-3, 0.2499, 0.2501, 2.0, 15.9, 16.1, 60.0]


def families() -> list[Likelihood]:
    """Every family, for one vector feature, so that an event is one number."""
    return [build(name, (1,)) for name in LIKELIHOODS]


def density(likelihood: Likelihood, parameter: float, x: float) -> float:
    p = likelihood(torch.tensor([parameter], dtype=torch.float64))
    return p.log_prob(torch.tensor([x], dtype=torch.float64)).exp().item()


@pytest.mark.parametrize("parameter", PARAMETERS)
@pytest.mark.parametrize("name", list(LIKELIHOODS))
def test_each_family_integrates_to_one(name: str, parameter: float) -> None:
    likelihood = build(name, (1,))
    if name == "bernoulli":
        total = density(likelihood, parameter, 0.0) + density(likelihood, parameter, 1.0)
    else:
        low, high = (0, 1) if "bernoulli" in name else (parameter - 30, parameter + 30)
        total, _ = integrate.quad(lambda x: density(likelihood, parameter, x), low, high, limit=200, points=[parameter])
    assert total == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("shape", [(1, 3, 4), (3, 2, 2), (5,)])
@pytest.mark.parametrize("name", list(LIKELIHOODS))
def test_the_mean_agrees_with_draws(name: str, shape: tuple[int, ...]) -> None:
    likelihood = build(name, shape)
    p = likelihood(torch.randn(likelihood.outputs_per_value * shape[0], *shape[1:]))
    draws = p.sample((20_000,))
    assert p.event_shape == shape
    error = p.variance.sqrt() / 20_000**0.5
    assert ((draws.mean(0) - p.mean).abs() < 5 * error + 1e-6).all()


@pytest.mark.parametrize("name", list(LIKELIHOODS))
def test_gradients_are_finite_at_black_and_white(name: str) -> None:
    likelihood = build(name, (1, 2, 2))
    parameters = torch.linspace(-80, 80, 4).reshape(1, 2, 2).requires_grad_()
    for x in (torch.zeros(1, 2, 2), torch.ones(1, 2, 2), torch.full((1, 2, 2), 0.5)):
        (gradient,) = torch.autograd.grad(likelihood(parameters).log_prob(x), parameters)
        assert gradient.isfinite().all()


@pytest.mark.parametrize("mean_link", ["sigmoid", "identity"])
def test_the_gaussian_has_all_its_constants(mean_link: str) -> None:
    parameters, x = torch.randn(1, 4, 4), torch.rand(1, 4, 4)
    mean = parameters.sigmoid() if mean_link == "sigmoid" else parameters
    log_prob = Gaussian((1, 4, 4), scale=0.3, mean_link=mean_link)(parameters).log_prob(x)
    expected = stats.norm(mean.numpy(), 0.3).logpdf(x.numpy()).sum()
    assert log_prob.item() == pytest.approx(expected, rel=1e-5)


def test_at_scale_one_the_loss_is_half_the_sum_of_squares() -> None:
    parameters, x = torch.randn(5), torch.randn(5)
    constant = 5 * 0.5 * log(2 * np.pi)
    loss = -Gaussian((5,))(parameters).log_prob(x) - constant
    torch.testing.assert_close(loss, 0.5 * (x - parameters).square().sum())


def test_bernoulli_on_grey_pixels_is_the_cross_entropy() -> None:
    parameters, x = torch.randn(1, 4, 4), torch.rand(1, 4, 4)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(parameters, x, reduction="sum")
    torch.testing.assert_close(-build("bernoulli", (1, 4, 4))(parameters).log_prob(x), expected)


def test_links_follow_the_data() -> None:
    assert [build("gaussian", shape).mean_link for shape in ((1, 4, 4), (4,))] == ["sigmoid", "identity"]


def test_the_learned_scale_starts_where_it_is_told_and_has_a_floor() -> None:
    assert GaussianLearned((4,), scale=0.3).scale.item() == pytest.approx(0.3)
    likelihood = GaussianLearned((4,))
    likelihood.log_scale.data.fill_(-1000.0)
    assert likelihood.scale.item() == pytest.approx(1e-3)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("inf"), float("nan")])
@pytest.mark.parametrize("name", ["gaussian", "gaussian-learned"])
def test_scales_must_be_positive(name: str, scale: float) -> None:
    with pytest.raises(ValueError, match="scale is a standard deviation"):
        build(name, (4,), scale=scale)


def test_unknown_links_and_options_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown mean link 'sigmoyd': did you mean 'sigmoid'"):
        build("gaussian", (4,), mean_link="sigmoyd")
    with pytest.raises(ValueError, match="the bernoulli likelihood has no mean_link: leave --mean-link out"):
        build("bernoulli", (4,), mean_link="sigmoid")


def test_a_family_is_one_small_class() -> None:
    class Exponential(Likelihood):
        def forward(self, parameters: torch.Tensor) -> torch.distributions.Distribution:
            return likelihoods.dist.Exponential(parameters.exp()).to_event(len(self.shape))

    assert Exponential((3,))(torch.zeros(2, 3)).log_prob(torch.ones(2, 3)).shape == (2,)


@pytest.mark.parametrize("logit", LOGITS)
def test_continuous_bernoulli_integrates_to_one_at_any_logit(logit: float) -> None:
    p = ContinuousBernoulli(torch.tensor(logit, dtype=torch.float64))

    def density_at(x: float) -> float:
        return p.log_prob(torch.tensor(x, dtype=torch.float64)).exp().item()

    peak = 0.0 if logit < 0 else 1.0
    total, _ = integrate.quad(density_at, 0, 1, points=[abs(peak - 10 / max(abs(logit), 20))], epsabs=1e-10)
    mean, _ = integrate.quad(lambda x: x * density_at(x), 0, 1, epsabs=1e-10)
    square, _ = integrate.quad(lambda x: (x - mean) ** 2 * density_at(x), 0, 1, epsabs=1e-10)
    assert total == pytest.approx(1, abs=1e-8)
    assert p.mean.item() == pytest.approx(mean, abs=1e-8)
    assert p.variance.item() == pytest.approx(square, abs=1e-8)


def test_continuous_bernoulli_agrees_with_torch_where_torch_is_right() -> None:
    logits, x = torch.linspace(-10, 10, 41).double(), torch.rand(41).double()
    ours, theirs = ContinuousBernoulli(logits), torch.distributions.ContinuousBernoulli(logits=logits)
    torch.testing.assert_close(ours.log_prob(x), theirs.log_prob(x), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours.mean, theirs.mean, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("logit", LOGITS)
def test_continuous_bernoulli_inverts_its_distribution_function(logit: float) -> None:
    p = ContinuousBernoulli(torch.tensor(logit, dtype=torch.float64))
    shares = torch.linspace(0.001, 0.999, 101).double()
    torch.testing.assert_close(p.cdf(p.icdf(shares)), shares, rtol=0, atol=1e-6)


@pytest.mark.parametrize("logit", LOGITS)
def test_continuous_bernoulli_gradient_is_value_minus_mean(logit: float) -> None:
    logits = torch.tensor(logit, requires_grad=True)
    p = ContinuousBernoulli(logits)
    (gradient,) = torch.autograd.grad(p.log_prob(torch.tensor(0.8)), logits)
    torch.testing.assert_close(gradient, 0.8 - p.mean, atol=1e-4, rtol=0)


def test_continuous_bernoulli_refuses_values_outside_its_support_under_validation() -> None:
    with pytest.raises(ValueError, match="support"):
        ContinuousBernoulli(torch.zeros(2)).log_prob(torch.tensor([0.5, 1.5]))
