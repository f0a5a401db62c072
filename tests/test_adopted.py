"""Modules that have programs and are no `BetaVAE`: fitted, judged, saved and loaded as if they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import Trace_ELBO
from several import PROGRAMS, SHAPE
from torch import Tensor, nn

from pyro_bvae import BetaVAE, evaluate, export, fit, load_run, traverse
from pyro_bvae.codes import encode
from pyro_bvae.datasets import Dataset
from pyro_bvae.generation import reconstruct, sample
from pyro_bvae.programs import adopted

BESIDE = {"semi-supervised": "y", "conditional": "c", "two vectors": "shift"}


class Bare(nn.Module):
    """The programs of a `BetaVAE`, at β 1, in a module that is none."""

    def __init__(self, vae: BetaVAE) -> None:
        super().__init__()
        self.vae = vae
        self.model, self.guide = vae.model, vae.guide


class Pair(nn.Module):
    """As a Pyro tutorial has it."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(16, 4), nn.Linear(2, 16)

    def model(self, x: Tensor | None = None, size: int = 1) -> Tensor:
        pyro.module("pair", self)
        with pyro.plate("batch", size if x is None else x.shape[0]):
            z = pyro.sample("z", dist.Normal(torch.zeros(2), 1.0).to_event(1))
            logits = self.decoder(z).unflatten(-1, SHAPE)
            return pyro.sample("x", dist.Bernoulli(logits=logits, validate_args=False).to_event(3), obs=x)

    def guide(self, x: Tensor) -> Tensor:
        pyro.module("pair", self)
        loc, log_scale = self.encoder(x.flatten(1)).chunk(2, -1)
        with pyro.plate("batch", x.shape[0]):
            return pyro.sample("z", dist.Normal(loc, log_scale.exp()).to_event(1))


class Twin(BetaVAE):
    """The same as a subclass."""

    def __init__(self) -> None:
        super().__init__(SHAPE, 2, hidden=(5,))
        self.encoder, self.decoder = nn.Linear(16, 4), nn.Linear(2, 16)

    def model(self, x: Tensor | None = None, size: int = 1) -> Tensor:
        self.register()
        with pyro.plate("batch", size if x is None else x.shape[0]):
            with self.weighted():
                z = pyro.sample("z", self.prior())
            logits = self.decoder(z).unflatten(-1, SHAPE)
            return pyro.sample("x", dist.Bernoulli(logits=logits, validate_args=False).to_event(3), obs=x)

    def guide(self, x: Tensor) -> Tensor:
        self.register()
        loc, log_scale = self.encoder(x.flatten(1)).chunk(2, -1)
        with pyro.plate("batch", x.shape[0]), self.weighted():
            return pyro.sample("z", dist.Normal(loc, log_scale.exp()).to_event(1))


def some_data(name: str = "") -> Dataset:
    torch.manual_seed(1)
    beside = {"y": torch.arange(40) % 4 - 1, "c": torch.randn(40, 2), "shift": torch.randn(40)}
    extra = {BESIDE[name]: beside[BESIDE[name]]} if name in BESIDE else {}
    return Dataset("mine", torch.rand(40, *SHAPE).round(), extra=extra)


@pytest.mark.usefixtures("instant_compiler")
@pytest.mark.parametrize("compiled", [False, True])
def test_a_module_is_fitted_as_its_twin_is(compiled: bool) -> None:
    runs = []
    for kind in (Pair, Twin):
        torch.manual_seed(0)
        programs = kind()
        for layer in (programs.encoder, programs.decoder):
            nn.init.normal_(layer.weight, generator=torch.Generator().manual_seed(2))
            nn.init.zeros_(layer.bias)
        vae = adopted(programs, SHAPE)
        vae.beta = 3.0
        runs.append(fit(vae, some_data(), steps=6, batch_size=8, compile=compiled, threads=1))
    mine, twin = runs
    assert [record["loss"] for record in mine.history] == [record["loss"] for record in twin.history]
    assert torch.equal(mine.model.programs.decoder.weight, twin.model.decoder.weight)


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_can_stand_in_a_module(name: str) -> None:
    histories: list[Any] = []
    how: dict[str, Any] = {"objective": "beta:beta=2.5"}
    if name in ("mixture", "odd"):  # whose classes are drawn
        how = {"elbo": Trace_ELBO()}
    for bare in (True, False):
        torch.manual_seed(0)
        vae = PROGRAMS[name]()
        run = fit(Bare(vae) if bare else vae, some_data(name), steps=3, batch_size=8, **how)
        histories.append([{k: v for k, v in one.items() if "second" not in k} for one in run.history])
    assert histories[0] == histories[1]


def test_a_fitted_module_can_be_judged_looked_at_saved_and_loaded(tmp_path: Path) -> None:
    data = some_data()
    torch.manual_seed(0)
    pair = Pair()
    before = pair.decoder.weight.clone()
    run = fit(pair, data, steps=6, batch_size=8, lr=0.01, out=tmp_path / "run")
    assert run.model.programs is pair
    assert not torch.equal(pair.decoder.weight, before)
    loaded = load_run(tmp_path / "run", Pair(), dataset=data)
    assert evaluate(loaded.model, data.images) == evaluate(run.model, data.images)
    assert encode(loaded.model, data.images).loc.shape == (40, 2)
    assert reconstruct(loaded.model, data.images[:3])[1].shape == sample(loaded.model, 3)[1].shape == (3, *SHAPE)
    assert traverse(loaded.model, encode(loaded.model, data.images[:1]).loc).images.shape[1] == 2
    assert [file.name for file in export(loaded, tmp_path / "m.pt2")] == ["m-encoder.pt2", "m-decoder.pt2"]
    again = fit(Pair(), data, steps=9, batch_size=8, lr=0.01, out=tmp_path / "run", resume=True)
    torch.manual_seed(0)
    whole = fit(Pair(), data, steps=9, batch_size=8, lr=0.01)
    assert torch.equal(again.model.programs.decoder.weight, whole.model.programs.decoder.weight)
    with pytest.raises(ValueError, match=r"classes of your own .*Pair.*load_run\(path, model"):
        load_run(tmp_path / "run")


class Functions:
    def model(self, x: Any = None, size: int = 1) -> None: ...

    def guide(self, x: Any) -> None: ...


class NoSite(Pair):
    def guide(self, x: Tensor) -> None: ...  # type: ignore[override]


@pytest.mark.parametrize(
    ("programs", "message"),
    [
        (nn.Linear(2, 2), "a Linear has no programs: give a BetaVAE, or a module with `model"),
        (Functions(), "a Functions with `model` and `guide` has to be a torch.nn.Module"),
        (NoSite(), "the guide of a NoSite has no latent site"),
    ],
)
def test_what_has_no_programs_is_refused_in_a_line(programs: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message) as refused:
        fit(programs, some_data(), steps=1)
    assert "\n" not in str(refused.value)
