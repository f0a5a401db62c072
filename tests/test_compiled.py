"""A compiled step is the step that Pyro and torch take between them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from subprocess import PIPE, STDOUT, run
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.infer import Trace_ELBO, TraceMeanField_ELBO
from pyro.infer.autoguide import AutoNormal
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._pytree import tree_leaves

from pyro_bvae import BetaVAE
from pyro_bvae.compiled.step import CompiledStep, inductor
from pyro_bvae.likelihoods import LIKELIHOODS
from pyro_bvae.networks import NETWORKS
from pyro_bvae.terms import terms_of_traces
from pyro_bvae.training.state import OPTIMIZERS


def rate(loss: Tensor, model: poutine.Trace, guide: poutine.Trace) -> tuple[Tensor, ...]:
    return (terms_of_traces(model, guide).rate,)


def step_of(vae: BetaVAE, optimizer: str = "adam", elbo: Any = None, **options: Any) -> CompiledStep:
    chosen = OPTIMIZERS[optimizer](vae.parameters(), lr=1e-3)
    elbo = elbo or TraceMeanField_ELBO()
    return CompiledStep(vae.model, vae.guide, elbo, vae, chosen, report=rate, **options)


def small(seed: int = 0, shape: tuple[int, ...] = (1, 16, 16), **options: Any) -> BetaVAE:
    torch.manual_seed(seed)
    hidden = (20,) if options.get("network", "mlp") == "mlp" else (16,)
    return BetaVAE(shape, 3, hidden=hidden, beta=4.0, **options)


def check_equal_to_eager(
    compiler: Any, x: Tensor, elbo: Any = None, optimizer: str = "adam", last: int = 7, lr: float = 1e-3, **options: Any
) -> None:
    """Three steps with a changing learning rate and β, the last on so many images; fewer than 7 are a short batch."""
    ours, theirs = small(**options), small(**options)
    fast, slow = step_of(ours, optimizer, elbo, compiler=compiler), step_of(theirs, optimizer, elbo)
    for number, batch in enumerate((x, x.flip(0), x[:last])):
        for vae, step in ((ours, fast), (theirs, slow)):
            vae.beta = 1.0 + number
            step.gradient_step.optimizer.param_groups[0]["lr"] = lr * (1 + number)
        state = torch.get_rng_state()
        loss, terms = fast(ours.prepare(batch))
        after = torch.get_rng_state()
        torch.set_rng_state(state)
        with pyro.validation_enabled(False):
            expected, expected_terms = slow.gradient_step.take((theirs.prepare(batch),))
        torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(terms, expected_terms, rtol=1e-4, atol=1e-5)
        assert torch.equal(after, torch.get_rng_state())  # as many draws
    close = {"rtol": 1e-3, "atol": 3e-4}  # a first step is 1e-2 long whatever the gradient, rounding errors included
    torch.testing.assert_close(dict(ours.state_dict()), dict(theirs.state_dict()), **close, equal_nan=True)
    check_same_state(fast.gradient_step.optimizer, slow.gradient_step.optimizer)


def optimization(network: str, usual: str) -> dict[str, Any]:
    """A ResNet has gradients that are rounding alone, where others than SGD take long steps; at 1e-3 SGD diverges."""
    return {"optimizer": "sgd", "lr": 1e-5} if network == "resnet" else {"optimizer": usual}


def check_same_state(one: torch.optim.Optimizer, other: torch.optim.Optimizer) -> None:
    mine, theirs = one.state_dict()["state"], other.state_dict()["state"]
    mine, theirs = ({key: drop_none(value) for key, value in state.items()} for state in (mine, theirs))
    assert {key for key in mine if mine[key]} == {key for key in theirs if theirs[key]}
    for key, values in theirs.items():
        torch.testing.assert_close(mine.get(key, {}), values, rtol=1e-3, atol=1e-4)


def drop_none(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


@pytest.mark.parametrize("likelihood", list(LIKELIHOODS))
def test_recorded_steps_equal_eager_ones_under_every_likelihood(likelihood: str, x: Tensor) -> None:
    check_equal_to_eager(None, x, likelihood=likelihood)


@pytest.mark.parametrize("network", list(NETWORKS))
def test_recorded_steps_equal_eager_ones_with_every_network(network: str, x: Tensor) -> None:
    check_equal_to_eager(None, x, last=3, network=network, **optimization(network, "adam"))


@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
def test_recorded_steps_equal_eager_ones_with_every_optimizer(optimizer: str, x: Tensor) -> None:
    check_equal_to_eager(None, x, optimizer=optimizer)


@pytest.mark.parametrize("elbo", [Trace_ELBO(), Trace_ELBO(num_particles=2), Trace_ELBO(3, vectorize_particles=True)])
def test_recorded_steps_equal_eager_ones_under_other_elbos(elbo: Any, x: Tensor) -> None:
    check_equal_to_eager(None, x, elbo)


def test_compiled_steps_equal_eager_ones(x: Tensor) -> None:
    check_equal_to_eager(inductor, x, last=3)


@pytest.mark.slow
@pytest.mark.parametrize("network", [name for name in NETWORKS if name != "mlp"])
def test_compiled_steps_of_convolutions_equal_eager_ones(network: str, x: Tensor) -> None:
    check_equal_to_eager(inductor, x, last=3, network=network, **optimization(network, "rmsprop"))


@pytest.mark.slow
def test_compiled_steps_of_larger_pictures_equal_eager_ones() -> None:
    x, how = torch.rand(7, 3, 128, 128), optimization("resnet", "sgd")
    check_equal_to_eager(inductor, x, last=3, network="resnet", shape=(3, 128, 128), **how)


@pytest.mark.slow
@pytest.mark.parametrize("likelihood", list(LIKELIHOODS))
def test_compiled_steps_equal_eager_ones_under_every_likelihood(likelihood: str, x: Tensor) -> None:
    check_equal_to_eager(inductor, x, likelihood=likelihood, optimizer="rmsprop")


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
def test_compiled_steps_equal_eager_ones_with_every_optimizer(optimizer: str, x: Tensor) -> None:
    check_equal_to_eager(inductor, x, optimizer=optimizer)


def counting(calls: list[int]) -> Any:
    def compiler(graph: Any, inputs: Any) -> Any:
        calls.append(len(inputs))
        return graph

    return compiler


def test_neither_schedules_nor_a_short_batch_compile_again(x: Tensor) -> None:
    calls: list[int] = []
    vae = small()
    step = step_of(vae, compiler=counting(calls))
    for number in range(8):
        vae.beta = float(number)
        step.gradient_step.optimizer.param_groups[0]["lr"] = 1e-3 / (1 + number)
        step(x if number % 4 else x[:3])
    assert len(calls) == 1


def test_a_loss_that_is_not_finite_changes_nothing(x: Tensor) -> None:
    vae = small()
    step = step_of(vae)
    step.compiler = None
    step(x)
    before = {name: tensor.clone() for name, tensor in vae.state_dict().items()}
    loss, _ = step(torch.full_like(x, float("nan")))
    assert loss.isnan()
    assert all(torch.equal(before[name], tensor) for name, tensor in vae.state_dict().items())


def test_a_frozen_parameter_stays_and_is_read_at_each_step(x: Tensor) -> None:
    vae = small()
    vae.decoder.requires_grad_(False)
    before = vae.decoder.layers[0].weight.clone()
    step = step_of(vae, compiler=None)
    step(x)
    assert torch.equal(before, vae.decoder.layers[0].weight)
    vae.decoder.layers[-2].weight.zero_()
    vae.decoder.layers[-2].bias.zero_()
    second, (rate,) = step(x)
    assert (second - 4 * rate.sum()).item() == pytest.approx(256 * 7 * torch.tensor(2.0).log().item(), rel=1e-4)


@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
def test_the_leaves_of_the_inputs_are_those_of_pytree(optimizer: str, x: Tensor) -> None:
    gradient_step = step_of(small(), optimizer).gradient_step
    gradient_step.prepare((x,))
    inputs = gradient_step.inputs((x, x[:1]))
    assert [id(leaf) for leaf in inputs.leaves()] == [id(leaf) for leaf in tree_leaves(inputs)]


class Branching(BetaVAE):
    """Its structure depends on the data."""

    def encode(self, x: Tensor) -> dist.TorchDistribution:
        q = super().encode(x)
        return q if x.mean() > 0 else dist.Normal(0.0, 1.0).expand([len(x), self.latent_dim]).to_event(1)


def test_programs_that_branch_on_data_run_as_pyro_runs_them(x: Tensor) -> None:
    vae = Branching((1, 16, 16), 3)
    step = step_of(vae)
    with pytest.warns(RuntimeWarning, match="cannot be recorded: .*; going on without"):
        step(x)
    step(x)  # and says so once
    assert "cannot be recorded" in step.reason
    with pytest.raises(ValueError, match="bf16 wants programs that can be recorded"):
        step_of(Branching((1, 16, 16), 3), precision="bf16")(x)


def test_a_missing_compiler_leaves_the_recorded_graph(x: Tensor) -> None:
    def broken(graph: Any, inputs: Any) -> Any:
        raise RuntimeError("no compiler found\nat all")

    step = step_of(small(), compiler=broken)
    with pytest.warns(RuntimeWarning, match="cannot be compiled: RuntimeError: no compiler found; going on without"):
        first, _ = step(x)
    second, _ = step(x)
    assert first.isfinite()
    assert second != first


def test_nothing_that_changes_a_last_digit_is_chosen_by_timing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two equal runs on an H200 had different last digits: each may have chosen its kernels by its own timing."""
    from torch._inductor import config

    chosen: dict[str, Any] = {}
    monkeypatch.setattr(torch._inductor, "compile", lambda *_, options: chosen.update(options))
    inductor(make_fx(torch.sin)(torch.zeros(9)), [torch.zeros(9)])
    assert config.get_type("deterministic") is bool
    assert chosen["deterministic"]


