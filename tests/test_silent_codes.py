"""A code that is the same for all data is found, whatever network and objective it comes from, and no other."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
from programs import Conditional, vamp
from torch import nn

from pyro_bvae import BetaVAE, Run, datasets, fit
from pyro_bvae.datasets import Dataset
from pyro_bvae.evaluation import diagnose, evaluate
from pyro_bvae.programs import PROGRAMS
from pyro_bvae.settings.names import NETWORKS

SAID = r"silent code: all data have one posterior, [\d.e+]+ nats from the prior: the encoder is dead; lower `lr`, or "


@pytest.fixture(scope="module")
def small() -> Dataset:
    return datasets.load("digits", image_size=8)


def verdict(run: Run) -> str:
    """The diagnosis, with the history's last line taken anew from the model as it is."""
    data = run.dataset()
    held_out = evaluate(run.model, data.rows(data.held_out))
    taken = {"held_out_rate": held_out.rate, "held_out_kl_per_latent": held_out.kl_per_latent}
    return str(diagnose(Run(run.model, run.config, [run.history[-1] | taken], run.step, _dataset=data)))


def kill(encoder: nn.Module) -> None:
    """Let all layers give their biases, and these be far from the prior's."""
    for name, parameter in encoder.named_parameters():
        nn.init.constant_(parameter, 1.0 if name.endswith("bias") else 0.0)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("objective", ["beta", "capacity", "tc", "controlled:target=9"])
def test_a_dead_encoder_is_found(network: str, objective: str, small: Dataset) -> None:
    size = 8 if network == "mlp" else 32
    data = small if size == 8 else datasets.load("digits", image_size=size, subsample=300)
    run = fit(BetaVAE(data.shape, 3, network=network), data, steps=1, objective=objective, compile=False)
    assert "silent" not in verdict(run)
    kill(run.model.encoder)
    assert re.match(SAID, verdict(run))


@pytest.mark.parametrize("lr", [1e-3, 3e-2])
def test_a_learning_rate_that_is_too_high_kills(lr: float, small: Dataset) -> None:
    torch.manual_seed(0)
    vae = BetaVAE(small.shape, 10, hidden=(64, 64))
    objective = "capacity:gamma=1000,capacity=25"
    run = fit(vae, small, steps=150, optimizer="adam", lr=lr, objective=objective, compile=False)
    assert bool(re.match(SAID, str(diagnose(run)))) == (lr == 3e-2)


@pytest.mark.parametrize("posterior", ["diagonal", "full", "iaf:2", "planar:2", "spline:2"])
@pytest.mark.parametrize("prior", ["normal", "laplace", "mixture:2"])
def test_posteriors_and_priors_that_hold_something_are_let_be(posterior: str, prior: str, small: Dataset) -> None:
    torch.manual_seed(0)
    vae = BetaVAE(small.shape, 2, hidden=(16,), posterior=posterior, prior=prior)
    assert "silent" not in str(diagnose(fit(vae, small, steps=60, compile=False)))


@pytest.mark.parametrize("program", [vamp, Conditional])
def test_programs_of_ones_own_are_let_be(program: Callable[[], BetaVAE]) -> None:
    torch.manual_seed(0)
    vae = program()
    data = Dataset("mine", torch.rand(60, *vae.shape).round())
    assert "silent" not in verdict(fit(vae, data, steps=60, compile=False))


@pytest.mark.parametrize("kind", ["semi-supervised", "joint", "hierarchical", "conditional"])
def test_programs_of_several_sites_are_let_be(kind: str) -> None:
    torch.manual_seed(0)
    data = Dataset("mine", torch.rand(60, 1, 8, 8).round(), labels=torch.arange(60) % 3)
    more = {} if kind == "hierarchical" else {"classes": 3}
    run = fit(PROGRAMS[kind](data.shape, 2, hidden=(8,), **more), data, steps=10, compile=False)
    assert "silent" not in str(diagnose(run))


@pytest.mark.parametrize("posterior", ["full", "iaf:2", "planar:2", "spline:2"])
def test_a_dead_encoder_is_found_whatever_its_posterior(posterior: str, small: Dataset) -> None:
    run = fit(BetaVAE(small.shape, 3, hidden=(8,), posterior=posterior), small, steps=1, compile=False)
    assert "silent" not in verdict(run)
    kill(run.model.encoder)
    assert re.match(SAID, verdict(run))


@pytest.mark.parametrize("first", [3600, 2500, 1])
def test_data_of_which_most_are_the_same_are_no_dead_encoder(first: int) -> None:
    torch.manual_seed(0)
    images = torch.zeros(4000, 1, 8, 8)
    images[first:, :, :4] = 1
    data = Dataset("two kinds, sorted", images)
    run = fit(BetaVAE(data.shape, 2, hidden=(16,)), data, steps=100, compile=False)
    assert "silent" not in verdict(run)


def test_without_the_data_nothing_is_said(small: Dataset) -> None:
    run = fit(BetaVAE(small.shape, 3, hidden=(8,)), Dataset("mine", small.images), steps=1, compile=False)
    kill(run.model.encoder)
    assert re.match(SAID, verdict(run))
    line = run.history[0] | {"held_out_rate": 1.0, "held_out_kl_per_latent": [1.0, 0.0, 0.0]}
    assert "silent" not in str(diagnose(Run(run.model, run.config, [line], run.step)))
