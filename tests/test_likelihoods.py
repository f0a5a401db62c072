"""Every family is a normalised distribution with the mean it says it has, in the data's units."""

from __future__ import annotations

import itertools
from math import log

import numpy as np
import pyro.distributions as dist
import pytest
import torch
from scipy import integrate, special, stats

from pyro_bvae.likelihoods import LIKELIHOODS, Gaussian, GaussianLearned, Likelihood, build
from pyro_bvae.likelihoods.continuous_bernoulli import ContinuousBernoulli

PARAMETERS = [-12.0, -1.0, -1e-4, 0.0, 0.3, 7.0]
LOGITS = [-60.0, -16.0, -3.0, -0.2501, -0.2499, -1e-3, -1e-6, 0.0, 1e-7, 1e-3, 0.2499, 0.2501, 2.0, 15.9, 16.1, 60.0]
LEVELS = np.arange(256) / 255
SUPPORTS = {"continuous-bernoulli": (0, 1), "beta": (-0.5 / 255, 255.5 / 255)}
MASSES = {"bernoulli": [0.0, 1.0], "binarized-bernoulli": [0.0, 1.0]}
MASSES |= {"discretized-logistic": LEVELS, "categorical": LEVELS}


def outputs(likelihood: Likelihood, parameter: float) -> torch.Tensor:
    """Decoder output for one vector feature: the parameter, then others that differ from it."""
    count = likelihood.outputs_per_value
    return parameter + 0.7 * torch.arange(count, dtype=torch.float64).sin()


def log_density(likelihood: Likelihood, parameter: float, x: float) -> float:
    p = likelihood.eval()(outputs(likelihood, parameter))
    return p.log_prob(torch.tensor([x], dtype=torch.float64)).item()


@pytest.mark.parametrize("parameter", PARAMETERS)
@pytest.mark.parametrize("name", list(LIKELIHOODS))
def test_each_family_integrates_or_sums_to_one(name: str, parameter: float) -> None:
    likelihood = build(name, (1,))
    if name in MASSES:
        total = sum(np.exp(log_density(likelihood, parameter, x)) for x in MASSES[name])
    else:
        p = likelihood.eval()(outputs(likelihood, parameter)).base_dist
        low, high = SUPPORTS.get(name, (-np.inf, np.inf))
        mean, spread = p.mean.item(), p.variance.item() ** 0.5
        edges = np.clip(mean + spread * np.array([-60, -8, -2, -0.3, 0, 0.3, 2, 8, 60]), low, high)
        edges = np.unique([edge for edge in [low, *edges, high] if np.isfinite(edge)])
        pieces = [
            integrate.quad(lambda x: np.exp(log_density(likelihood, parameter, x)), *ends, limit=200)[0]
            for ends in itertools.pairwise(edges)
        ]
        total = sum(pieces)
    assert total == pytest.approx(1, abs=1e-5)


def scipy_log_density(name: str, likelihood: Likelihood, values: np.ndarray, x: float) -> float:
    """The same family by scipy, from decoder outputs."""
    first, last = values[0], values[-1]
    scale = float(getattr(likelihood, "scale", 1.0))
    if name in ("bernoulli", "binarized-bernoulli"):
        return stats.bernoulli(special.expit(first)).logpmf(round(x))
    if name == "continuous-bernoulli":  # a truncated exponential
        first = first / (1 + abs(first) / 60)
        size = abs(first)
        return stats.truncexpon(b=size, scale=1 / size).logpdf(1 - x if first > 0 else x)
    if name == "gaussian-heteroscedastic":
        return stats.norm(first, 1 / 510 + np.exp(last)).logpdf(x)
    if name.startswith("gaussian"):
        return stats.norm(first, scale).logpdf(x)
    if name.startswith("laplace"):
        return stats.laplace(first, scale).logpdf(x)
    if name == "beta":
        a, b = (0.01 + np.logaddexp(0, value) for value in (first, last))
        return stats.beta(a, b, loc=-0.5 / 255, scale=256 / 255).logpdf(x)
    if name == "categorical":
        return stats.rv_discrete(values=(np.arange(256), special.softmax(values))).logpmf(round(255 * x))
    logistic = stats.logistic(0.5 + first, 1 / 2550 + np.exp(last - 2))
    above, below = (np.inf if x == 1 else x + 0.5 / 255), (-np.inf if x == 0 else x - 0.5 / 255)
    return np.log(logistic.cdf(above) - logistic.cdf(below))


