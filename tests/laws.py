"""Laws that hold for programs of any sites: of the package, of a test, of a user."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import pyro
import torch
from pyro import poutine
from pyro.infer import ELBO
from torch import Tensor

from pyro_bvae import BetaVAE
from pyro_bvae.datasets import Dataset
from pyro_bvae.objectives import Beta
from pyro_bvae.settings.training import TrainingSettings
from pyro_bvae.terms import batches, terms
from pyro_bvae.training import Training

__all__ = [
    "batch_of",
    "check_derivative_in_beta",
    "check_recorded_equals_eager",
    "check_terms_are_the_elbo",
]


class Unscaled(poutine.messenger.Messenger):
    """Takes scales out of a trace's log-probabilities."""

    def _pyro_post_sample(self, msg: Any) -> None:
        msg["scale"] = 1.0


def batch_of(vae: BetaVAE, data: Dataset, size: int = 8) -> tuple[Tensor, dict[str, Tensor]]:
    """The first training data, with what the programs take beside them."""
    _, x, given = next(batches(vae, data.rows(data.train[:size]), size))
    return x, given


def check_terms_are_the_elbo(
    vae: BetaVAE, x: Tensor, given: Mapping[str, Tensor], elbo: ELBO, draws: int = 400, errors: float = 4.0
) -> None:
    """Distortion and rate add up to Pyro's loss of the unscaled programs, within the errors of both by their draws."""

    def loss() -> Tensor:
        one = terms(vae, x, **given)
        return (one.distortion + one.rate).sum()

    with torch.no_grad(), pyro.validation_enabled(False):
        ours = torch.stack([loss() for _ in range(draws)])
        with Unscaled():
            theirs = torch.tensor([elbo.loss(vae.model, vae.guide, x, **given) for _ in range(2 * draws)])
    error = (ours.var() / len(ours) + theirs.var() / len(theirs)).sqrt()
    assert abs(ours.mean() - theirs.mean()) < errors * error + 1e-3


def check_derivative_in_beta(
    vae: BetaVAE, x: Tensor, given: Mapping[str, Tensor], beta: float, weighted: Collection[str]
) -> None:
    """The derivative of the loss in β is the rate of the sites that β weighs, at the same draws."""
    vae.beta = torch.tensor(beta, requires_grad=True)
    torch.manual_seed(5)
    loss = Beta().differentiable_loss(vae.model, vae.guide, x, **given)
    (slope,) = torch.autograd.grad(loss, vae.beta)
    torch.manual_seed(5)
    rates = terms(vae, x, **given).rates
    torch.testing.assert_close(slope, sum(rates[site].sum() for site in weighted))


def check_recorded_equals_eager(make: Callable[[], BetaVAE], data: Dataset) -> None:
    """Three steps as graphs give the parameters that three of Pyro's and torch's own give."""
    results = []
    for record in (False, True):
        torch.manual_seed(0)
        vae = make()
        training = Training(vae, data, TrainingSettings(batch_size=16, steps=3), Beta())
        step = training.compile(None) if record else None
        pyro.set_rng_seed(0)
        with pyro.validation_enabled(False):
            for _ in range(3):
                training.advance()
        assert step is None or step.reason is None
        results.append([parameter.detach().clone() for parameter in vae.parameters()])
    for eager, recorded in zip(*results, strict=True):
        torch.testing.assert_close(recorded, eager, rtol=1e-4, atol=1e-6)
