"""What is reported: the terms at β 1, against closed forms."""

from __future__ import annotations

import pyro.distributions as dist
import pytest
import torch
from pyro.infer import TraceMeanField_ELBO
from torch import Tensor, nn

from pyro_bvae import BetaVAE, evaluate
from pyro_bvae.datasets import Dataset
from pyro_bvae.terms import MeanTerms, mean_terms, terms


class Laplace(nn.Module):
    def __init__(self, correlated: bool = False) -> None:
        super().__init__()
        self.correlated = correlated

    def forward(self) -> dist.TorchDistribution:
        if self.correlated:
            return dist.MultivariateNormal(torch.zeros(3), torch.eye(3) + 0.5)
        return dist.Laplace(torch.zeros(3), 1.0).to_event(1)


def test_kl_per_latent_is_the_closed_form(vae: BetaVAE, x: Tensor) -> None:
    q = vae.encode(x)
    batch_terms = terms(vae, x)
    expected = 0.5 * (q.mean.square() + q.variance - 1 - q.variance.log())
    torch.testing.assert_close(batch_terms.kl, expected)
    torch.testing.assert_close(batch_terms.rate, expected.sum(-1))


def test_distortion_plus_rate_is_the_loss_at_beta_one(vae: BetaVAE, x: Tensor) -> None:
    vae.beta = 1.0
    loss = TraceMeanField_ELBO(num_particles=2000, vectorize_particles=True, max_plate_nesting=1)
    expected = loss.loss(vae.model, vae.guide, x) / len(x)
    elbos = [mean_terms(vae, x, seed=seed).elbo for seed in range(200)]
    assert -sum(elbos) / 200 == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("beta", [0.0, 1.0, 250.0])
def test_no_reported_number_changes_with_beta(vae: BetaVAE, images: Dataset, beta: float) -> None:
    before, terms_before = evaluate(vae, images.images), mean_terms(vae, images.images)
    vae.beta = beta
    after = evaluate(vae, images.images)
    assert mean_terms(vae, images.images) == terms_before
    for name in ("elbo", "distortion", "rate", "kl_per_latent", "active_units", "mse"):
        assert getattr(after, name) == getattr(before, name)
    assert after.beta == beta


def test_terms_do_not_depend_on_the_batches(vae: BetaVAE, images: Dataset) -> None:
    whole = mean_terms(vae, images.images, batch_size=60)
    parts = [mean_terms(vae, images.images, batch_size=size) for size in (1, 7, 1000)]
    assert all(part.rate == pytest.approx(whole.rate, rel=1e-6) for part in parts)
    assert all(part.kl_per_latent == pytest.approx(whole.kl_per_latent, rel=1e-6) for part in parts)


def test_kl_per_latent_is_none_where_nothing_factorises(x: Tensor) -> None:
    vae = BetaVAE((1, 16, 16), 3, prior=Laplace(correlated=True))
    means = mean_terms(vae, x)
    assert means.kl_per_latent is None
    assert means.active_units is None


def test_an_estimated_rate_agrees_with_the_closed_form(x: Tensor) -> None:
    vae = BetaVAE((1, 16, 16), 3, prior=Laplace(correlated=True))
    q = vae.encode(x)
    full = torch.distributions.MultivariateNormal(q.mean, torch.diag_embed(q.variance))
    exact = torch.distributions.kl_divergence(full, Laplace(correlated=True)()).mean().item()
    estimates = [mean_terms(vae, x, seed=seed).rate for seed in range(400)]
    assert sum(estimates) / 400 == pytest.approx(exact, abs=0.05)


def test_evaluation_leaves_everything_as_it_was(vae: BetaVAE, images: Dataset) -> None:
    vae.train()
    state, parameters = torch.get_rng_state(), [parameter.clone() for parameter in vae.parameters()]
    evaluate(vae, images.images)
    assert torch.equal(torch.get_rng_state(), state)
    assert vae.training
    assert all(torch.equal(one, other) for one, other in zip(parameters, vae.parameters(), strict=True))


def test_active_means_more_than_a_hundredth_of_a_nat() -> None:
    assert MeanTerms(1.0, 0.5, [0.0, 0.01, 0.0101, 2.0]).active_units == 2


def test_mse_is_that_of_the_means(vae: BetaVAE, images: Dataset) -> None:
    x = images.images.float() / 255
    by_hand = (vae.decode(vae.encode(x).mean).mean - x).square().mean().item()
    assert evaluate(vae, images.images, batch_size=17).mse == pytest.approx(by_hand, rel=1e-5)
