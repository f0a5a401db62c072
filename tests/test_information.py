"""The information terms agree with what is known in closed form."""

from __future__ import annotations

from math import log

import pyro.distributions as dist
import pytest
import torch
from torch import Tensor, nn

from pyro_bvae import BetaVAE, evaluate
from pyro_bvae.datasets import Dataset, log_likelihood
from pyro_bvae.evaluation import information as module
from pyro_bvae.evaluation.evaluation import least_information
from pyro_bvae.evaluation.information import decompose_rate
from pyro_bvae.terms import mean_terms


class Linear(nn.Module):
    """Mean W x and a fixed variance."""

    def __init__(self, weight: Tensor, scale: float) -> None:
        super().__init__()
        self.weight, self.scale = weight, scale

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        loc = x @ self.weight.T
        return loc, torch.full_like(loc, 2 * log(self.scale))


def encoded(weight: Tensor, scale: float) -> BetaVAE:
    size, dim = weight.shape
    return BetaVAE((dim,), size, hidden=(4,), likelihood="gaussian", encoder=Linear(weight, scale), beta=3.0)


def test_a_linear_gaussian_encoder_has_the_terms_of_gaussians() -> None:
    weight = torch.tensor([[1.0, 0.5, 0.0], [0.8, -0.2, 0.6]])
    covariance = weight @ weight.T + 0.25 * torch.eye(2)
    variances = covariance.diagonal()
    terms = decompose_rate(encoded(weight, 0.5), torch.randn(6000, 3))
    assert terms.mutual_information == pytest.approx(0.5 * torch.logdet(covariance / 0.25).item(), abs=0.06)
    correlation = 0.5 * (variances.log().sum() - torch.logdet(covariance)).item()
    assert terms.total_correlation == pytest.approx(correlation, abs=0.04)
    by_latent = (0.5 * (variances - 1 - variances.log())).tolist()
    assert terms.dimension_wise_kl_per_latent == pytest.approx(by_latent, abs=0.04)
    assert terms.images == 6000


def test_two_far_clusters_are_one_bit() -> None:
    x = torch.tensor([-1.0, 1.0])[torch.arange(500) % 2, None]
    vae = encoded(torch.tensor([[20.0], [0.0]]), 1.0)
    terms = decompose_rate(vae, x)
    assert terms.mutual_information == pytest.approx(log(2), abs=1e-5)
    assert terms.total_correlation == pytest.approx(0, abs=1e-5)
    assert terms.dimension_wise_kl == pytest.approx(200 - log(2), rel=0.01)


def test_a_code_that_repeats_itself_has_a_total_correlation() -> None:
    x = torch.tensor([-1.0, 1.0])[torch.arange(500) % 2, None]
    terms = decompose_rate(encoded(torch.tensor([[20.0], [20.0]]), 1.0), x)
    assert terms.mutual_information == pytest.approx(log(2), abs=1e-5)
    assert terms.total_correlation == pytest.approx(log(2), abs=1e-5)


def test_the_rate_is_the_sum_of_the_three(digits: Dataset) -> None:
    vae = BetaVAE(digits.shape, 10, beta=3.0)
    terms = decompose_rate(vae, digits.images, images=700)
    parts = terms.mutual_information + terms.total_correlation + terms.dimension_wise_kl
    assert parts == pytest.approx(terms.rate, abs=1e-4)
    assert sum(terms.dimension_wise_kl_per_latent) == pytest.approx(terms.dimension_wise_kl, abs=1e-4)
    assert decompose_rate(vae, digits.images).rate == pytest.approx(mean_terms(vae, digits.images).rate, abs=0.05)


def test_a_code_that_tells_all_data_apart_reaches_the_logarithm_of_their_number() -> None:
    x = torch.arange(300.0)[:, None]
    terms = decompose_rate(encoded(torch.tensor([[50.0]]), 1.0), x)
    assert terms.mutual_information == pytest.approx(log(300), abs=1e-4)
    assert terms.most == log(300)


