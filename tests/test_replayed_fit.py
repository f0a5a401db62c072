"""A fit whose steps are replayed, as on a GPU, is the fit whose steps are called one by one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from conftest import ReplayOnTheCpu, new_vae, same_parameters, without_timings

from pyro_bvae import Callback, fit
from pyro_bvae.compiled import cuda_graph
from pyro_bvae.datasets import Dataset
from pyro_bvae.runs.folder import RunFolder
from pyro_bvae.schedules import LinearWarmup
from pyro_bvae.training import minibatches
from pyro_bvae.training.state import OPTIMIZERS, Training

# three batches an epoch, all of one shape: recording another shape takes as long as all the rest of a fit
OPTIONS: dict[str, Any] = {"batch_size": 18, "eval_every": 4, "lr_warmup": 6}
WITH_A_SHORT_BATCH = OPTIONS | {"batch_size": 16}
pytestmark = pytest.mark.usefixtures("instant_compiler")


class WarmUp(Callback):
    def on_step(self, training: Training) -> None:
        training.vae.beta = LinearWarmup(4.0, steps=8)(training.step)


@pytest.mark.parametrize("likelihood", ["bernoulli", "binarized-bernoulli", "gaussian-optimal"])
def test_the_replayed_loop_equals_the_plain_one(likelihood: str, images: Dataset) -> None:
    options = WITH_A_SHORT_BATCH | {"steps": 11, "lr": 1e-4, "optimizer": "adam", "compile": True}
    plain = fit(new_vae(likelihood=likelihood), images, callbacks=[WarmUp()], **options)
    replayed = fit(new_vae(likelihood=likelihood), images, callbacks=[ReplayOnTheCpu(), WarmUp()], **options)
    assert without_timings(plain.history) == without_timings(replayed.history)
    assert same_parameters(plain.model, replayed.model)
    assert plain.model.beta_value == replayed.model.beta_value == 4.0


@pytest.fixture
def captures(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The replayed loop captures as on a GPU, with trial runs and all; a graph is the body itself."""
    made: list[int] = []

    def tried(body: Callable[[], None]) -> SimpleNamespace:
        for _ in range(cuda_graph.WARM_UP + 1):
            body()
        made.append(1)
        return SimpleNamespace(replay=body)

    capture = cuda_graph.capture
    monkeypatch.setattr(cuda_graph, "capture", lambda body, changed, _: capture(body, changed, torch.device("cuda")))
    monkeypatch.setattr(cuda_graph, "_graph_of", tried)
    monkeypatch.setattr(torch.cuda, "device", lambda _: nullcontext())
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda _: torch.get_rng_state())
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, _: torch.set_rng_state(state))
    return made


@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
@pytest.mark.parametrize("objective", ["beta", "capacity", "tc", "dip-ii", "info", "controlled:target=5", "qlae"])
def test_what_a_capture_tries_leaves_no_trace(
    objective: str, optimizer: str, images: Dataset, captures: list[int]
) -> None:
    """Parameters, the optimiser's state, what the objective keeps, the tally, the number of the step, random draws."""
    options = WITH_A_SHORT_BATCH | {"steps": 5, "lr": 1e-4, "optimizer": optimizer, "compile": True}
    plain, tried = new_vae(), new_vae()
    plain.beta = tried.beta = 1.0
    plain_run = fit(plain, images, objective=objective, **options)
    tried_run = fit(tried, images, objective=objective, callbacks=[ReplayOnTheCpu()], **options)
    assert len(captures) == 2  # the last batch of an epoch is short
    assert without_timings(plain_run.history) == without_timings(tried_run.history)
    assert same_parameters(plain, tried)


def test_all_graphs_of_a_run_read_the_same_memory(images: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """A β that is assigned anew before the short last batch is captured must not be what its graph reads."""
    seen: list[list[int]] = []

    def capture(body: Any, changed: Any, device: Any) -> Any:
        seen.append([tensor.data_ptr() for tensor in changed])
        return body

    monkeypatch.setattr(cuda_graph, "capture", capture)
    fit(new_vae(), images, steps=9, compile=True, callbacks=[ReplayOnTheCpu(), WarmUp()], **WITH_A_SHORT_BATCH)
    assert len(seen) == 2
    assert seen[0] == seen[1]


def test_a_parameter_that_no_step_uses_may_be_assigned_anew(images: Dataset) -> None:
    class Assign(Callback):
        def on_step(self, training: Training) -> None:
            training.vae.spare = torch.nn.Parameter(torch.full((2,), float(training.step)))

    vae = new_vae()
    vae.spare = torch.nn.Parameter(torch.zeros(2))
    fit(vae, images, steps=4, compile=True, callbacks=[ReplayOnTheCpu(), Assign()], **OPTIONS)
    assert vae.spare.tolist() == [4.0, 4.0]


def test_the_replayed_loop_resumes(images: Dataset, tmp_path: Path) -> None:
    options = OPTIONS | {"compile": True}
    whole = fit(new_vae(), images, steps=11, **options)
    fit(new_vae(), images, steps=6, callbacks=[ReplayOnTheCpu()], out=tmp_path, **options)
    parts = fit(new_vae(), images, steps=11, callbacks=[ReplayOnTheCpu()], out=tmp_path, resume=True, **OPTIONS)
    assert same_parameters(whole.model, parts.model)
    assert without_timings(whole.history) == without_timings(parts.history)


def test_the_replayed_loop_holds_a_rate_without_leaving_the_device(images: Dataset) -> None:
    options = {"steps": 9, "lr": 1e-4, "match_rate": 5.0, "compile": True}
    plain = fit(new_vae(), images, **options)
    replayed = fit(new_vae(), images, callbacks=[ReplayOnTheCpu()], **options)
    assert replayed.model.beta_value == pytest.approx(plain.model.beta_value, rel=1e-5)


def test_the_replayed_loop_reads_what_the_data_set_feeds_it(images: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patches:
        patches.setattr(minibatches, "fits", lambda *_: False)
        streamed = fit(new_vae(), images, callbacks=[ReplayOnTheCpu()], steps=6, compile=True, **OPTIONS)
    assert same_parameters(streamed.model, fit(new_vae(), images, steps=6, compile=True, **OPTIONS).model)


class PoisonOneStep(Callback):
    """Make one step's loss NaN, and take the poison out again before anyone looks at the parameters."""

    def on_step(self, training: Training) -> None:
        weight = next(training.vae.encoder.parameters()).data
        if training.step == 5:
            self.good = weight.clone()
            weight.fill_(float("nan"))
        elif training.step == 6:
            weight.copy_(self.good)


def test_the_replayed_loop_names_the_step_of_a_nan_at_the_next_look(images: Dataset, tmp_path: Path) -> None:
    callbacks = [ReplayOnTheCpu(), PoisonOneStep()]
    options = {"steps": 20, "checkpoint_every": 4, "eval_every": 10, "compile": True, "out": tmp_path}
    with pytest.raises(FloatingPointError, match=r"the loss is nan at step 6: the .*rate is nan"):
        fit(new_vae(), images, callbacks=callbacks, **options)
    assert RunFolder(tmp_path).load()["step"] == 4
