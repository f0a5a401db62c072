"""NUTS draws the posterior of a model at β 1, and its picture shows those draws beside the guide."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from conftest import Cli
from test_gaps import NOISE, Classes, Linear, data

from pyro_bvae import plots
from pyro_bvae.datasets import Rows
from pyro_bvae.evaluation import ChainsOfImages, nuts
from pyro_bvae.programs import observed_where_known
from pyro_bvae.runs.run import Run


def posterior(vae: Linear, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and covariance of the exact posterior."""
    covariance = vae.precision().inverse()
    layer = vae.decoder.layers[0]
    return covariance @ layer.weight.data.T @ (x - layer.bias.data) / NOISE**2, covariance


@pytest.mark.parametrize("beta", [0.0, 7.0])
def test_nuts_agrees_with_the_exact_posterior_whatever_beta(beta: float) -> None:
    vae, x = Linear(), data(2)
    vae.beta = beta
    chains = nuts(vae, x, images=2, chains=2, draws=300, warmup=100)
    assert chains.draws.shape == (2, 2, 300, 2)
    assert (chains.r_hat < 1.1).all()
    assert (chains.effective > 100).all()
    assert vae.beta == beta
    for row in range(2):
        loc, covariance = posterior(vae, chains.images[row])
        draws = chains.draws[row].flatten(0, 1)
        off = (draws.mean(0) - loc) / covariance.diagonal().sqrt()
        assert (off.abs() < 4 / chains.effective[row].sqrt()).all()
        variances = covariance.diagonal()
        error = ((covariance**2 + variances.outer(variances)) / chains.effective[row].min()).sqrt()
        assert ((draws.T.cov() - covariance).abs() < 5 * error).all()
        q = vae.encode(chains.images[row][None])
        deviations = covariance.diagonal().sqrt()
        torch.testing.assert_close(chains.off[row], (q.mean[0] - loc) / deviations, atol=0.4, rtol=0)
        torch.testing.assert_close(chains.width[row], q.stddev[0] / deviations, atol=0.25, rtol=0)


def test_a_seed_repeats_the_chains_and_each_call_tells_how_far_it_is() -> None:
    vae, x, calls = Linear(), data(5), []
    one, other = (
        nuts(vae, x, images=2, chains=1, draws=5, warmup=3, seed=3, progress=lambda *call: calls.append(call))
        for _ in range(2)
    )
    assert torch.equal(one.draws, other.draws)
    assert calls[:16] == [("NUTS", done, 16) for done in range(1, 17)]


def test_discrete_latents_are_refused_unless_they_are_observed() -> None:
    vae, x = Classes(), data(2)
    with pytest.raises(ValueError, match="NUTS draws continuous latents, and 'y' is discrete: observe it"):
        nuts(vae, x, images=1)
    with pytest.raises(ValueError, match="`site` names a latent site of the guide, z: got 'w'"):
        nuts(Linear(), x, images=1, site="w")
    with pytest.raises(ValueError, match="at least 1 image"):
        nuts(Linear(), x, images=0)


class Partly(Classes):
    """Its class is known of some data."""

    def model(self, x: Any = None, size: int = 1, y: Any = None) -> Any:
        self.register()
        with pyro.plate("batch", size if x is None else len(x), dim=-1), self.weighted():
            c = observed_where_known("y", dist.Categorical(logits=torch.zeros(3)), y)
            z = pyro.sample("z", dist.Normal(c[..., None] - 1.0, torch.ones(2)).to_event(1))
            return pyro.sample("x", self.decode(z), obs=x)


def test_a_class_that_is_known_is_no_latent() -> None:
    vae, x = Partly(), data(2)
    chains = nuts(vae, Rows(x, {"y": torch.tensor([2, 2])}), images=2, chains=2, draws=150, warmup=100)
    assert chains.site == "z"
    for row in range(2):
        loc, covariance = posterior(vae, chains.images[row])
        loc = loc + covariance.sum(1)  # z is around 1
        off = (chains.draws[row].flatten(0, 1).mean(0) - loc) / covariance.diagonal().sqrt()
        assert (off.abs() < 4 / chains.effective[row].sqrt()).all()
    with pytest.raises(ValueError, match="'y' is discrete"):
        nuts(vae, Rows(x, {"y": torch.tensor([-1, -1])}), images=2, chains=1, draws=4, warmup=2)


def some_chains(images: int = 2, latents: int = 3, shape: tuple[int, ...] = (1, 8, 8)) -> ChainsOfImages:
    draws = torch.randn(images, 2, 30, latents)
    ones = torch.ones(images, latents)
    counts = torch.zeros(images, dtype=torch.long)
    return ChainsOfImages("z", draws, torch.randn(images, 100, latents), ones, ones, counts, torch.rand(images, *shape))


def test_the_picture_has_the_draws_of_the_two_latents_with_the_most_kl() -> None:
    chains = some_chains()
    figure = plots.posteriors(chains, kl=[0.1, 2.0, 1.0])
    for row, panel in enumerate(figure.axes):
        assert (panel.get_xlabel(), panel.get_ylabel()) == ("z1", "z2")
        np.testing.assert_allclose(panel.collections[0].get_offsets(), chains.draws[row].flatten(0, 1)[:, [1, 2]])
        centre = chains.guide_draws[row].mean(0)[[1, 2]]
        inner, outer = panel.patches
        np.testing.assert_allclose([inner.center, outer.center], [centre, centre], rtol=1e-5)
        assert outer.width == pytest.approx(2 * inner.width)
    assert "2 of 3 latents" in figure.get_supxlabel()


def test_one_latent_and_many_images_are_drawn_too() -> None:
    figure = plots.posteriors(some_chains(images=11, latents=1, shape=(5,)))
    assert len([panel for panel in figure.axes if panel.axison]) == 9
    assert "9 of 11 images" in figure.get_supxlabel()


def test_the_command_writes_a_picture_and_the_draws(cli: Cli, digits_run: Run, here: Path) -> None:
    options = ["evaluate", digits_run.path, "--nuts", 1, "--nuts-draws", 4, "--out", "looked"]
    result = cli(*options, "--json")
    assert (result.exit_code, result.stderr.splitlines()) == (0, ["looked.png", "looked.npz"])
    found = json.loads(result.stdout)["nuts"]
    assert (found["site"], found["images"], found["chains"], found["draws"]) == ("z", 1, 4, 4)
    assert np.shape(found["r_hat"]) == (1, 10)
    with np.load("looked.npz") as arrays:
        assert arrays["nuts"].shape == (1, 4, 4, 10)
        assert arrays["guide"].shape == (1, 1000, 10)
    text = cli(*options).stdout
    assert "NUTS on z of 1 data at β 1" in text
    result = cli("evaluate", digits_run.path, "--out", "looked")
    assert (result.exit_code, "add --nuts 4" in result.stderr) == (2, True)
