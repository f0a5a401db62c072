"""A fit does the same in whatever session it runs: gradients off, other precisions, threads, numpy's numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pyro
import pytest
import torch
from conftest import Cli, new_vae, same_parameters, without_timings
from programs import SHAPE, WIDTH, Layers
from pyro.infer import SVI, JitTrace_ELBO, JitTraceMeanField_ELBO
from pyro.optim import Adam
from pyro_bvae_cli.summary import announcement
from torch import Tensor, nn

from pyro_bvae import BetaVAE, Callback, codes, evaluate, fit, generation, load_run, traversal, traverse
from pyro_bvae.datasets import Dataset
from pyro_bvae.likelihoods import LIKELIHOODS
from pyro_bvae.networks import NETWORKS
from pyro_bvae.objectives import OBJECTIVES, Info
from pyro_bvae.training import Training
from pyro_bvae.training.minibatches import Minibatches

OFF: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "set_grad_enabled": lambda: torch.set_grad_enabled(False),
}


@pytest.mark.parametrize("name", list(OFF))
@pytest.mark.parametrize("objective", ["beta", "factor"])
def test_a_fit_has_gradients_whatever_its_context(name: str, objective: str, images: Dataset) -> None:
    ours, plain = new_vae(), new_vae()
    for vae in (ours, plain):
        vae.beta = 1.0
    with OFF[name]():
        fit(ours, images, steps=3, compile=False, objective=objective)
    assert same_parameters(ours, fit(plain, images, steps=3, compile=False, objective=objective).model)


def test_a_model_made_in_inference_mode_is_refused(images: Dataset) -> None:
    with torch.inference_mode():
        vae = new_vae()
        with pytest.raises(ValueError, match=r"made under torch.inference_mode"):
            fit(vae, images, steps=1)


def normed() -> BetaVAE:
    torch.manual_seed(0)
    layers = nn.Flatten(), nn.Linear(256, WIDTH, bias=False), nn.BatchNorm1d(WIDTH), nn.Tanh(), nn.Dropout(0.2)
    return BetaVAE(SHAPE, 3, encoder=Layers(*layers), hidden=(WIDTH,))


def test_a_model_in_evaluation_mode_is_trained_in_training_mode_and_left_as_it_was(images: Dataset) -> None:
    ours, plain = normed().eval(), normed()
    fit(ours, images, steps=3)
    fit(plain, images, steps=3)
    assert all(map(torch.equal, ours.state_dict().values(), plain.state_dict().values()))
    assert not any(module.training for module in ours.modules())
    assert all(module.training for module in plain.modules())


def test_a_part_that_is_in_evaluation_mode_stays_so(images: Dataset) -> None:
    vae = normed()
    norm = vae.encoder.layers[2].eval()
    fit(vae, images, steps=3)
    assert norm.num_batches_tracked == 0


class Sizes(Callback):
    """The sizes of the batches."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.before = 0

    def on_step(self, training: Training) -> None:
        self.seen.append(training.tally.count - self.before)
        self.before = training.tally.count


class Spread(nn.Module):
    """A likelihood as wide as the decoder's outputs differ over the batch, which is NaN for one datum."""

    def forward(self, parameters: Tensor) -> pyro.distributions.TorchDistribution:
        return pyro.distributions.Normal(parameters, parameters.std(0) + 1, validate_args=False).to_event(3)


@pytest.mark.parametrize(
    ("make", "options", "sizes"),
    [
        (normed, {}, [18, 18, 18, 18, 18, 18]),
        (normed, {"batch_size": 53}, [54, 54]),
        (normed, {"batch_size": 52}, [52, 2, 52, 2]),
        (lambda: BetaVAE(SHAPE, 3, hidden=(8,)), {"batch_size": 53}, [53, 1, 53, 1]),
        (lambda: BetaVAE(SHAPE, 3, hidden=(8,)), {"batch_size": 53, "objective": "info"}, [54, 54]),
        (lambda: BetaVAE(SHAPE, 3, hidden=(8,)), {"batch_size": 53, "elbo": Info()}, [54, 54]),
        (lambda: BetaVAE(SHAPE, 3, hidden=(8,), likelihood=Spread()), {"batch_size": 53}, [54, 54]),
        (lambda: BetaVAE(SHAPE, 3, hidden=(8,)), {"batch_size": 53, "objective": "tc"}, [53, 1, 53, 1]),
    ],
)
def test_a_last_batch_of_one_joins_the_one_before_where_it_cannot_be_taken(
    make: Callable[[], BetaVAE], options: dict[str, Any], sizes: list[int], images: Dataset
) -> None:
    seen = Sizes()
    run = fit(make(), images, epochs=2, **{"batch_size": 18, "eval_every": 100, **options}, callbacks=[seen])
    assert seen.seen == sizes
    assert run.history[-1]["epoch"] == 2


