"""What a fit and its evaluation do on a GPU, held to a law that needs none: see `fake_cuda`.

No operation mixes devices. The CPU waits for the GPU in the places of `WAITS` only, none of which is in a step that is
replayed as a CUDA graph; and such a step is the same at each call, as its graph is.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from importlib import import_module
from inspect import signature
from itertools import cycle
from typing import Any
from unittest import mock

import pyro
import pytest
import torch
from conftest import with_factors
from fake_cuda import DeviceError, Law, ReplayError, gpu, move
from pyro.infer import TraceMeanField_ELBO
from torch import Tensor

from pyro_bvae import BetaVAE, Callback, codes, evaluate, fit, generation, traverse
from pyro_bvae.compiled import recording
from pyro_bvae.compiled.cuda_graph import ReplayedStep
from pyro_bvae.datasets import Dataset
from pyro_bvae.evaluation.information import decompose_rate
from pyro_bvae.likelihoods import LIKELIHOODS, Standardised, build
from pyro_bvae.networks import NETWORKS
from pyro_bvae.objectives import Factor, Sizes, build_objective
from pyro_bvae.programs import PROGRAMS
from pyro_bvae.settings.parsing import specified
from pyro_bvae.settings.training import TrainingSettings
from pyro_bvae.training import minibatches
from pyro_bvae.training.state import OPTIMIZERS, Training
from pyro_bvae.training.steps import ReplayedSteps

SHAPE = (1, 16, 16)
OPTIONS: dict[str, Any] = {"batch_size": 18, "steps": 3, "compile": True, "threads": 1}
OBJECTIVES = [
    "beta", "beta:free_bits=0.1,num_particles=2", "capacity:gamma=10,capacity=linear:5:9", "capacity:of=image",
    "tc:beta=6", "tc:beta=6,estimator=weighted", "factor:gamma=5,width=8,layers=2", "dip-i:off_diagonal=1,diagonal=2",
    "dip-ii:off_diagonal=1,diagonal=2", "info:alpha=0.5,scale=2", "controlled:target=5",
    "ada", "ada:beta=2,differing=2", "qlae:values=4",
]  # fmt: skip
ORDER = {"training.minibatches.Minibatches.index": "the order of an epoch is moved, once an epoch"}
IN_A_FIT = ORDER | {
    "training.checks.check_programs": "before the first step, under Pyro's validation",
    "datasets.rows.Rows.to": "the held-out data, and batches of them, are moved",
    "terms.terms.layout_of": "the names of the terms of programs, once",
    "posteriors.flow.Transformed.sample": "torch.normal looks at its deviations; no recorded step does",
    "training.minibatches.Minibatches.__init__": "the data are moved, once",
    "training.steps.ReplayedSteps.settle": "a look at the results: for a line of the history, a checkpoint, a bar",
    "training.steps.Tally.means": "the same",
    "training.state.Training.check_finite": "before a line of the history and a checkpoint",
    "terms.means._numbers": "the sums of a batch of held-out data",
    "model.BetaVAE.beta_value": "for a config and a line of the history",
    "objectives.regularised.Regularised.coefficients": "for a line of the history",
}
IN_AN_EAGER_STEP = ORDER | {
    "training.steps.EagerStep.__call__": "a step is taken if its loss is finite",
    "training.steps.DirectSteps.take": "the loss of each step is looked at, and the rate that moves β",
    "model.BetaVAE.beta_value": "the β that a rate moves",
    "objectives.info.Info.regulariser": "torch.normal looks at its deviations; no recorded step does",
}
IN_EVALUATION = {
    "datasets.rows.Rows.to": "a batch of data is moved",
    "terms.means._numbers": "the sums of a batch",
    "evaluation.evaluation._sums": "the sums of a batch",
    "evaluation.importance.bound_and_error": "the sums of a batch",
    "evaluation.precision.standard_errors": "two draws of a batch are compared, and summed",
    "evaluation.information._posteriors": "torch.normal looks at its deviations",
    "evaluation.information.decompose_rate": "means over all data",
    "evaluation.information._mean": "means over all data",
    "evaluation.information._log_aggregate": "the densities of all data",
    "terms.batches.rows_of_batches": "the codes of a batch",
    "codes.moments._moments": "torch.normal looks at its deviations, where a mean is that of draws",
    "posteriors.flow.Transformed.sample": "the same",
    "priors.mixed.Mixed.sample": "the same, where z is drawn from the prior",
    "generation.given.as_tensor": "what is given is moved",
    "generation.program.image": "the images of a batch",
    "generation.program.values": "the latents of a batch",
    "likelihoods.discrete.Levels.sample": "torch.multinomial looks at its weights, where x is drawn",
    "likelihoods.stretched_beta.StretchedBeta.log_bin_mass": "scipy's incomplete beta function",
    "likelihoods.stretched_beta.StretchedBeta.central_interval": "scipy's incomplete beta function",
    "model.BetaVAE.beta_value": "β is reported",
}
IN_A_GRAPH = {
    "compiled.functions.RecordedFunction.__call__": "whether the results of a batch are finite",
    "compiled.functions._are_close": "whether a graph gives what its function gives, once",
}


@pytest.fixture
def images(images: Dataset) -> Dataset:
    """Data whose fingerprint is known: no fake tensor has one."""
    images = with_factors(images)
    assert images.fingerprint
    return images


def new_vae(**options: Any) -> BetaVAE:
    return BetaVAE(SHAPE, 3, **({"hidden": (8,)} | options))


def fit_on_the_gpu(data: Dataset, vae: BetaVAE | None = None, **options: Any) -> Law:
    """Take a fit in steps that are replayed, and return the law that it was held to."""
    vae = vae or new_vae()
    with gpu(Law()) as law:
        move(vae)
        fit(vae, data, **OPTIONS | options)
    return law


def replay_on_the_gpu(data: Dataset, vae: BetaVAE, count: int = 1, **options: Any) -> None:
    """Capture a step, replay it so often, and look at the results, without the checks of a fit."""
    settings = TrainingSettings(**{"batch_size": 18, "steps": 9} | options)
    with gpu(Law()) as law, pyro.validation_enabled(False):
        move(vae)
        training = Training(vae, data, settings, TraceMeanField_ELBO())
        training.replay(training.compile(lambda graph, _: graph))
        assert isinstance(training.taker, ReplayedSteps)
        law.waits.clear()
        for _ in range(count):
            training.advance()
        assert set(law.waits) <= set(ORDER)
        training.record()


@pytest.mark.parametrize("network", list(NETWORKS))
@pytest.mark.parametrize(("likelihood", "optimizer"), list(zip(LIKELIHOODS, cycle(OPTIMIZERS), strict=False)))
def test_every_likelihood_can_be_replayed(likelihood: str, optimizer: str, network: str, images: Dataset) -> None:
    vae = new_vae(likelihood=likelihood, network=network)
    replay_on_the_gpu(images, vae, optimizer=optimizer, weight_decay=0.1)


PAIRS = [
    ("mixture:3", "full"),
    ("vamp:3", "iaf:2"),
    ("laplace", "planar:2"),
    ("vamp:3", "spline:2"),
    ("vamp:3", "full"),
]


@pytest.mark.parametrize(
    ("prior", "posterior", "objective"),
    [*[(*pair, "beta") for pair in PAIRS], ("vamp:3", "full", "info:alpha=0.5,scale=2")],
)
def test_every_prior_and_posterior_can_be_replayed(prior: str, posterior: str, objective: str, images: Dataset) -> None:
    law = fit_on_the_gpu(images, new_vae(prior=prior, posterior=posterior), objective=objective)
    assert set(law.waits) <= set(IN_A_FIT)


@pytest.mark.parametrize(("prior", "posterior"), PAIRS)
def test_evaluation_of_every_prior_and_posterior_waits_for_its_results(
    prior: str, posterior: str, images: Dataset
) -> None:
    law = evaluate_on_the_gpu(images, new_vae(prior=prior, posterior=posterior), exact=False)
    assert set(law.waits) <= set(IN_EVALUATION)


@pytest.mark.parametrize("text", [text for text in OBJECTIVES if not text.startswith("factor")])
def test_every_objective_can_be_replayed(text: str, images: Dataset) -> None:
    law = fit_on_the_gpu(images, objective=text)
    assert set(law.waits) <= set(IN_A_FIT)


def test_a_compiled_step_with_a_discriminator_waits_for_its_loss_alone(images: Dataset) -> None:
    with mock.patch.object(Factor, "update"):  # which has no backward pass without a GPU: eager steps hold it
        law = fit_on_the_gpu(images, objective="factor:gamma=5,width=8,layers=2")
    assert law.waits["training.steps.DirectSteps.take"] == OPTIONS["steps"]
    assert set(law.waits) <= set(IN_A_FIT | IN_AN_EAGER_STEP)


@pytest.mark.parametrize(
    "options",
    [
        {"match_rate": 5.0},
        {"beta_schedule": "linear:4", "lr_warmup": 5},
        {"precision": "bf16"},
    ],
    ids=str,
)
def test_a_fit_waits_where_it_may(options: dict[str, Any], images: Dataset) -> None:
    assert set(fit_on_the_gpu(images, **options).waits) <= set(IN_A_FIT)


class WarmUp(Callback):
    def on_step(self, training: Training) -> None:
        training.vae.beta = 0.1 * training.step


def test_more_steps_are_no_more_waits(images: Dataset) -> None:
    options = {"batch_size": 3, "eval_every": 99, "callbacks": [WarmUp()], "lr_warmup": 9}
    few, more = (fit_on_the_gpu(images, steps=steps, **options).waits for steps in (4, 12))
    assert few == more


class AtOnce:
    """In place of the thread that reads ahead, since fake tensors of two threads share what they do."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def submit(self, work: Callable[..., Any], *given: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(work(*given))
        return done


