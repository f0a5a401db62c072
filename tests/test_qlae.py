"""Quantised latents: straight-through gradients, values that follow the codes, the ELBO where nothing is quantised."""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from pyro_bvae import BetaVAE, Callback, fit
from pyro_bvae.datasets import Dataset
from pyro_bvae.objectives import Qlae
from pyro_bvae.objectives.qlae import Codebooks


def test_the_nearest_value_of_its_own_codebook() -> None:
    books = Codebooks(3, 4)
    books.values.copy_(torch.randn(3, 4))
    codes = torch.randn(20, 3)
    for row, nearest in zip(codes, books.nearest(codes), strict=True):
        for k in range(3):
            assert nearest[k] == min(books.values[k], key=lambda value, k=k: abs(float(value - row[k])))


def test_values_follow_the_mean_of_the_codes_next_to_them() -> None:
    books = Codebooks(2, 3)  # −½, 0 and ½
    codes = torch.tensor([[0.8, -3.0], [0.6, -1.0], [0.1, 0.2]])
    books.follow(codes, 0.25)
    expected = torch.tensor([[-0.5, 0.025, 0.55], [-0.875, 0.05, 0.5]])
    torch.testing.assert_close(books.values, expected)


def test_the_loss_and_its_gradient_are_those_written_out(vae: BetaVAE, x: Tensor) -> None:
    parameters = list(vae.parameters())
    objective = Qlae(3, 12, beta=0.5, commitment=0.5, quantised=1.0, values=4)
    pyro.set_rng_seed(3)
    loss = objective.differentiable_loss(vae.model, vae.guide, x)
    gradients = torch.autograd.grad(loss, parameters)
    code, log_variance = vae.encoder(x)
    nearest = objective.codebooks.nearest(code.detach())
    loc, scale = code + (nearest - code).detach(), (0.5 * log_variance).exp()
    pyro.set_rng_seed(3)
    z = dist.Normal(loc, scale).rsample()
    rate = ((scale**2 + loc**2 - 1) / 2 - scale.log()).sum(-1)
    expected = (-vae.decode(z).log_prob(x) + 0.5 * rate + 2.0 * (code - nearest).square().sum(-1)).sum()
    torch.testing.assert_close(loss, expected)
    for one, other in zip(gradients, torch.autograd.grad(expected, parameters), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_the_published_means_are_sums_with_another_weight(vae: BetaVAE, x: Tensor) -> None:
    """Published: cross-entropy, a mean over pixels, and 0.01 times a mean over latents."""
    pixels = x[0].numel()
    objective = Qlae(3, pixels, beta=0.0, commitment=0.01, quantised=1.0)
    pyro.set_rng_seed(3)
    loss = objective.differentiable_loss(vae.model, vae.guide, x)
    code, log_variance = vae.encoder(x)
    nearest = objective.codebooks.nearest(code)
    pyro.set_rng_seed(3)
    z = dist.Normal(nearest, (0.5 * log_variance).exp()).rsample()
    published = binary_cross_entropy_with_logits(vae.decoder(z), x) + 0.01 * (code - nearest).square().mean()
    torch.testing.assert_close(loss, len(x) * pixels * published)


def test_what_is_decoded_has_the_mean_of_the_values(vae: BetaVAE, x: Tensor) -> None:
    objective = Qlae(3, 256, quantised=1.0, values=2)
    model, guide = poutine.trace(vae.model), poutine.trace(vae.guide)
    objective.differentiable_loss(model, guide, x)
    loc = guide.trace.nodes["z"]["fn"].base_dist.loc
    torch.testing.assert_close(loc.abs(), torch.full_like(loc, 0.5))


class Look(Callback):
    def on_start(self, run: object, training: object) -> None:  # noqa: ARG002
        self.training = training


def test_a_fit_moves_the_values(images: Dataset) -> None:
    look = Look()
    fit(BetaVAE(images.shape, 2, hidden=(8,)), images, steps=3, objective="qlae:lr=0.5", callbacks=[look])
    values = look.training.objective.codebooks.values  # type: ignore[attr-defined]
    assert values.isfinite().all()
    assert not torch.equal(values, Codebooks(2, 10).values)


def test_what_it_cannot_do_is_refused_in_one_line(x: Tensor) -> None:
    with pytest.raises(ValueError, match="quantised of the objective qlae is a share from 0 to 1, got 2"):
        Qlae(3, 256, quantised=2.0)
    vae = BetaVAE((1, 16, 16), 3, hidden=(8,), posterior="full")
    with pytest.raises(ValueError, match=r"Qlae quantises one latent, .* take the posterior diagonal"):
        Qlae(3, 256, quantised=1.0).differentiable_loss(vae.model, vae.guide, x)