@pytest.mark.parametrize(
    ("make", "objective", "message"),
    [
        (
            normed,
            "beta",
            r"more than 1 value per channel.*batch_size, and the training data, must be at least 2",
        ),
        (
            lambda: BetaVAE(SHAPE, 3),
            "info",
            r"info wants at least 2 images a step: batch_size must be .*, got 1",
        ),
    ],
)
def test_batches_of_one_are_refused_where_none_can_be_taken(
    make: Callable[[], BetaVAE], objective: str, message: str, images: Dataset
) -> None:
    with pytest.raises(ValueError, match=message):
        fit(make(), images, epochs=1, batch_size=1, objective=objective)


@pytest.mark.parametrize(("make", "objective"), [(normed, "beta"), (lambda: BetaVAE(SHAPE, 3), "info")])
def test_the_command_line_counts_joined_batches(
    make: Callable[[], BetaVAE], objective: str, images: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    says = announcement({"objective": objective, "as_json": False})
    fit(make(), images, epochs=2, batch_size=53, objective=objective, compile=False, callbacks=[says])
    assert "2 epochs = 2 steps of 53 images" in capsys.readouterr().out


def test_the_command_line_refuses_batches_of_one(cli: Cli) -> None:
    refused = cli("fit", "--objective", "info", "--batch-size", 1)
    assert refused.exit_code == 1
    assert "at least 2 images a step" in refused.stderr


def test_an_epoch_of_joined_batches_holds_each_datum_once(images: Dataset) -> None:
    batches = Minibatches(images, 53, 0, torch.device("cpu"), least=2)
    for epoch in range(3):
        assert torch.equal(batches.index(epoch * batches.per_epoch).sort().values, images.train)


def everything(vae: BetaVAE, data: Dataset) -> None:
    """All that one does with a fitted model."""
    assert evaluate(vae, data.images[:5], particles=2).images == 5
    assert codes.encode(vae, data.images[:5]).loc.dtype == vae.beta.dtype
    start = traversal.base(vae, data.images)
    assert traverse(vae, start, columns=3).images.dtype == vae.beta.dtype
    generation.sample(vae, 2, draw=True)
    generation.reconstruct(vae, data.images[:3], draw=True)


@pytest.fixture(params=["default", "double"])
def doubled(request: pytest.FixtureRequest) -> Any:
    """Makes a model in double precision, by torch's default or by ``.double()``."""
    if request.param == "double":
        yield lambda **options: new_vae(**options).double()
        return
    torch.set_default_dtype(torch.float64)
    try:
        yield new_vae
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("likelihood", list(LIKELIHOODS))
def test_every_likelihood_works_in_double_precision(likelihood: str, doubled: Any, images: Dataset) -> None:
    vae = fit(doubled(likelihood=likelihood), images, steps=2, compile=False).model
    assert {parameter.dtype for parameter in vae.parameters()} == {torch.float64}
    everything(vae, images)


@pytest.mark.parametrize("objective", [*OBJECTIVES])
def test_every_objective_works_in_double_precision(objective: str, doubled: Any, gridded: Dataset) -> None:
    vae = doubled()
    vae.beta = 1.0
    text = "controlled:target=5" if objective == "controlled" else objective
    assert np.isfinite(fit(vae, gridded, steps=2, objective=text, compile=False).history[-1]["loss"])


def test_a_run_of_double_precision_comes_back_in_it(images: Dataset, tmp_path: Path) -> None:
    ours = fit(new_vae().double(), images, steps=2, out=tmp_path / "double").model
    loaded = load_run(tmp_path / "double", new_vae().double()).model
    assert same_parameters(ours, loaded)
    everything(loaded, images)


def test_a_run_of_single_precision_comes_back_in_a_session_of_double(digits_run: Any, digits: Dataset) -> None:
    torch.set_default_dtype(torch.float64)
    try:
        loaded = load_run(digits_run.path).model
        assert same_parameters(loaded, digits_run.model)
        everything(loaded, digits)
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.filterwarnings("ignore")  # of torch.jit, which is deprecated
@pytest.mark.parametrize("network", list(NETWORKS))
@pytest.mark.parametrize("elbo", [JitTrace_ELBO, JitTraceMeanField_ELBO])
def test_tracing_elbos_take_batches_of_any_size(network: str, elbo: Any) -> None:
    vae = BetaVAE(SHAPE, 3, hidden=(8,), network=network)
    svi = SVI(vae.model, vae.guide, Adam({"lr": 0.0}), elbo(ignore_jit_warnings=True))
    x = torch.rand(20, *SHAPE)
    losses = [svi.step(x[:size]) / size for size in (20, 20, 7, 1, 20)]
    assert max(losses) < 1.2 * min(losses)


NUMBERS: dict[str, Callable[[Any], Any]] = {
    "numpy": lambda value: np.float64(value) if isinstance(value, float) else np.int64(value),
    "numpy of 32 bits": lambda value: np.float32(value) if isinstance(value, float) else np.int32(value),
    "0-d arrays": np.array,
    "0-d tensors": torch.tensor,
}


@pytest.mark.parametrize("kind", list(NUMBERS))
def test_numbers_of_numpy_and_torch_are_numbers(kind: str, images: Dataset, tmp_path: Path) -> None:
    of = NUMBERS[kind]
    torch.manual_seed(0)
    shape = (of(1), of(16), of(16))
    vae = BetaVAE(shape, of(3), beta=of(2.0), hidden=[of(8)], likelihood="gaussian", scale=of(0.5))
    given = {"lr": 2**-10, "weight_decay": 0.5, "steps": 2, "batch_size": 20, "seed": 3, "eval_every": 1, "keep": 1}
    run = fit(vae, images, **{name: of(value) for name, value in given.items()}, compile=np.bool_(False), out=tmp_path)
    assert json.loads(json.dumps(run.config)) == load_run(tmp_path).config
    assert {name: run.config[name] for name in given} == given
    start = traversal.base(vae, images.images, image=of(1), count=of(2), seed=of(0))
    sweep = traverse(vae, start, latents=[of(0), of(2)], columns=of(3), low=of(-1.0), high=of(1.0), seed=of(0))
    assert sweep.latents == [0, 2]
    assert evaluate(vae, images.images, particles=of(1), batch_size=of(7), seed=of(0)).images == 60


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": torch.ones(2)}, "lr must be a number, got tensor"),
        ({"lr": [0.1]}, "lr must be a number, got"),
        ({"steps": 2.5}, "steps must be a whole number, got 2.5"),
        ({"steps": np.float64(2.0)}, "steps must be a whole number, got 2.0"),
    ],
)
def test_what_is_no_number_is_named(options: dict[str, Any], message: str, images: Dataset) -> None:
    with pytest.raises(TypeError, match=message):
        fit(new_vae(), images, **options)