def test_data_that_are_read_ahead_come_without_waiting(images: Dataset) -> None:
    vae = new_vae()
    there = mock.patch.multiple(minibatches, fits=lambda *_: False, ThreadPoolExecutor=AtOnce)
    with gpu(Law()) as law, there:
        move(vae)
        fit(vae, images, **OPTIONS)
    assert set(law.waits) <= set(IN_A_FIT)
    assert "training.minibatches.Minibatches.index" not in law.waits


def test_vectors_and_double_precision(vectors: Dataset) -> None:
    assert vectors.fingerprint
    units = Standardised(build("gaussian-learned", (5,)), torch.randn(5), torch.rand(5) + 1)
    vae = BetaVAE((5,), 2, hidden=(8,), likelihood=units).double()
    assert set(fit_on_the_gpu(vectors, vae).waits) <= set(IN_A_FIT)


@pytest.mark.parametrize("likelihood", list(LIKELIHOODS))
def test_evaluation_waits_for_its_results(likelihood: str, images: Dataset) -> None:
    assert set(evaluate_on_the_gpu(images, new_vae(likelihood=likelihood)).waits) <= set(IN_EVALUATION)


def evaluate_on_the_gpu(images: Dataset, vae: BetaVAE, exact: bool = True) -> Law:
    """Whatever is done with a model that was fitted."""
    with gpu(Law()) as law, pyro.validation_enabled(False):
        move(vae)
        evaluate(vae, images.images, particles=2, batch_size=20)
        traverse(vae, torch.zeros(2, 3), columns=3, draw=True)
        codes.encode(vae, images.images, batch_size=20)
        generation.sample(vae, 4, draw=True)
        generation.reconstruct(vae, images.images[:4], draw=True)
        if exact:
            decompose_rate(vae, images.images, images=30)
    return law


