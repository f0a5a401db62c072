"""Compiled steps of other people's programs are eager ones."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from programs import FAMILY, SHAPE
from pyro.infer import SVI, TraceMeanField_ELBO
from pyro.optim import Adam

from pyro_bvae import BetaVAE, Callback, fit, load_run
from pyro_bvae.datasets import Dataset
from pyro_bvae.training import Training

STEPS = 30
EAGER = {"parameters that share memory": "share memory", "parameters in a list": "in a place of their own"}


def fitted(name: str, images: Dataset, **options: Any) -> BetaVAE:
    torch.manual_seed(0)
    vae = FAMILY[name]()
    fit(vae, images, **{"steps": STEPS, "lr": 1e-4, "batch_size": 18, "optimizer": "adam", **options})
    return vae


def check_equal(one: BetaVAE, other: BetaVAE) -> None:
    for (name, mine), theirs in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=2e-4, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.usefixtures("instant_compiler")
@pytest.mark.parametrize("name", list(FAMILY))
def test_recorded_steps_of_a_program_are_eager_ones(name: str, images: Dataset) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ours = fitted(name, images, compile=True)
    said = [str(warning.message) for warning in caught]
    assert [EAGER[name] in text for text in said] == [True] if name in EAGER else said == []
    check_equal(ours, fitted(name, images, compile=False))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({*FAMILY} - {*EAGER}))
def test_compiled_steps_of_a_program_are_eager_ones(name: str, images: Dataset) -> None:
    check_equal(fitted(name, images, compile=True), fitted(name, images, compile=False))


class Freeze(Callback):
    """Freeze the decoder's first layer after ten steps, and free it again after twenty."""

    def on_step(self, training: Training) -> None:
        if training.step in (10, 20):
            training.vae.decoder.layers[0].requires_grad_(training.step == 20)


@pytest.mark.usefixtures("instant_compiler")
@pytest.mark.parametrize(("optimizer", "says"), [("rmsprop", 0), ("adam", 1)])
def test_what_is_frozen_later_stays_and_goes_on_later(optimizer: str, says: int, images: Dataset) -> None:
    """Adam's correction depends on the steps that a parameter has taken, which a graph takes to be one number."""
    options = {"callbacks": [Freeze()], "optimizer": optimizer}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ours = fitted("unused", images, compile=True, **options)
    assert ["taken fewer steps" in str(warning.message) for warning in caught] == [True] * says
    check_equal(ours, fitted("unused", images, compile=False, **options))
    assert not torch.equal(ours.decoder.layers[0].weight, fitted("unused", images, steps=1).decoder.layers[0].weight)


@pytest.mark.usefixtures("instant_compiler")
@pytest.mark.parametrize("name", list(FAMILY))
def test_a_program_comes_back_from_its_checkpoint_with_its_ties(name: str, images: Dataset, tmp_path: Path) -> None:
    whole = fitted(name, images, steps=4, compile=False)
    fitted(name, images, steps=2, compile=False, out=tmp_path)
    parts = fitted(name, images, steps=4, compile=False, out=tmp_path, resume=True)
    loaded = load_run(tmp_path, FAMILY[name]()).model
    for vae in (parts, loaded):
        assert all(map(torch.equal, whole.state_dict().values(), vae.state_dict().values()))
        assert ties(vae) == ties(whole)


def ties(vae: BetaVAE) -> list[list[str]]:
    """The names of each parameter."""
    names: dict[int, list[str]] = {}
    for name, parameter in vae.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    return list(names.values())


@pytest.mark.parametrize("name", list(FAMILY))
def test_plain_svi_trains_every_parameter_of_a_program(name: str) -> None:
    """Pyro's store makes contiguous copies of parameters; what is trained has to be the model's own."""
    torch.manual_seed(0)
    vae, x = FAMILY[name](), torch.rand(7, *SHAPE)
    before = {own: parameter.clone() for own, parameter in vae.named_parameters()}
    svi = SVI(vae.model, vae.guide, Adam({"lr": 1e-2}), TraceMeanField_ELBO())
    for _ in range(2):
        svi.step(x)
    still = {own for own, parameter in vae.named_parameters() if torch.equal(parameter, before[own])}
    assert still == {own for own in before if own in STILL.get(name, ())}


STILL = {
    "frozen": ["decoder.layers.0.weight", "decoder.layers.0.bias"],
    "unused": ["decoder.spare.weight", "decoder.spare.bias"],
}
