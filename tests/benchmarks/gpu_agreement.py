"""Whether steps on a GPU are the same steps however they are taken.

For each likelihood, network, objective, optimiser and kind of setting, some steps are taken as Pyro takes them, as a
recorded graph, compiled by inductor, and replayed as a CUDA graph, from the same weights and with the same draws.
Compared are

    losses: max over steps |loss − loss'| / |loss'|,    updates: ‖(w − w₀) − (w' − w₀)‖ / ‖w' − w₀‖,

where w' and loss' are those of the eager steps. The last batch of an epoch is short, so that two graphs are replayed
in turn. Products are float32 throughout (no TF32), and those of bf16 are held against the recorded graph. The deeper
networks have gradients so small that rounding changes their sign, and with it a step of RMSprop: they take SGD's.
"""

from __future__ import annotations

import re
import tempfile
import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from math import isfinite, prod
from typing import Any
from unittest import mock

import torch
from gpu_bench import Bench, fitting, noise
from torch.nn.utils import parameters_to_vector

from pyro_bvae import BetaVAE, Callback, fit
from pyro_bvae.networks import NETWORKS
from pyro_bvae.objectives import Sizes, build_objective
from pyro_bvae.settings.names import LIKELIHOODS
from pyro_bvae.settings.parsing import specified
from pyro_bvae.settings.training import TrainingSettings
from pyro_bvae.training import Training
from pyro_bvae.training.steps import ReplayedSteps

__all__ = ["TOLERANCES", "agreement"]

SHAPE, TRAIN, BATCH, STEPS = (1, 32, 32), 40, 16, 7
TOLERANCES = {"losses": 1e-4, "updates": 1e-2}
OBJECTIVES = (
    "capacity:capacity=linear:25:100",
    "tc:beta=6",
    "factor:gamma=6",
    "dip-i",
    "dip-ii",
    "info",
    "controlled:target=20",
    "ada",
    "qlae",
)
FITS: Mapping[str, Mapping[str, Any]] = {
    "adam": {"optimizer": "adam"},
    "adagrad, weight decay": {"optimizer": "adagrad", "weight_decay": 0.1},
    "sgd": {"optimizer": "sgd"},
    "schedules": {"beta_schedule": "linear:5:0", "lr_warmup": 5},
    "match rate": {"match_rate": 5.0},
}


def agreement(bench: Bench) -> None:
    """Compare the ways of taking steps, resume a replayed run, and find a NaN in one."""
    torch.backends.cudnn.allow_tf32 = False
    checks: dict[str, tuple[Any, ...]] = {"bernoulli": (compared, bench, {}, {}, None, True)}
    checks |= {"conv": (compared, bench, {"network": "conv", "hidden": (64,)}, {}, None, not bench.is_quick)}
    checks |= {"resume": (resumed, bench), "nan": (poisoned, bench)}
    rest: dict[str, tuple[Any, ...]] = {f"likelihood {name}": ({"likelihood": name}, {}) for name in LIKELIHOODS[1:]}
    rest |= {f"objective {text}": ({}, {}, text) for text in OBJECTIVES}
    rest |= {f"fit {name}": ({}, options) for name, options in FITS.items()}
    rest |= {"conv gaussian-optimal": ({"network": "conv", "hidden": (64,), "likelihood": "gaussian-optimal"}, {})}
    rest |= {f"bf16 {name}": ({"network": name, "hidden": (64,)}, {"precision": "bf16"}) for name in ("mlp", "conv")}
    rest |= {"streamed data": ({}, {"streams": True})}
    for name, (model, options, *objective) in list(rest.items())[:: 4 if bench.is_quick else 1]:
        checks[name] = (compared, bench, model, options, *(objective or [None]), not bench.is_quick)
    for name in [
        each for each in NETWORKS if each not in ("mlp", "conv")
    ]:  # with graphs as they are: kernels take long
        checks[f"network {name}"] = (compared, bench, {"network": name}, {"optimizer": "sgd", "lr": 1e-5}, None, False)
    for position, (name, (work, *arguments)) in enumerate(checks.items()):
        if bench.is_mine(position):
            bench.take(name, work, *arguments)


def compared(bench: Bench, model: Any, options: Any, objective: str | None, is_compiled: bool) -> dict[str, Any]:
    """How far each way of taking steps is from the first."""
    first = "recorded" if options.get("precision") == "bf16" else "eager"
    takers = [taker for taker in ("eager", "recorded", "compiled", "replayed") if taker != first]
    result: dict[str, Any] = {"of": first}
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        losses, update, _ = steps_of(bench, model, options, objective, is_compiled, first)
        for taker in takers:
            if taker == "eager":  # of bf16, for which there are no eager steps
                continue
            its_losses, its_update, is_replayed = steps_of(bench, model, options, objective, is_compiled, taker)
            far = [abs(one - other) / abs(other) for one, other in zip(its_losses, losses, strict=True)]
            result[taker] = {
                "losses": max(far),
                "updates": ((its_update - update).norm() / update.norm()).item(),
                "is_replayed": is_replayed,
            }
    result["agrees"] = all(
        result[taker][what] <= most for taker in takers if taker in result for what, most in TOLERANCES.items()
    )
    result["warned"] = sorted({str(warning.message)[:300] for warning in warned})
    result["loss"] = losses[-1]
    return result


