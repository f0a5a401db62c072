"""A fit whose steps are compiled is the fit that Pyro would make, and resumes like one."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from time import sleep
from typing import Any

import pytest
import torch
from conftest import Cli, new_vae, same_parameters, without_timings

from pyro_bvae import Callback, fit, load_run
from pyro_bvae.compiled import break_even, inductor
from pyro_bvae.datasets import Dataset
from pyro_bvae.objectives import Factor
from pyro_bvae.runs.folder import RunFolder
from pyro_bvae.training import loop
from pyro_bvae.training.state import OPTIMIZERS, Training

# three batches an epoch, all of one shape: recording another shape takes as long as all the rest of a fit
OPTIONS: dict[str, Any] = {"batch_size": 18, "eval_every": 4, "lr_warmup": 6}
WITH_A_SHORT_BATCH = OPTIONS | {"batch_size": 16}
pytestmark = pytest.mark.usefixtures("instant_compiler")


def close_histories(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> bool:
    pairs = zip(without_timings(one), without_timings(other), strict=True)
    return all(a[key] == pytest.approx(b[key], rel=1e-3, abs=1e-4) for a, b in pairs for key in a)


@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
def test_a_compiled_fit_equals_an_eager_one(optimizer: str, images: Dataset) -> None:
    options = WITH_A_SHORT_BATCH | {"optimizer": optimizer, "lr": 1e-4, "steps": 11, "weight_decay": 0.1}
    eager = fit(new_vae(), images, compile=False, **options)
    fast = fit(new_vae(), images, compile=True, **options)
    assert close_histories(eager.history, fast.history)
    for one, other in zip(eager.model.parameters(), fast.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
@pytest.mark.parametrize("compiles", [False, True])
def test_a_fit_decays_its_weights_and_no_discriminator(optimizer: str, compiles: bool, images: Dataset) -> None:
    """With λ so large that (1 − lr·λ) is 0, weights are what the last update alone makes of them."""
    options = {"steps": 3, "lr": 1e-3, "weight_decay": 1e3, "optimizer": optimizer, "compile": compiles}
    elbo = Factor(latent_dim=3, gamma=1.0, width=8, layers=1, lr=0.0)
    discriminator = [weight.clone() for weight in elbo.discriminator.parameters()]
    vae = new_vae()
    vae.beta = 1.0
    before = [parameter.clone() for parameter in vae.parameters()]
    fit(vae, images, elbo=elbo, **options)
    for old, parameter in zip(before, vae.parameters(), strict=True):
        assert parameter.abs().max() < old.abs().max() / 2
    assert all(map(torch.equal, discriminator, elbo.discriminator.parameters()))


def test_a_rate_is_held_by_the_compiled_step_too(images: Dataset) -> None:
    options = {"steps": 9, "lr": 1e-4, "match_rate": 5.0}
    eager = fit(new_vae(), images, compile=False, **options)
    fast = fit(new_vae(), images, compile=True, **options)
    assert fast.model.beta_value == pytest.approx(eager.model.beta_value, rel=1e-3) != 4.0


@pytest.mark.parametrize(("stop", "optimizer"), [(3, "rmsprop"), (5, "adam")])
def test_a_compiled_fit_resumes_to_the_last_bit(stop: int, optimizer: str, images: Dataset, tmp_path: Path) -> None:
    options = OPTIONS | {"optimizer": optimizer}
    whole = fit(new_vae(), images, steps=9, compile=True, **options)
    fit(new_vae(), images, steps=stop, compile=True, out=tmp_path, **options)
    parts = fit(new_vae(seed=9), images, steps=9, resume=True, out=tmp_path, **options)
    assert same_parameters(whole.model, parts.model)
    assert without_timings(whole.history) == without_timings(parts.history)
    assert (parts.config["compile"], parts.config["compile_because"]) == (True, "as asked")


@pytest.mark.parametrize("first", [True, False])
def test_a_run_may_change_between_compiled_and_eager(first: bool, images: Dataset, tmp_path: Path) -> None:
    whole = fit(new_vae(), images, steps=9, lr=1e-4, optimizer="adam", compile=False)
    fit(new_vae(), images, steps=5, lr=1e-4, optimizer="adam", compile=first, out=tmp_path)
    options = {"optimizer": "adam", "compile": not first, "resume": True}
    parts = fit(new_vae(), images, steps=9, lr=1e-4, out=tmp_path, **options)
    assert load_run(tmp_path).config["compile"] is not first
    for one, other in zip(whole.model.parameters(), parts.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_bf16_products_resume_too_and_are_no_matter_of_taste(images: Dataset, tmp_path: Path) -> None:
    options = OPTIONS | {"precision": "bf16", "compile": False}
    whole = fit(new_vae(), images, steps=9, **options)
    fit(new_vae(), images, steps=5, out=tmp_path, **options)
    with pytest.raises(ValueError, match="precision is 'bf16' in the run and 'fp32' here"):
        fit(new_vae(), images, steps=9, out=tmp_path, resume=True, **OPTIONS)
    parts = fit(new_vae(), images, steps=9, out=tmp_path, resume=True, **options)
    assert same_parameters(whole.model, parts.model)
    assert not same_parameters(whole.model, fit(new_vae(), images, steps=9, **OPTIONS).model)


class Poison(Callback):
    def on_step(self, training: Training) -> None:
        if training.step == 5:
            next(training.vae.encoder.parameters()).data.fill_(float("nan"))


def test_a_nan_stops_a_compiled_run_and_leaves_the_last_good_checkpoint(images: Dataset, tmp_path: Path) -> None:
    options = {"steps": 9, "checkpoint_every": 2, "eval_every": 3, "compile": True, "out": tmp_path}
    with pytest.raises(FloatingPointError, match=r"the loss is nan at step 6: the .*rate is nan"):
        fit(new_vae(), images, callbacks=[Poison()], **options)
    assert RunFolder(tmp_path).load()["step"] == 4


def test_short_fits_are_not_compiled_by_default(images: Dataset) -> None:
    run = fit(new_vae(), images, steps=3)
    assert run.config["compile"] is False
    assert run.config["compile_because"] == "3 steps are too few for it to pay"


def test_what_is_decided_follows_from_the_estimate() -> None:
    cpu = torch.device("cpu")
    assert break_even.decide(None, 46_900, cpu, lambda: 4e-3, 15.0)[0]
    assert not break_even.decide(None, 1_300, cpu, lambda: 4e-3, 15.0)[0]
    assert break_even.decide(None, 1_300, cpu, lambda: 4e-3, 1.5)[0]
    assert break_even.decide(False, 10**9, cpu, lambda: 1.0, 0.0) == (False, "as asked")
    assert not break_even.decide(None, 10**9, torch.device("mps"), lambda: 1.0, 0.0)[0]


def test_measuring_changes_nothing(images: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(break_even, "FEWEST_STEPS", 1)
    monkeypatch.setattr(loop, "expected_seconds", lambda _: 1e9)
    measured = fit(new_vae(likelihood="gaussian-optimal"), images, steps=4)
    assert "saves too little" in measured.config["compile_because"]
    plain = fit(new_vae(likelihood="gaussian-optimal"), images, steps=4, compile=False)
    assert same_parameters(measured.model, plain.model)
    assert torch.equal(measured.model.likelihood.variance, plain.model.likelihood.variance)


def test_the_estimate_is_held_against_the_compiled_step(
    images: Dataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A run whose compiled steps turn out slower is eager from its first step on, and says so once."""

    def slow(graph: Any, _: Any) -> Any:
        def step(*inputs: Any) -> Any:
            sleep(0.5)
            return graph(*inputs)

        return step

    monkeypatch.setattr(loop, "expected_seconds", lambda _: 0.0)
    monkeypatch.setattr(break_even, "FEWEST_STEPS", 1)
    monkeypatch.setattr(loop, "inductor", slow)
    options: dict[str, Any] = {"optimizer": "adam"}
    with pytest.warns(RuntimeWarning, match=r"a compiled step takes .* ms, an eager one .* ms; going on without"):
        ours = fit(new_vae(likelihood="binarized-bernoulli"), images, steps=4, **options, out=tmp_path)
    assert load_run(tmp_path).config["compile"] is False
    assert load_run(tmp_path).config["compile_because"].startswith("a compiled step takes")
    plain = fit(new_vae(likelihood="binarized-bernoulli"), images, steps=6, **options, compile=False)
    parts = fit(new_vae(likelihood="binarized-bernoulli"), images, steps=6, **options, out=tmp_path, resume=True)
    assert ours.config["compile"] is parts.config["compile"] is False
    assert same_parameters(plain.model, parts.model)