def test_evaluation_of_many_data_waits_for_its_results(images: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("pyro_bvae.terms.batches"), "FEWEST_VALUES", 0)
    law = evaluate_on_the_gpu(images, new_vae())
    assert law.waits["compiled.functions.RecordedFunction.__call__"]  # graphs were run
    assert set(law.waits) <= set(IN_EVALUATION | IN_A_GRAPH)


def eager_law(vae: BetaVAE, data: Dataset, objective: str, **options: Any) -> Law:
    """Take two steps as Pyro and torch take them, on device "meta", and return the law that they were held to."""
    settings = TrainingSettings(**{"batch_size": 18, "steps": 9} | options)
    elbo = build_objective(specified(objective), Sizes(size=54, latent_dim=3, data_dim=256))
    for module in (vae, elbo):
        move(module, "meta")
    if isinstance(elbo, Factor):
        elbo.optimizer = torch.optim.Adam(elbo.discriminator.parameters())
    with Law("meta") as law, pyro.validation_enabled(False):
        training = Training(vae, data, settings, elbo)
        law.waits.clear()
        for _ in range(2):
            training.advance()
    return law


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_an_eager_step_waits_for_its_loss_alone(objective: str, images: Dataset) -> None:
    law = eager_law(BetaVAE(SHAPE, 3, hidden=(8,)), images, objective)
    assert law.waits["training.steps.EagerStep.__call__"] == law.waits["training.steps.DirectSteps.take"] == 2
    assert set(law.waits) <= set(IN_AN_EAGER_STEP)