def steps_of(
    bench: Bench, model: Any, options: Any, objective: str | None, is_compiled: bool, taker: str
) -> tuple[list[float], torch.Tensor, bool]:
    """The losses of some steps, what they have added to the parameters, and whether a graph was replayed."""
    torch.manual_seed(0)
    vae = BetaVAE(SHAPE, 5, **{"hidden": (64,), "beta": 1.0 if objective else 4.0} | model).to(bench.device)
    options = {"lr": 1e-4, "batch_size": BATCH, "steps": STEPS} | options
    resident = mock.patch("pyro_bvae.training.minibatches.fits", return_value=False)
    streams = resident if options.pop("streams", False) else nullcontext()
    settings = TrainingSettings(**options, objective=objective or "beta")
    elbo = build_objective(specified(objective), Sizes(TRAIN, 5, prod(SHAPE))).to(bench.device) if objective else None
    before, losses = parameters_to_vector(vae.parameters()).detach(), []
    compiler = None if is_compiled else lambda graph, _: graph
    with streams, fitting(vae, noise(TRAIN, SHAPE), settings, taker, elbo, compiler) as training:
        for _ in range(STEPS):
            training.advance()
            losses.append(training.means()["loss"])
            training.tally.restart(0.0)
        assert all(map(isfinite, losses)), losses
        return losses, parameters_to_vector(vae.parameters()).detach() - before, is_replay(training)


def is_replay(training: Training) -> bool:
    """Whether its steps are replayed."""
    return isinstance(training.taker, ReplayedSteps)


class Replay(Callback):
    """What `fit` does by itself on a GPU, for the rehearsal on a CPU; and the devices of the optimiser's counters."""

    def on_start(self, run: Any, training: Training) -> None:  # noqa: ARG002
        if training.device.type == "cpu":
            training.replay(training.taker.gradient_step)
        self.counters = {str(state["step"].device) for state in training.optimizer.state.values() if "step" in state}
        self.is_replay = is_replay(training)


class Poison(Callback):
    """Make a weight NaN after five steps."""

    def on_step(self, training: Training) -> None:
        if training.step == 5:
            next(training.vae.encoder.parameters()).data.fill_(float("nan"))


def new_run(bench: Bench, steps: int, *callbacks: Callback, **options: Any) -> Any:
    """A replayed fit, with RMSprop."""
    torch.manual_seed(0)
    vae, data = BetaVAE(SHAPE, 5, hidden=(64,), beta=4.0), noise(TRAIN, SHAPE)
    how = {"batch_size": BATCH, "eval_every": 4, "compile": True, "device": str(bench.device), "steps": steps}
    return fit(vae, data, callbacks=callbacks, **how, **options)


def resumed(bench: Bench) -> dict[str, Any]:
    """Whether a replayed run that was stopped and resumed is the uninterrupted one, bit for bit."""
    replay = Replay()
    whole, again = new_run(bench, 20, Replay()), new_run(bench, 20, Replay())
    with tempfile.TemporaryDirectory() as folder:
        new_run(bench, 9, Replay(), out=folder)
        parts = new_run(bench, 20, replay, out=folder, resume=True)

    def is_same(one: Any, other: Any) -> bool:
        pairs = zip(one.model.parameters(), other.model.parameters(), strict=True)
        times = ("seconds", "images_per_second")
        lines = zip(one.history, other.history, strict=True)
        return all(torch.equal(*pair) for pair in pairs) and all(
            a[key] == b[key] for a, b in lines for key in a if key not in times
        )

    def apart(one: Any, other: Any) -> float:
        ours, theirs = (parameters_to_vector(run.model.parameters()).detach() for run in (one, other))
        return ((ours - theirs).norm() / theirs.norm()).item()

    return {
        "agrees": is_same(whole, parts) and replay.is_replay,
        "apart": apart(whole, parts),
        "repeats": is_same(whole, again),
        "repeats_apart": apart(whole, again),
        "is_replayed": replay.is_replay,
        "counters": sorted(replay.counters),
    }


def poisoned(bench: Bench) -> dict[str, Any]:
    """Whether a NaN in a replayed run stops it, with the number of the first step that had it."""
    replay = Replay()
    try:
        new_run(bench, 20, replay, Poison())
    except FloatingPointError as error:
        message = str(error)
    else:
        message = "none was raised"
    at_six = re.match(r"the loss is nan at step 6: ", message) is not None
    return {"agrees": at_six and replay.is_replay, "is_replayed": replay.is_replay, "message": message}
