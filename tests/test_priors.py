"""Every prior is a normalised density that independent implementations agree with, and is trained where it learns."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pyro.distributions as dist
import pytest
import torch
from scipy import special, stats
from torch import Tensor

from pyro_bvae import BetaVAE
from pyro_bvae.likelihoods import Standardised, build
from pyro_bvae.priors import PRIORS, StandardNormal, VampPrior
from pyro_bvae.settings.names import PRIORS as NAMES
from pyro_bvae.settings.parsing import counted

PRIORS_BY_NAME = ["normal", "laplace", "mixture:3", "vamp:4"]


def perturbed(vae: BetaVAE) -> BetaVAE:
    """The programs in double precision, with parameters moved from where they start."""
    vae = vae.double().eval()
    with torch.no_grad():
        for parameter in vae.parameters():
            fan_in = parameter.shape[-1] if parameter.dim() > 1 else 1
            parameter += 0.4 * torch.randn_like(parameter) / fan_in**0.5
    return vae


def with_prior(text: str, latent_dim: int = 2) -> BetaVAE:
    return perturbed(BetaVAE((5,), latent_dim, hidden=(8,), likelihood="gaussian", prior=text))


def grid(latent_dim: int) -> tuple[Tensor, float]:
    """Points ``(N, K)`` of a line or a square, and the volume that each stands for."""
    axis = torch.linspace(-12, 12, 12_001 if latent_dim == 1 else 401, dtype=torch.float64)
    points = torch.cartesian_prod(*[axis] * latent_dim).reshape(-1, latent_dim)
    return points, float(axis[1] - axis[0]) ** latent_dim


@pytest.mark.parametrize("latent_dim", [1, 2])
@pytest.mark.parametrize("text", PRIORS_BY_NAME)
def test_each_prior_integrates_to_one(text: str, latent_dim: int) -> None:
    points, volume = grid(latent_dim)
    with torch.no_grad():
        total = with_prior(text, latent_dim).prior().log_prob(points).exp().sum() * volume
    assert total.item() == pytest.approx(1, abs=3e-3 if text == "laplace" else 1e-6)  # which has a corner


def scipy_log_density(vae: BetaVAE, text: str, z: np.ndarray) -> np.ndarray:
    """The same prior by scipy, ``(N,)`` of latents ``(N, K)``."""
    if text == "normal":
        return stats.norm.logpdf(z).sum(-1)
    if text == "laplace":
        return stats.laplace.logpdf(z, scale=0.5**0.5).sum(-1)
    prior = vae.prior
    if text.startswith("mixture"):
        loc, scale, logits = (each.detach().numpy() for each in (prior.loc, prior.log_scale.exp(), prior.logits))
    else:
        loc, log_variance = (each.detach().numpy() for each in vae.encoder(prior.inputs()))
        scale, logits = np.exp(0.5 * log_variance), np.zeros(len(loc))
    parts = stats.norm.logpdf(z[:, None], loc, scale).sum(-1)
    return special.logsumexp(parts + special.log_softmax(logits), axis=1)


@pytest.mark.parametrize("text", PRIORS_BY_NAME)
def test_each_prior_agrees_with_scipy_at_its_draws_and_far_out(text: str) -> None:
    vae = with_prior(text)
    z = torch.cat([vae.prior().sample((50,)), torch.tensor([[200.0, -300.0]], dtype=torch.float64)])
    expected = scipy_log_density(vae, text, z.numpy())
    np.testing.assert_allclose(
        vae.prior().log_prob(z).detach().numpy(), expected, rtol=1e-7
    )  # a buffer was made in 32 bits


@pytest.mark.parametrize("text", PRIORS_BY_NAME)
def test_draws_have_the_moments_that_a_prior_says(text: str) -> None:
    p = with_prior(text).prior()
    draws = p.sample((20_000,))
    standard_error = draws.std(0) / len(draws) ** 0.5
    assert ((draws.mean(0) - p.mean).abs() < 4 * standard_error).all()
    torch.testing.assert_close(draws.var(0), p.variance.detach(), rtol=0.1, atol=0.0)


def test_a_normal_and_a_laplace_have_variance_one() -> None:
    for text in ("normal", "laplace"):
        torch.testing.assert_close(BetaVAE((5,), 2, prior=text).prior().variance, torch.ones(2))


@pytest.mark.parametrize("text", ["mixture:3", "vamp:4"])
def test_every_parameter_of_a_learned_prior_is_trained(text: str, x: Tensor) -> None:
    vae = BetaVAE((1, 16, 16), 3, hidden=(8,), prior=text)
    z = vae.encode(x).rsample()
    (-vae.prior().log_prob(z).sum()).backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in vae.prior.parameters())
    assert vae.encoder.loc.weight.grad is not None


def test_a_vamp_prior_shares_the_encoder_and_is_counted_and_saved_without_it() -> None:
    vae, plain = (BetaVAE((1, 16, 16), 3, hidden=(8,), prior=text) for text in ("vamp:4", "normal"))
    assert vae.state_dict().keys() - plain.state_dict().keys() == {"prior.pseudo_inputs"}
    assert sum(map(torch.numel, vae.parameters())) - sum(map(torch.numel, plain.parameters())) == 4 * 256


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda vae: pickle.loads(pickle.dumps(vae))], ids=["copy", "pickle"])
def test_the_prior_of_a_copy_uses_the_encoder_of_the_copy(copied: object) -> None:
    vae = BetaVAE((5,), 2, hidden=(8,), prior="vamp:4")
    other = copied(vae)
    with torch.no_grad():
        other.encoder.loc.bias += 3
    torch.testing.assert_close(other.prior().mean, vae.prior().mean + 3)


def test_a_vamp_prior_is_the_mixture_of_a_posterior_that_was_overridden() -> None:
    class Wide(BetaVAE):
        def encode(self, x: Tensor) -> dist.TorchDistribution:
            return dist.Normal(self.encoder(x)[0], 7.0).to_event(1)

    vae = Wide((5,), 2, hidden=(8,), prior="vamp:4")
    assert vae.prior().component_distribution.base_dist.scale.unique() == 7.0


def test_pseudo_inputs_of_images_start_from_data_and_stay_pixels(x: Tensor) -> None:
    vae = BetaVAE((1, 16, 16), 3, hidden=(8,), prior="vamp:20")
    vae.prior.start_from(x)
    inputs = vae.prior.inputs()
    distances = (inputs.flatten(1).unsqueeze(1) - (0.05 + 0.9 * x).flatten(1)).abs().amax(-1)  # (20, 7)
    assert distances.amin(1).max() < 1e-5
    assert {*distances.argmin(1).tolist()} == {*range(7)}  # each at least twice, as 20 of 7 want
    with torch.no_grad():
        vae.prior.pseudo_inputs *= 1000
    assert 0 <= vae.prior.inputs().min() <= vae.prior.inputs().max() <= 1


def test_pseudo_inputs_of_vectors_are_in_the_units_of_the_data() -> None:
    data = torch.randn(30, 5) * torch.tensor([1e4, 1.0, 1e-4, 2.0, 3.0]) + 7
    family = Standardised.of(build("gaussian", (5,)), data)
    vae = BetaVAE((5,), 2, likelihood=family, prior="vamp:30")
    vae.prior.start_from(data)
    torch.testing.assert_close(vae.prior.inputs().sort(0).values, data.sort(0).values)
    assert vae.prior.pseudo_inputs.abs().max() < 10


def test_a_vamp_prior_of_ones_own_is_bound_by_the_model() -> None:
    prior = VampPrior((5,), 3)
    with pytest.raises(ValueError, match="takes the posterior of its programs: give it to BetaVAE as `prior`"):
        prior()
    assert BetaVAE((5,), 2, prior=prior).prior().event_shape == (2,)


def test_none_is_the_standard_normal() -> None:
    for given in (None, "normal"):
        vae = BetaVAE((5,), 2, prior=given)
        assert type(vae.prior) is StandardNormal
        assert (vae.settings["prior"], vae.custom) == ("normal", {})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mixture", r"the prior mixture:K wants a number from 1 to 10,000, like mixture:4, got 'mixture'"),
        ("mixture:0", "wants a number from 1"),
        ("vamp:x", "the prior vamp:K wants a number"),
        ("vamp:10001", "wants a number from 1 to 10,000"),
        ("normal:2", "the prior normal takes no number, got 'normal:2'"),
        ("laplac", "unknown prior 'laplac': did you mean 'laplace'?"),
    ],
)
def test_a_prior_that_cannot_be_read_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("?", r"\?")):
        BetaVAE((5,), 2, prior=text)


def test_every_name_has_a_class_and_every_class_a_test() -> None:
    assert [counted("prior", text, NAMES)[0] for text in PRIORS_BY_NAME] == [*PRIORS]
