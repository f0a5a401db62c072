"""Programs and data that would not do what one thinks are refused before a fit, and what works is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyro
import pytest
import torch
from conftest import new_vae
from torch import Tensor

from pyro_bvae import BetaVAE, fit
from pyro_bvae.datasets import Dataset


def test_data_outside_the_support_are_refused(vectors: Dataset) -> None:
    with pytest.raises(
        ValueError, match=r"values from .*outside the support .* of the bernoulli likelihood; choose a gaussian"
    ):
        fit(BetaVAE((5,), 2), vectors, steps=1)


def test_a_model_of_another_shape_is_refused(images: Dataset) -> None:
    with pytest.raises(ValueError, match=r"the model is for data of shape \(1, 28, 28\), noise has \(1, 16, 16\)"):
        fit(BetaVAE((1, 28, 28)), images, steps=1)


def test_a_parameter_that_fit_would_not_train_is_refused(images: Dataset) -> None:
    class Stray(BetaVAE):
        def guide(self, x: Tensor) -> Tensor:
            pyro.param("stray", torch.zeros(1))
            return super().guide(x)

    with pytest.raises(ValueError, match=r"pyro.param\('stray'\) is none of them"):
        fit(Stray((1, 16, 16), 3), images, steps=1)


def test_a_prior_that_would_not_be_trained_is_refused(images: Dataset) -> None:
    loc = torch.zeros(3, requires_grad=True)
    vae = BetaVAE((1, 16, 16), 3, prior=lambda: pyro.distributions.Normal(loc, 1.0).to_event(1))
    with pytest.raises(ValueError, match=r"a parameter of shape \(3,\) that is not the model's"):
        fit(vae, images, steps=1)


def test_beta_on_one_program_only_is_refused(images: Dataset) -> None:
    class Forgetful(BetaVAE):
        def guide(self, x: Tensor) -> Tensor:
            with pyro.plate("batch", len(x), dim=-1):
                return pyro.sample("z", self.encode(x))

    with pytest.raises(ValueError, match="weighed by 6 in the model and by 1 in the guide"):
        fit(Forgetful((1, 16, 16), 3, beta=6.0), images, steps=1)


class OneTensor(torch.nn.Module):
    """An encoder that forgets the log-variance."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)[:, :3]


class Narrow(torch.nn.Module):
    """A likelihood of single values."""

    def forward(self, parameters: Tensor) -> pyro.distributions.TorchDistribution:
        return pyro.distributions.Normal(parameters, 1.0)


class Wide(BetaVAE):
    def encode(self, x: Tensor) -> pyro.distributions.TorchDistribution:
        return pyro.distributions.Normal(x.flatten(1)[:, :5], 1.0).to_event(1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BetaVAE((1, 16, 16), 3, encoder=OneTensor()),
         r"mean and log-variance, each \(60, 3\), got a tensor \(60, 3\)"),
        (lambda: BetaVAE((1, 16, 16), 3, likelihood=Narrow()),
         r"the likelihood must have batch shape \(60,\) and event shape \(1, 16, 16\), got \(60, 1, 16, 16\) and \(\); "
         r".to_event\(3\) makes"),
        (lambda: Wide((1, 16, 16), 3), r"the posterior must have .* event shape \(3,\), got \(60,\) and \(5,\)$"),
    ],
)  # fmt: skip
def test_a_part_that_gives_another_shape_is_named(make: Callable[[], BetaVAE], message: str, images: Dataset) -> None:
    images = Dataset("sixty", images.images, train=torch.arange(60), held_out=torch.arange(60))
    with pytest.raises(ValueError, match=message):
        fit(make(), images, steps=1)


class Encoder(torch.nn.Module):
    """One that returns its two tensors as it likes."""

    def __init__(self, combine: Callable[[Tensor, Tensor], Any]) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(256, 3)
        self.log_variance = torch.nn.Parameter(torch.zeros(3))
        self.combine = combine

    def forward(self, x: Tensor) -> Any:
        return self.combine(self.layer(x.flatten(1)), self.log_variance)


@pytest.mark.parametrize(
    "combine",
    [
        lambda loc, log_variance: (loc, log_variance),
        lambda loc, log_variance: [loc, log_variance.expand_as(loc)],
        lambda loc, log_variance: torch.stack([loc, log_variance.expand_as(loc)]),
        lambda loc, log_variance: (loc, log_variance.mean() + loc[:, :1]),
    ],
)
def test_whatever_broadcasts_to_a_posterior_is_one(combine: Callable[[Tensor, Tensor], Any], images: Dataset) -> None:
    assert fit(BetaVAE((1, 16, 16), 3, encoder=Encoder(combine)), images, steps=1).step == 1


def test_a_posterior_of_no_batch_is_that_of_all_data(images: Dataset) -> None:
    class Shared(BetaVAE):
        def encode(self, x: Tensor) -> pyro.distributions.TorchDistribution:  # noqa: ARG002
            return pyro.distributions.Normal(torch.zeros(3), 1.0).to_event(1)

    assert fit(Shared((1, 16, 16), 3), images, steps=1).step == 1


def test_a_tensor_is_no_data_set(images: Dataset) -> None:
    with pytest.raises(TypeError, match=r"fit wants a Dataset, got Tensor: datasets.Dataset\('mine', x\) makes one"):
        fit(new_vae(), images.images, steps=1)


def test_a_second_latent_site_is_refused(images: Dataset) -> None:
    class TwoSites(BetaVAE):
        def model(self, x: Tensor | None = None, size: int = 1) -> Tensor:
            pyro.sample("w", pyro.distributions.Normal(0.0, 1.0))
            return super().model(x, size)

        def guide(self, x: Tensor) -> Tensor:
            pyro.sample("w", pyro.distributions.Normal(0.0, 1.0))
            return super().guide(x)

    with pytest.raises(ValueError, match="a latent site 'w' is in no reported term"):
        fit(TwoSites((1, 16, 16), 3), images, steps=1)
