"""Programs of several sites: what is refused of them, and what history, config and data say of their sites."""

from __future__ import annotations

from collections.abc import Callable

import pyro
import pyro.distributions as dist
import pytest
import torch
from conftest import new_vae
from sited import Classes, Condition, Layers, few_labels, with_
from torch import Tensor

from pyro_bvae import BetaVAE, fit
from pyro_bvae.datasets import Dataset, Rows
from pyro_bvae.terms import given_to, mean_terms


@pytest.fixture
def data() -> Dataset:
    return few_labels()


class Unmasked(Classes):
    def guide(self, x: Tensor, labels: Tensor | None = None) -> None:
        self.register()
        q = dist.Categorical(logits=self.of_class(x.flatten(1)))
        with pyro.plate("batch", len(x), dim=-1):
            pyro.sample("y" if labels is None else "y_unobserved", q, infer={"enumerate": "parallel"})
            with self.weighted():
                pyro.sample("z", self.encode(x))


class OtherWeights(Layers):
    def guide(self, x: Tensor) -> None:
        self.register()
        loc, log_variance = self.encoder(x)
        with pyro.plate("batch", len(x), dim=-1):
            z1 = pyro.sample("z1", dist.Normal(loc, (0.5 * log_variance).exp()).to_event(1))
            with self.weighted():
                pyro.sample("z2", dist.Normal(self.up(z1), 0.8).to_event(1))


class Outside(Layers):
    def guide(self, x: Tensor) -> None:
        self.register()
        loc, log_variance = self.encoder(x)
        with self.weighted():
            pyro.sample("z1", dist.Normal(loc, (0.5 * log_variance).exp()).to_event(2))
            pyro.sample("z2", dist.Normal(self.up(loc), 0.8).to_event(2))


REFUSED: dict[str, tuple[Callable[[], BetaVAE], str]] = {
    "drawn": (lambda: with_(Classes(), enumerate=""), r"no gradient through draws of 'y', a Categorical: sum over"),
    "unmasked": (Unmasked, r"'y_unobserved' is masked in one of the programs, or in another way"),
    "weights": (lambda: OtherWeights(beta=2.0), r"'z1' is weighed by 2 in the model and by 1 in the guide"),
    "outside of the plate": (Outside, r"'z[12]' must be inside `with pyro.plate"),
}


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_programs_that_would_silently_go_wrong_are_refused(
    make: Callable[[], BetaVAE], message: str, data: Dataset
) -> None:
    with pytest.raises(ValueError, match=message):
        fit(make(), data, steps=1, batch_size=16)


@pytest.mark.parametrize("objective", ["tc:beta=2", "factor:gamma=2", "dip-i", "info"])
def test_objectives_of_one_code_refuse_several(objective: str, data: Dataset) -> None:
    with pytest.raises(ValueError, match="is for one latent site, and the programs have z2, z1"):
        fit(Layers(), data, steps=1, batch_size=16, objective=objective)


def test_data_without_what_programs_take_are_refused(data: Dataset) -> None:
    bare = Dataset("bare", data.images)
    with pytest.raises(ValueError, match="the programs take `c`, and the data have nothing beside images"):
        fit(Condition(), bare, steps=1)
    assert given_to(Classes(), {}) == {}
    fit(Classes(), bare, steps=1, compile=False)
    with pytest.raises(ValueError, match="the programs take `c`"):
        mean_terms(Condition(), data.images)
    assert mean_terms(Condition(), Rows(data.images, data.extra)).rate > 0


def test_history_and_config_name_sites_and_weights(data: Dataset) -> None:
    run = fit(Condition(), data, steps=2, batch_size=16, compile=False)
    assert run.config["latents"] == ["z[0]", "z[1]"]
    assert run.config["weights"] == {"c": 0.25}
    assert set(run.history[-1]["distortions"]) == {"x", "c"}
    classes = fit(Classes(), data, steps=2, batch_size=16, compile=False)
    assert classes.config["latents"] == ["y", "z[0]", "z[1]"]
    assert len(classes.history[-1]["kl_per_latent"]) == 3


def test_the_kl_of_a_site_is_that_of_its_units(data: Dataset) -> None:
    means = mean_terms(Classes(), data.rows())
    assert means.kl_per_latent is not None
    assert means.units == ["y", "z[0]", "z[1]"]
    assert means.kl_of("z") == means.kl_per_latent[1:]
    assert means.kl_of("y") is None
    assert mean_terms(new_vae(), torch.rand(5, 1, 16, 16)).units == ["z[0]", "z[1]", "z[2]"]


def test_a_rate_below_zero_is_remarked_on() -> None:
    from pyro_bvae.training.faults import remark_on_rates

    remark_on_rates({"z": 0.0, "y": -0.5})
    with pytest.warns(RuntimeWarning, match="the rate of 'y' has fallen below 0, where no KL is"):
        remark_on_rates({"z": 2.0, "y": -253_820.0})


def test_programs_that_were_put_on_an_object_are_looked_at(data: Dataset) -> None:
    layers = Layers()
    vae = BetaVAE((1, 8, 8), 2, hidden=(8,))
    vae.layers = layers  # type: ignore[assignment]
    vae.model, vae.guide = layers.model, layers.guide  # type: ignore[method-assign]
    run = fit(vae, data, steps=2, batch_size=16, compile=False)
    assert run.config["latents"] == ["z2[0]", "z1[0]", "z1[1]"]