def test_a_library_that_a_kill_cut_short_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inductor takes what lies in its cache as it is."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    library = tmp_path / "6t" / "main.so"
    library.parent.mkdir()
    library.touch()

    def load(graph: Any, *_: Any, **__: Any) -> Any:
        if library.exists():
            raise ImportError(f"{library}: file too short")
        return graph

    monkeypatch.setattr(torch._inductor, "compile", load)
    graph = make_fx(lambda x: x.sin())(torch.zeros(9))
    assert inductor(graph, [torch.zeros(9)]) is graph
    outside = tmp_path.parent / "main.so"
    library = outside
    library.touch()
    with pytest.raises(ImportError):  # no file of anybody else is touched
        inductor(graph, [torch.zeros(9)])
    assert outside.exists()


COMPILES = """
import torch
from torch._dynamo.utils import counters
from torch.fx.experimental.proxy_tensor import make_fx
from pyro_bvae.compiled import inductor

def function(x, weight):
    return (((x @ weight).relu() + torch.randn_like(x)).sum(),)

inputs = torch.linspace(-1, 1, 32).reshape(8, 4), torch.eye(4)
graph = inductor(make_fx(function)(*inputs), inputs)
torch.manual_seed(0)
value = graph(*inputs)
torch.manual_seed(0)
torch.testing.assert_close(value, function(*inputs))
print(counters["inductor"]["fxgraph_cache_hit"])
"""


