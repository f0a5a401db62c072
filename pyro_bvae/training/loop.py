"""`fit`: stochastic variational inference on a data set, in a run folder, with callbacks that look on."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import pyro
from pyro.infer import ELBO, TraceMeanField_ELBO

from ..compiled.break_even import decide, expected_seconds, note_seconds
from ..compiled.step import inductor
from ..datasets import Dataset
from ..model import BetaVAE
from ..objectives import build_objective
from ..randomness import own_generator
from ..runs.config import COMPILATION, LENGTH, TrainingSettings, check_same, config_of
from ..runs.folder import RunFolder
from ..runs.run import Run
from ..settings.names import AS_ASKED
from ..settings.parsing import specified
from .checks import check_data, check_programs
from .interrupts import Interrupted, deferred_interrupt
from .state import Training, resolve_device

__all__ = ["Callback", "fit"]


class Callback:
    """What may look at a fit while it runs: override any of the methods. `fit` itself prints and draws nothing."""

    def on_start(self, run: Run, training: Training) -> None:
        """Before the first step; after a resume, ``training.step`` is where it goes on."""

    def on_step(self, training: Training) -> None:
        """After each step. ``training.vae.beta`` may be changed here: a schedule is ``vae.beta = schedule(step)``."""

    def on_record(self, record: dict[str, Any]) -> None:
        """After each line of the history."""

    def on_stop(self) -> None:
        """When training stops, for whatever reason."""

    def on_end(self, run: Run) -> None:
        """After the last step, with everything saved."""


def fit(
    vae: BetaVAE,
    dataset: Dataset,
    *,
    epochs: int | None = None,
    steps: int | None = None,
    optimizer: str = "rmsprop",
    lr: float = 1e-3,
    lr_warmup: int = 0,
    batch_size: int = 128,
    match_rate: float | None = None,
    objective: str = "beta",
    beta_schedule: str | None = None,
    seed: int = 0,
    device: str = "auto",
    compile: bool | None = None,  # noqa: A002
    precision: str = "fp32",
    eval_every: int | None = None,
    checkpoint_every: int | None = None,
    keep: int | str = 0,
    elbo: ELBO | None = None,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    callbacks: Sequence[Callback] = (),
    notes: Mapping[str, Any] | None = None,
) -> Run:
    """Fit the programs to the training images of a data set.

    Args:
        vae: The model and guide; moved to the device, and fitted in place.
        dataset: The data.
        epochs: Passes over the training images; 100 where ``steps`` is not given either.
        steps: Gradient steps, in place of epochs.
        optimizer: A key of `OPTIMIZERS`.
        lr: Learning rate.
        lr_warmup: Steps over which the learning rate rises in a line from 0.
        batch_size: Images a step; cut to the training set where that is smaller.
        match_rate: A rate in nats an image, to be held by moving β from where it is; by default β stays.
        objective: What is minimised, a key of `OBJECTIVES` with coefficients as `specification` reads them, like
            "tc:beta=6". All but "beta", without a β of its own, ignore the programs' β, which is then to be 1.
        beta_schedule: How the programs' β comes to where it is now, like "linear:5000" or "cyclic:2000", as a function
            of the steps taken before; see `specification.scheduled`. By default it is there from the start.
        seed: Seed of the batches and the draws of z. The global generators are left as they were.
        device: "auto" (CUDA where there is one, otherwise the CPU), "cpu", "cuda" or "mps".
        compile: Whether a step is compiled to one graph, see `CompiledStep`; by default where that pays for itself. The
            decision and its reason are stored, and kept when the run is resumed.
        precision: "fp32", or "bf16" for matrix products of bfloat16 operands; all else stays float32.
        eval_every: Steps between two lines of the history, each with a held-out score; by default an epoch.
        checkpoint_every: Steps between two checkpoints; by default an epoch.
        keep: How many numbered checkpoints stay beside the latest, or "all".
        elbo: In place of ``objective``, any Pyro ELBO with ``differentiable_loss``. Like the model it is moved to the
            device and, where it learns or is scheduled, changed in place.
        out: The run folder; None keeps the run in memory.
        resume: Go on with the run in ``out``, to a new total of epochs or steps if that is larger.
        overwrite: Replace the run in ``out``.
        callbacks: Called at the start, after each step and line, and at the end.
        notes: What else to store in the config, plain data: the ``command``, for example.

    Returns:
        The run, with the model on the training device.

    Raises:
        ValueError: A setting is out of range or does not go with another, the data do not fit the model or likelihood,
            a resumed run has other settings, or the programs use ``pyro.param``.
        FloatingPointError: The loss became NaN or infinite; the last checkpoint stays.
        Interrupted: Ctrl-C, after the step was finished and saved.
        OSError: The run folder cannot be written, or holds a run already.
    """
    settings = TrainingSettings(
        optimizer,
        lr,
        lr_warmup,
        batch_size,
        epochs,
        steps,
        seed,
        device,
        eval_every,
        checkpoint_every,
        keep,
        match_rate,
        compile,
        precision,
        objective if elbo is None else None,
        beta_schedule,
    )
    if elbo is not None and objective != "beta":
        raise ValueError(f"give an objective or an elbo, not both: got {objective!r} and {elbo}")
    if out is None and (resume or overwrite):
        raise ValueError("resume and overwrite want a run folder: give out")
    check_data(vae, dataset)
    where = resolve_device(device)
    folder = None if out is None else RunFolder(out)
    with own_generator(settings.seed, where), pyro.get_param_store().scope():
        elbo = elbo or _elbo_of(settings, len(dataset.train), vae.latent_dim)
        config = config_of(vae, dataset, settings, elbo, where) | dict(notes or {})
        training = Training(vae.to(where), dataset, settings, elbo)
        moves = match_rate is not None or beta_schedule is not None
        check_programs(vae, elbo, training.minibatches.batch(0), beta_moves=moves)
        run = Run(vae, config, [], 0, folder.path if folder else None, dataset)
        if folder is not None and resume:
            _go_on(folder, run, training)
        else:
            _choose_step(run, training)
            if folder is not None:
                folder.start(config, overwrite)
        training.beta_schedule, training.schedules = settings.schedules(run.config["beta"])
        compiles = run.config.get("compile", False)
        if compiles or precision != "fp32":
            training.compile(inductor if compiles else None)
        if compiles and where.type == "cuda":
            training.capture()
        _run_to_end(training, run, folder, settings, callbacks)
        if training.compiled.was_compiled:
            note_seconds(run.config, training.compiled.seconds)
    for callback in callbacks:
        callback.on_end(run)
    return run


def _elbo_of(settings: TrainingSettings, size: int, latent_dim: int) -> ELBO:
    """What the settings ask for; the β-VAE's own objective is Pyro's."""
    assert settings.objective is not None
    if settings.objective == "beta":
        return TraceMeanField_ELBO()
    return build_objective(specified(settings.objective), size=size, latent_dim=latent_dim)


def _run_to_end(
    training: Training, run: Run, folder: RunFolder | None, settings: TrainingSettings, callbacks: Sequence[Callback]
) -> None:
    checkpoint_every = settings.checkpoint_every or training.steps_per_epoch
    keep = None if settings.keep == "all" else int(settings.keep)
    saved = training.step
    try:
        for callback in callbacks:
            callback.on_start(run, training)
        with deferred_interrupt() as interrupted, _without_warnings(), pyro.validation_enabled(False):
            while training.step < training.total and not interrupted.is_set():
                training.advance()
                for callback in callbacks:
                    callback.on_step(training)
                if training.step % training.eval_every == 0:
                    _score(training, run, folder, callbacks)
                if folder is not None and training.step % checkpoint_every == 0:
                    folder.save(training.state(), keep)
                    saved = training.step
            if training.step == training.total and (not run.history or run.history[-1]["step"] < training.step):
                _score(training, run, folder, callbacks)
            if folder is not None and saved < training.step:
                folder.save(training.state(), keep)
    finally:
        run.step = training.step
        for callback in callbacks:
            callback.on_stop()
    if training.step < training.total:
        raise Interrupted(training.step)


def _score(training: Training, run: Run, folder: RunFolder | None, callbacks: Sequence[Callback]) -> None:
    """Add a line to the history."""
    record = training.record()
    run.history.append(record)
    if folder is not None:
        folder.append(record)
    for callback in callbacks:
        callback.on_record(record)


def _choose_step(run: Run, training: Training) -> None:
    """Decide whether the steps to come are compiled, and write down why."""
    steps = training.total - training.step
    seconds = expected_seconds(run.config)
    chosen = decide(run.config["compile"], steps, training.device, lambda: _seconds_of_a_step(training), seconds)
    run.config |= dict(zip(("compile", "compile_because"), chosen, strict=True))


def _seconds_of_a_step(training: Training, repeats: int = 3) -> float:
    """How long the gradients of an eager step take, the best of a few; nothing is changed."""
    x = training.minibatches.batch(training.step)
    times = []
    for _ in range(repeats):
        start = perf_counter()
        training.eager.evaluate((x,))
        times.append(perf_counter() - start)
    return min(times)


def _go_on(folder: RunFolder, run: Run, training: Training) -> None:
    """Take up the run in a folder: its state, its history up to there, and its settings with the new length."""
    stored = folder.read_config()
    state = folder.load(device=training.device) if folder.has_checkpoint else None
    if state is not None and run.config["beta"] == state["beta"]:  # the model of an earlier fit, left where it ended
        run.config |= {"beta": stored["beta"], "beta_norm": stored["beta_norm"]}
    check_same(run.config, stored)
    if run.config["compile"] in (None, stored.get("compile")):
        run.config |= {"compile": False} | {name: stored[name] for name in COMPILATION if name in stored}
    else:
        run.config["compile_because"] = AS_ASKED
    if state is not None:
        training.restore(state)
    finished = training.total <= training.step
    run.history += folder.cut_history(training.step, training.eval_every, finished)
    if training.total < training.step:  # a run is never made shorter
        training.total = training.step
        run.config = stored
        return
    resumed = [*stored.get("resumed", []), run.config["command"]]
    may_change = {name: run.config[name] for name in (*LENGTH, *COMPILATION) if name in run.config}
    run.config = stored | may_change | {"resumed": resumed}
    folder.write_config(run.config)


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Pyro warns of a NaN loss; here it is an error of our own."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Encountered NaN")
        yield
