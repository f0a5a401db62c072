"""Programs and data that would not do what one thinks are refused before a fit, and what works is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyro
import pytest
import torch
from conftest import new_vae
from torch import Tensor

from pyro_bvae import BetaVAE, codes, evaluate, fit, generation, traversal
from pyro_bvae.datasets import Dataset
from pyro_bvae.evaluation import iw_bound


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


class TwoSites(BetaVAE):
    def model(self, x: Tensor | None = None, size: int = 1) -> Tensor:
        pyro.sample("w", pyro.distributions.Normal(0.0, 1.0))
        return super().model(x, size)

    def guide(self, x: Tensor) -> Tensor:
        pyro.sample("w", pyro.distributions.Normal(0.0, 1.0))
        return super().guide(x)


class Renamed(BetaVAE):
    def model(self, x: Tensor | None = None, size: int = 1) -> Tensor:
        with pyro.plate("batch", size if x is None else len(x)):
            z = pyro.sample("code", self.prior())
            return pyro.sample("x", self.decode(z), obs=x)

    def guide(self, x: Tensor) -> Tensor:
        with pyro.plate("batch", len(x)):
            return pyro.sample("code", self.encode(x))


class Unobserved(BetaVAE):
    def model(self, x: Tensor | None = None, size: int = 1) -> Tensor:
        return super().model(None, size if x is None else len(x))

    def guide(self, x: Tensor) -> Tensor:
        return super().guide(x)


USES: dict[str, Callable[[BetaVAE, Dataset], Any]] = {
    "fit": lambda vae, data: fit(vae, data, steps=1),
    "evaluate": lambda vae, data: evaluate(vae, data.images),
    "iw_bound": lambda vae, data: iw_bound(vae, data.images, 2),
    "encode": lambda vae, data: codes.encode(vae, data.images),
    "prior_mean": lambda vae, _: codes.prior_mean(vae),
    "traverse": lambda vae, _: traversal.traverse(vae, torch.zeros(1, 3)),
    "base": lambda vae, data: traversal.base(vae, data.images),
    "sample": lambda vae, _: generation.sample(vae, 2),
    "reconstruct": lambda vae, data: generation.reconstruct(vae, data.images, draw=True),
}


@pytest.mark.parametrize("use", ["fit", "evaluate", "iw_bound"])
def test_a_latent_site_outside_of_the_plate_of_data_is_refused(use: str, images: Dataset) -> None:
    with pytest.raises(ValueError, match="the site 'w' must be inside `with pyro.plate"):
        USES[use](TwoSites((1, 16, 16), 3), images)


@pytest.mark.parametrize("use", ["fit"])
def test_latents_may_have_another_name(use: str, images: Dataset) -> None:
    USES[use](Renamed((1, 16, 16), 3), images)


@pytest.mark.filterwarnings("ignore:Found vars in model but not guide")
@pytest.mark.parametrize("use", ["fit", "evaluate", "iw_bound"])
def test_data_that_are_not_observed_are_refused(use: str, images: Dataset) -> None:
    with pytest.raises(ValueError, match="draws its site 'x' in place of observing it: pass obs=x"):
        USES[use](Unobserved((1, 16, 16), 3), images)


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (lambda x: x[:, :, :8], ValueError, r"for data of shape \(N, 1, 16, 16\), got \(60, 1, 8, 16\)"),
        (lambda x: x[0], ValueError, r"for data of shape \(N, 1, 16, 16\), got \(1, 16, 16\)"),
        (lambda x: x.long(), TypeError, "images are uint8 or float, got torch.int64"),
        (lambda x: x.numpy(), TypeError, "data must be a tensor, got ndarray: torch.from_numpy makes one"),
    ],
)
def test_data_that_are_not_the_models_are_named(
    change: Callable[[Tensor], Any], kind: type[Exception], message: str, images: Dataset
) -> None:
    for use in (evaluate, codes.encode, generation.reconstruct):
        with pytest.raises(kind, match=message):
            use(new_vae(), change(images.images))