@pytest.mark.slow
def test_kernels_come_from_the_cache_and_a_damaged_cache_is_none(tmp_path: Path) -> None:
    def hits() -> str:
        environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
        return run([sys.executable, "-c", COMPILES], env=environment, stdout=PIPE, stderr=STDOUT, text=True).stdout

    assert [hits(), hits()] == ["0\n", "1\n"]
    graphs = [path for name in ("fxgraph", "aotautograd") for path in (tmp_path / name).rglob("*") if path.is_file()]
    assert graphs
    for path in [*graphs, *tmp_path.glob("*/*.py")]:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert hits() == "0\n"


def test_a_param_outside_the_module_is_refused(x: Tensor) -> None:
    class Stray(BetaVAE):
        def guide(self, x: Tensor) -> Tensor:
            pyro.param("stray", torch.zeros(1))
            return super().guide(x)

    with pytest.raises(ValueError, match=r"pyro.param\('stray'\) is no parameter of the module"):
        step_of(Stray((1, 16, 16), 3))(x)


@pytest.mark.parametrize("network", list(NETWORKS))
def test_bf16_products_are_near_those_of_fp32(network: str, x: Tensor) -> None:
    losses = []
    for precision in ("fp32", "bf16"):
        vae = small(network=network)
        step = step_of(vae, "adam", compiler=None, precision=precision)
        torch.manual_seed(0)
        losses.append(torch.stack([step(x)[0] for _ in range(5)]))
        assert all(parameter.dtype == torch.float32 for parameter in vae.parameters())
    assert not torch.equal(*losses)
    torch.testing.assert_close(*losses, rtol=0.01, atol=0)


class Mixture(nn.Module):
    """Two normals of unknown place, their labels summed out; a point estimate of the weights."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(2))
        self.guide = AutoNormal(poutine.block(self.model, expose=["loc"]))

    def model(self, x: Tensor) -> None:
        pyro.module("mixture", self, update_module_params=True)
        loc = pyro.sample("loc", dist.Normal(torch.tensor([-1.0, 1.0]), 1.0).to_event(1))
        with pyro.plate("data", len(x)):
            components = dist.Normal(loc, 0.3)
            pyro.sample("x", dist.MixtureSameFamily(dist.Categorical(logits=self.logits), components), obs=x)


def test_another_pyro_model_with_an_autoguide_trains() -> None:
    x = torch.cat([torch.randn(60) * 0.3 - 2, torch.randn(20) * 0.3 + 2])
    mixture = Mixture()
    mixture.guide(x)  # an autoguide makes its parameters when it is first run
    optimizer = torch.optim.Adam(mixture.parameters(), lr=0.05)
    step = CompiledStep(mixture.model, mixture.guide, Trace_ELBO(), mixture, optimizer, compiler=None)
    for _ in range(200):
        step(x)
    torch.testing.assert_close(mixture.logits.softmax(0), torch.tensor([0.75, 0.25]), rtol=0.1, atol=0.03)
    torch.testing.assert_close(mixture.guide.median()["loc"], torch.tensor([-2.0, 2.0]), rtol=0.1, atol=0)
