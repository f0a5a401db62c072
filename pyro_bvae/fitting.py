"""`fit`: stochastic variational inference on a data set, in a run folder, with callbacks that look on."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyro
import torch
from pyro.infer import ELBO, TraceMeanField_ELBO

from .datasets import Dataset
from .interrupts import Interrupted, deferred_interrupt
from .model import BetaVAE
from .run_folder import RunFolder
from .runs import Run
from .settings import TrainingSettings, check_same, config_of
from .training import Training, resolve_device

__all__ = ["Callback", "fit"]


class Callback:
    """What may look at a fit while it runs: override any of the methods. `fit` itself prints and draws nothing."""

    def on_start(self, run: Run, training: Training) -> None:
        """Before the first step; after a resume, ``training.step`` is where it goes on."""

    def on_step(self, training: Training) -> None:
        """After each step. ``training.vae.beta`` may be changed here: a schedule is ``vae.beta = schedule(step)``."""

    def on_record(self, record: dict[str, Any]) -> None:
        """After each line of the history."""

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
    seed: int = 0,
    device: str = "auto",
    eval_every: int | None = None,
    checkpoint_every: int | None = None,
    keep: int | str = 0,
    elbo: ELBO | None = None,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    callbacks: Sequence[Callback] = (),
    command: str | None = None,
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
        seed: Seed of the batches and the draws of z. The global generators are left as they were.
        device: "auto" (CUDA where there is one, otherwise the CPU), "cpu", "cuda" or "mps".
        eval_every: Steps between two lines of the history, each with a held-out score; by default an epoch.
        checkpoint_every: Steps between two checkpoints; by default an epoch.
        keep: How many numbered checkpoints stay beside the latest, or "all".
        elbo: What is minimised, any Pyro ELBO with ``differentiable_loss``; `TraceMeanField_ELBO` by default.
        out: The run folder; None keeps the run in memory.
        resume: Go on with the run in ``out``, to a new total of epochs or steps if that is larger.
        overwrite: Replace the run in ``out``.
        callbacks: Called at the start, after each step and line, and at the end.
        command: The command line, to be stored.

    Returns:
        The run, with the model on the training device.

    Raises:
        ValueError: A setting is out of range, the data do not fit the model or likelihood, a resumed run has other
            settings, or the programs use ``pyro.param``.
        FloatingPointError: The loss became NaN or infinite; the last checkpoint stays.
        Interrupted: Ctrl-C, after the step was finished and saved.
        OSError: The run folder cannot be written, or holds a run already.
    """
    settings = TrainingSettings(
        optimizer, lr, lr_warmup, batch_size, epochs, steps, seed, device, eval_every, checkpoint_every, keep
    )
    if out is None and (resume or overwrite):
        raise ValueError("resume and overwrite want a run folder: give out")
    _check_data(vae, dataset)
    config = config_of(vae, dataset, settings, command)
    where = resolve_device(device)
    folder = None if out is None else RunFolder(out)
    with _isolated(seed, where):
        training = Training(vae.to(where), dataset, settings, elbo or TraceMeanField_ELBO())
        run = Run(vae, config, [], 0, folder.path if folder else None, dataset)
        if folder is not None:
            _open(folder, run, training, resume, overwrite)
        for callback in callbacks:
            callback.on_start(run, training)
        _run_to_end(training, run, folder, settings, callbacks)
        run.step = training.step
    for callback in callbacks:
        callback.on_end(run)
    return run


def _run_to_end(
    training: Training, run: Run, folder: RunFolder | None, settings: TrainingSettings, callbacks: Sequence[Callback]
) -> None:
    checkpoint_every = settings.checkpoint_every or training.steps_per_epoch
    keep = None if settings.keep == "all" else int(settings.keep)
    validated = False  # the first step runs under Pyro's validation; NaNs are looked for in every one
    with deferred_interrupt() as interrupted, warnings.catch_warnings(), pyro.validation_enabled(False):
        warnings.filterwarnings("ignore", message="Encountered NaN")
        while training.step < training.total and not interrupted.is_set():
            with pyro.validation_enabled(not validated):
                training.advance()
            if not validated:
                _check_parameters(training.vae)
                validated = True
            for callback in callbacks:
                callback.on_step(training)
            at_end = training.step == training.total
            score = at_end or training.step % training.eval_every == 0
            save = folder is not None and (at_end or interrupted.is_set() or training.step % checkpoint_every == 0)
            if score or save:
                training.check_finite()
            if score:
                record = training.record()
                run.history.append(record)
                if folder is not None:
                    folder.append(record)
                for callback in callbacks:
                    callback.on_record(record)
            if folder is not None and save:
                folder.save(training.state(), keep)
    if training.step < training.total:
        raise Interrupted(training.step)


def _open(folder: RunFolder, run: Run, training: Training, resume: bool, overwrite: bool) -> None:
    """Start a run folder, or go on from its checkpoint."""
    if not resume or (folder.path.is_dir() and not any(folder.path.glob("config.json*"))):
        return folder.start(run.config, overwrite)
    stored = folder.read_config()
    check_same(run.config, stored)
    if folder.has_checkpoint:
        training.restore(folder.load(device=training.images.device))
    training.total = max(training.total, training.step)
    if training.step < training.total:
        run.history += folder.cut_history(training.step, training.eval_every)
    else:
        run.history += folder.read_history()
    resumed = [*stored.get("resumed", []), run.config["command"]]
    run.config |= {"command": stored["command"], "versions": stored["versions"], "resumed": resumed}
    return folder.write_config(run.config)


@contextmanager
def _isolated(seed: int, device: torch.device) -> Iterator[None]:
    """A generator and a parameter store of one's own: fits in one process do not see each other."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices), pyro.get_param_store().scope():
        torch.manual_seed(seed)
        yield


def _check_data(vae: BetaVAE, dataset: Dataset) -> None:
    if dataset.shape != vae.shape:
        raise ValueError(f"the model is for data of shape {vae.shape}, {dataset.name} has {dataset.shape}")
    support = getattr(vae.likelihood, "support", None)
    if support is None or dataset.images.dtype == torch.uint8:
        return
    if not support.check(dataset.images).all():
        low, high = dataset.images.min().item(), dataset.images.max().item()
        raise ValueError(
            f"{dataset.name} has values from {low:.4g} to {high:.4g}, outside the support {support} of "
            f"{type(vae.likelihood).__name__}; choose a gaussian likelihood or rescale the data"
        )


def _check_parameters(vae: BetaVAE) -> None:
    """Refuse what would silently not be trained."""
    known = {id(parameter) for parameter in vae.parameters()}
    for name, parameter in pyro.get_param_store().named_parameters():
        if id(parameter) not in known:
            raise ValueError(
                f"fit trains the parameters of the model, and pyro.param({name!r}) is none of them: make it an "
                "nn.Parameter of the BetaVAE, or train with pyro.infer.SVI"
            )