def test_a_fast_compiled_step_is_kept_and_comparing_changes_nothing(
    images: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "expected_seconds", lambda _: 0.0)
    monkeypatch.setattr(break_even, "FEWEST_STEPS", 1)
    monkeypatch.setattr(break_even, "MARGIN", 1e9)
    chosen, asked = (fit(new_vae(), images, steps=4, compile=how, **OPTIONS) for how in (None, True))
    assert chosen.config["compile"] is True
    assert same_parameters(chosen.model, asked.model)


def test_compile_times_are_remembered(images: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    config = fit(new_vae(), images, steps=1).config
    assert break_even.expected_seconds(config) == break_even.SECONDS_FIRST
    break_even.note_seconds(config, 2.5)
    assert break_even.expected_seconds(config) == 2.5
    assert break_even.expected_seconds(config | {"latent_dim": 7}) == break_even.SECONDS_FIRST


@pytest.mark.parametrize("note", [b"", b"soon", b"nan", b"-1", b"\xff"])
def test_a_note_that_is_none_is_not_heeded(note: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    break_even.note_seconds({}, 2.5)
    (file,) = (tmp_path / "pyro_bvae").iterdir()
    file.write_bytes(note)
    assert break_even.expected_seconds({}) == break_even.SECONDS_FIRST


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_note_that_cannot_be_written_ends_nothing(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))

    def full(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "replace", full)
    break_even.note_seconds({}, 2.5)
    assert not list(tmp_path.rglob("*.txt"))


def test_a_cache_that_cannot_be_made_ends_no_fit(
    images: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "file" / "cache"))
    with pytest.warns(RuntimeWarning, match=r"is of no use .Not a directory., and a temporary one takes its place"):
        run = fit(new_vae(), images, steps=2)
    assert run.step == 2


def test_the_command_line_says_how_steps_are_taken(cli: Cli, here: Path) -> None:
    result = cli("fit", "--steps", 2, "--compile", "--precision", "bf16", "--out", "run")
    assert "steps   compiled, bf16 products, 1 thread (as asked)" in result.stdout
    resumed = cli("fit", "--resume", "--steps", 3, "--out", "run")
    assert "steps   compiled, bf16 products, 1 thread (as asked)" in resumed.stdout
    assert "steps   not compiled, 1 thread (2 steps are too few" in cli("fit", "--steps", 2).stdout


@pytest.mark.slow
def test_a_fit_compiled_in_earnest_equals_an_eager_one(images: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "inductor", inductor)
    eager = fit(new_vae(), images, steps=11, lr=1e-4, compile=False, **{"batch_size": 16, "eval_every": 4})
    fast = fit(new_vae(), images, steps=11, lr=1e-4, compile=True, **{"batch_size": 16, "eval_every": 4})
    assert close_histories(eager.history, fast.history)