@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
def test_every_optimizer_takes_eager_steps(optimizer: str, images: Dataset) -> None:
    law = eager_law(
        BetaVAE(SHAPE, 3, hidden=(8,)), images, "beta", optimizer=optimizer, weight_decay=0.1, match_rate=5.0
    )
    assert set(law.waits) <= set(IN_AN_EAGER_STEP)


class Peeks(BetaVAE):
    def guide(self, x: Tensor) -> Tensor:
        assert x.mean().item() > 0
        return super().guide(x)


class Strays(BetaVAE):
    def guide(self, x: Tensor) -> Tensor:
        return super().guide(x + torch.zeros(SHAPE))


class StraysByOne(BetaVAE):
    def guide(self, x: Tensor) -> Tensor:
        return super().guide(x * torch.tensor(2.0))


def test_a_planted_read_is_caught_in_an_eager_step(images: Dataset) -> None:
    law = eager_law(Peeks(SHAPE, 3, hidden=(8,)), images, "beta")
    assert law.waits["test_cuda_law.Peeks.guide"] == 2


def test_a_planted_read_is_caught_while_a_step_is_recorded(images: Dataset) -> None:
    with pytest.raises(RuntimeError, match=r"item.. cannot be called on meta tensors"):
        replay_on_the_gpu(images, Peeks(SHAPE, 3, hidden=(8,)))


@pytest.mark.parametrize("kind", [Strays, StraysByOne])
def test_a_planted_tensor_of_the_cpu_is_caught(kind: type[BetaVAE], images: Dataset) -> None:
    with pytest.raises(DeviceError, match=f"cuda:0, cpu in test_cuda_law.{kind.__name__}.guide"):
        evaluate_on_the_gpu(images, kind(SHAPE, 3, hidden=(8,)))


keep = ReplayedSteps._keep


def reads(self: ReplayedSteps, loss: Tensor, report: tuple[Tensor, ...], size: int) -> None:
    keep(self, loss, report, size)
    assert loss.item()


def has_a_constant_that_moves(self: ReplayedSteps, loss: Tensor, report: tuple[Tensor, ...], size: int) -> None:
    keep(self, loss, report, size)
    self.number.fill_(self.training.step)


def changes_what_is_not_restored(self: ReplayedSteps, loss: Tensor, report: tuple[Tensor, ...], size: int) -> None:
    keep(self, loss, report, size)
    self.training.held_out.images.zero_()


def makes_a_tensor_of_a_number(self: ReplayedSteps, loss: Tensor, report: tuple[Tensor, ...], size: int) -> None:
    keep(self, loss, report, size)
    self.number += torch.tensor([1.0]).to(loss.device)


@pytest.mark.parametrize(
    ("planted", "said"),
    [
        (reads, "_local_scalar_dense.default waits for the device in test_cuda_law.reads"),
        (has_a_constant_that_moves, "is .* when replayed, in test_cuda_law"),
        (changes_what_is_not_restored, "aten.zero_.default changes what no capture restores"),
        (makes_a_tensor_of_a_number, "_to_copy.default waits for the device"),
    ],
)
def test_what_no_graph_can_do_is_caught(
    planted: Callable[..., None], said: str, images: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ReplayedSteps, "_keep", planted)
    with pytest.raises(ReplayError, match=said):
        replay_on_the_gpu(images, new_vae(), count=2)


def test_a_buffer_in_other_memory_is_caught(images: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ReplayedStep, "_copy_assigned", lambda _: None)
    with pytest.raises(ReplayError, match="when replayed"):
        fit_on_the_gpu(images, callbacks=[WarmUp()])


def test_a_look_at_deviations_is_caught(images: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "_without_checks", lambda graph: graph)
    with pytest.raises(ReplayError, match=r"normal.Tensor_Tensor waits"):
        fit_on_the_gpu(images, objective="info:alpha=0.5")


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_every_program_can_be_replayed(program: type[BetaVAE], images: Dataset) -> None:
    labels = torch.arange(len(images)) % 4 - 1
    data = replace(images, extra={"labels": labels})
    assert data.fingerprint
    options = {"classes": 3} if "labels" in signature(program.model).parameters else {}
    law = fit_on_the_gpu(data, program(SHAPE, 3, hidden=(8,), **options))
    assert set(law.waits) <= set(IN_A_FIT)