def test_calls_from_several_threads_are_those_of_one(images: Dataset) -> None:
    """Pyro's handlers and torch's generators are those of the process: one thread runs programs at a time."""

    def work(seed: int) -> tuple[list[dict[str, Any]], float, Tensor]:
        run = fit(vaes[seed], images, steps=6, seed=seed, eval_every=2, compile=False)
        elbo = evaluate(run.model, images.images, particles=2, seed=seed).elbo
        return without_timings(run.history), elbo, generation.sample(run.model, 3, seed=seed)[1]

    vaes = [new_vae(seed) for seed in range(4)]
    alone = [work(seed) for seed in range(4)]
    vaes = [new_vae(seed) for seed in range(4)]
    state = torch.get_rng_state()
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(work, range(4)))
    assert torch.equal(state, torch.get_rng_state())
    for (history, elbo, images_alone), (their_history, their_elbo, their_images) in zip(alone, together, strict=True):
        assert history == their_history
        assert elbo == their_elbo
        assert torch.equal(images_alone, their_images)


@pytest.mark.parametrize("call", ["encode", "model", "guide"])
def test_bytes_in_the_programs_are_named(call: str, images: Dataset) -> None:
    with pytest.raises(TypeError, match=r"take floats, pixels in \[0, 1\], got torch.uint8: datasets.pixels"):
        getattr(new_vae(), call)(images.images[:5])