def test_a_collapsed_code_holds_nothing() -> None:
    terms = decompose_rate(encoded(torch.zeros(2, 3), 1.0), torch.randn(300, 3))
    for term in (terms.mutual_information, terms.total_correlation, terms.dimension_wise_kl):
        assert term == pytest.approx(0, abs=1e-5)


def test_chunks_of_any_size_give_the_same(monkeypatch: pytest.MonkeyPatch, vectors: Dataset) -> None:
    vae = encoded(torch.randn(3, 5), 0.3)
    whole = decompose_rate(vae, vectors.images)
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 7)
    monkeypatch.setattr(module, "NUMBERS_AT_ONCE", 7 * 3 * 11)
    parts = decompose_rate(vae, vectors.images, batch_size=9)
    assert parts.total_correlation == pytest.approx(whole.total_correlation, abs=1e-5)
    assert parts.mutual_information == pytest.approx(whole.mutual_information, abs=1e-5)


def test_the_terms_do_not_depend_on_beta_and_draw_the_same_data_again(vectors: Dataset) -> None:
    vae = encoded(torch.randn(3, 5), 0.3)
    terms = decompose_rate(vae, vectors.images, images=40)
    vae.beta = 0.0
    assert decompose_rate(vae, vectors.images, images=40) == terms
    assert terms.images == 40


def least(slope: float, scale: float, deviation: float = 1.0, noise: float = 0.5) -> float:
    """H − D of data N(0, deviation²) under the code x + noise · ε and the decoder N(slope · z, scale²)."""
    decoder = nn.Linear(1, 1, bias=False)
    nn.init.constant_(decoder.weight, slope)
    encoder = Linear(torch.ones(1, 1), noise)
    vae = BetaVAE((1,), 1, likelihood="gaussian", scale=scale, encoder=encoder, decoder=decoder)
    x = deviation * torch.randn(20_000, 1)
    return least_information(evaluate(vae, x), log_likelihood(x, torch.tensor([[deviation**2]])))


def test_the_information_is_at_least_entropy_less_distortion_and_just_that_for_the_best_decoder() -> None:
    exact = 0.5 * log(1 + 1 / 0.25)
    assert least(0.8, 0.2**0.5) == pytest.approx(exact, abs=0.02)  # x given z is N(z/1.25, 0.25/1.25)
    for slope, scale in ((0.8, 1.0), (0.8, 0.3), (0.5, 0.5), (1.2, 0.5)):
        assert least(slope, scale) < exact
    assert least(-1.0, 0.3) < 0


def test_what_the_model_generates_may_hold_less_than_entropy_less_distortion() -> None:
    generated = 0.5 * log(1 + 1)  # of z in N(z, 1), z from the prior
    assert generated + 2 < least(1.0, 1.0, deviation=10.0, noise=0.1) < 0.5 * log(1 + 10**2 / 0.1**2)


def test_the_least_information_wants_an_entropy_and_densities(images: Dataset, vectors: Dataset) -> None:
    density = evaluate(encoded(torch.randn(3, 5), 0.3), vectors.images)
    assert least_information(density, None) is None
    assert least_information(density, -1.0) == 1.0 - density.distortion
    assert least_information(evaluate(BetaVAE(images.shape, 2), images.images), -1.0) is None


def test_other_posteriors_are_refused(vectors: Dataset) -> None:
    class Full(BetaVAE):
        def encode(self, x: Tensor) -> dist.TorchDistribution:
            return dist.MultivariateNormal(self.encoder(x)[0], torch.eye(2))

    with pytest.raises(ValueError, match="wants a guide of independent normals, got MultivariateNormal"):
        decompose_rate(Full((5,), 2, hidden=(4,), likelihood="gaussian"), vectors.images)
    with pytest.raises(ValueError, match="at least 1 image, got 0 of 100"):
        decompose_rate(encoded(torch.randn(3, 5), 0.3), vectors.images, images=0)