@pytest.mark.parametrize("parameter", [-1.0, -0.2, 0.3, 1.5])
@pytest.mark.parametrize("name", list(LIKELIHOODS))
def test_each_family_agrees_with_scipy(name: str, parameter: float) -> None:
    likelihood = build(name, (1,))
    with torch.no_grad():
        for x in (0.0, 51 / 255, 0.6, 1.0):
            expected = scipy_log_density(name, likelihood, outputs(likelihood, parameter).numpy(), x)
            if "bernoulli" in name and "continuous" not in name:
                x = float(round(x))
            assert log_density(likelihood, parameter, x) == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("shape", [(1, 3, 4), (3, 2, 2), (5,)])
@pytest.mark.parametrize("name", list(LIKELIHOODS))
def test_the_mean_agrees_with_draws(name: str, shape: tuple[int, ...]) -> None:
    likelihood = build(name, shape).eval()
    p = likelihood(torch.randn(likelihood.outputs_per_value * shape[0], *shape[1:]))
    draws = p.sample((20_000,))
    assert p.event_shape == shape
    error = p.variance.sqrt() / 20_000**0.5
    assert ((draws.mean(0) - p.mean).abs() < 5 * error + 1e-6).all()


@pytest.mark.parametrize("name", list(LIKELIHOODS))
def test_gradients_are_finite_at_black_and_white(name: str) -> None:
    likelihood = build(name, (1, 2, 2))
    rows = likelihood.outputs_per_value
    parameters = torch.linspace(-80, 80, 4 * rows).reshape(rows, 2, 2).requires_grad_()
    for training in (True, False):
        for x in (torch.zeros(1, 2, 2), torch.ones(1, 2, 2), torch.full((1, 2, 2), 0.6)):
            log_prob = likelihood.train(training)(parameters).log_prob(likelihood.prepare(x))
            (gradient,) = torch.autograd.grad(log_prob, parameters)
            assert log_prob.isfinite()
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
    assert likelihood.scale.item() == pytest.approx(1 / 510)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("inf"), float("nan")])
@pytest.mark.parametrize("name", ["gaussian", "gaussian-learned", "laplace", "laplace-learned"])
def test_scales_must_be_positive(name: str, scale: float) -> None:
    with pytest.raises(ValueError, match="scale must be"):
        build(name, (4,), scale=scale)


def test_unknown_links_and_options_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown mean link 'sigmoyd': did you mean 'sigmoid'"):
        build("gaussian", (4,), mean_link="sigmoyd")
    with pytest.raises(ValueError, match="the bernoulli likelihood has no mean_link: leave `mean_link` out"):
        build("bernoulli", (4,), mean_link="sigmoid")


def test_a_family_is_one_small_class() -> None:
    class Exponential(Likelihood):
        def forward(self, parameters: torch.Tensor) -> torch.distributions.Distribution:
            return dist.Exponential(parameters.exp()).to_event(len(self.shape))

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


def test_a_categorical_of_large_images_warns_of_its_size() -> None:
    with pytest.warns(UserWarning, match="categorical has 12,582,912 outputs an image"):
        build("categorical", (3, 128, 128))


def test_the_optimal_variance_is_the_batchs_and_the_buffer_follows_it() -> None:
    likelihood = build("gaussian-optimal", (4,))
    mean, x = torch.zeros(50, 4, requires_grad=True), torch.randn(50, 4)
    log_prob = likelihood(mean).log_prob(x).sum()
    variance = x.square().mean()
    expected = torch.distributions.Normal(0.0, variance.sqrt()).log_prob(x).sum()
    torch.testing.assert_close(log_prob, expected)
    torch.testing.assert_close(likelihood.scale, variance.sqrt())
    with torch.no_grad():
        likelihood(mean).log_prob(10 * x)  # without gradients nothing is learnt
    torch.testing.assert_close(likelihood.scale, variance.sqrt())
    likelihood(mean).log_prob(2 * x)
    torch.testing.assert_close(likelihood.scale.square(), variance * (0.99 + 0.01 * 4))
    assert likelihood.eval()(mean).log_prob(x).sum() != log_prob


def test_constant_pixels_drive_no_family_to_infinity() -> None:
    x = torch.zeros(8, 1, 4, 4)
    for name in LIKELIHOODS:
        likelihood = build(name, (1, 4, 4))
        rows = likelihood.outputs_per_value
        parameters = torch.zeros(8, rows, 4, 4, requires_grad=True)
        optimizer = torch.optim.Adam([parameters, *likelihood.parameters()], lr=0.5)
        for _ in range(300):
            optimizer.zero_grad()
            loss = -likelihood(parameters).log_prob(likelihood.prepare(x)).mean()
            loss.backward()
            optimizer.step()
        assert loss.isfinite(), name
        assert loss > -16 * 8, name  # nats a pixel that a scale at its floor can buy


def test_continuous_bernoulli_refuses_values_outside_its_support_under_validation() -> None:
    with pytest.raises(ValueError, match="support"):
        ContinuousBernoulli(torch.zeros(2)).log_prob(torch.tensor([0.5, 1.5]))
