"""Stochastic variational inference on a data set.

Each step takes a batch x of B images and moves the parameters of model and guide along the gradient of

    loss = (1/B) Σ_x [−E_q(z|x) log p(x | z) + β KL(q(z | x) ‖ p(z))],

in nats an image: the programs sum over images as Pyro does, and `fit` divides by the batch.

The data lie on the device, images as uint8, and batches are gathered there. The order of epoch e is a permutation drawn
from (seed, e) alone, and all other randomness comes from a generator whose state is in the checkpoint, so that a
resumed run equals an uninterrupted one. Held-out images are scored by their terms at β 1, with draws of their own.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import isfinite
from time import perf_counter
from typing import Any

import numpy as np
import pyro
import torch
from pyro import poutine
from pyro.infer import ELBO, TraceMeanField_ELBO
from torch import Tensor

from .datasets import Dataset, pixels
from .interrupts import Interrupted, deferred_interrupt
from .model import BetaVAE
from .run_folder import FORMAT, RunFolder
from .runs import Run
from .schedules import LinearWarmup
from .settings import TrainingSettings, check_same, config_of
from .terms import Terms, mean_terms, terms_of_traces

__all__ = ["OPTIMIZERS", "Callback", "Training", "fit", "resolve_device"]

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "rmsprop": torch.optim.RMSprop,
    "adam": torch.optim.Adam,
    "adagrad": torch.optim.Adagrad,
    "sgd": torch.optim.SGD,
}


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


class Training:
    """The state of a fit: what a step changes, what a checkpoint holds.

    Attributes:
        vae: The programs.
        step: Steps taken.
        total: Steps to take.
        steps_per_epoch: Steps that see each training image once.
    """

    def __init__(self, vae: BetaVAE, dataset: Dataset, settings: TrainingSettings, elbo: ELBO) -> None:
        self.vae = vae
        self.elbo = elbo
        device = vae.beta.device
        self.images = dataset.images[dataset.train].to(device)
        self.held_out = dataset.images[dataset.held_out].to(device)
        self.seed = settings.seed
        self.batch_size = settings.batch(len(self.images))
        self.steps_per_epoch = settings.steps_per_epoch(len(self.images))
        self.total = settings.total(len(self.images))
        self.eval_every = settings.eval_every or self.steps_per_epoch
        self.lr = LinearWarmup(settings.lr, settings.lr_warmup)
        self.optimizer = OPTIMIZERS[settings.optimizer](vae.parameters(), lr=settings.lr)  # type: ignore[call-arg]
        self.step = 0
        self.seconds = 0.0
        self._order: tuple[int, Tensor] | None = None
        self._start_interval()

    def advance(self) -> None:
        """Take one step.

        Raises:
            FloatingPointError: The loss is NaN or infinite; the parameters are still those before the step.
        """
        start = perf_counter()
        x = self.batch(self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr(self.step + 1)
        model, guide = poutine.trace(self.vae.model), poutine.trace(self.vae.guide)
        self.optimizer.zero_grad()
        loss = self.elbo.differentiable_loss(model, guide, x) / len(x)
        loss.backward()
        with torch.no_grad():
            terms = terms_of_traces(model.trace, guide.trace)
        if not isfinite(loss.item()):
            raise FloatingPointError(_what_is_not_finite(self.step + 1, loss, terms))
        self.optimizer.step()
        self.step += 1
        self._add(loss.detach(), terms)
        self.seconds += perf_counter() - start

    def batch(self, step: int) -> Tensor:
        """The data of a step, as floats on the device."""
        epoch, position = divmod(step, self.steps_per_epoch)
        if self._order is None or self._order[0] != epoch:
            order = np.random.default_rng([self.seed, epoch]).permutation(len(self.images))
            self._order = epoch, torch.from_numpy(order).to(self.images.device)
        start = position * self.batch_size
        return pixels(self.images[self._order[1][start : start + self.batch_size]])

    def means(self) -> dict[str, Any]:
        """Loss, distortion, rate and KL of each latent, nats an image, and speed, since the last line of history."""
        loss, distortion, rate, *kl = (self._sums / max(self._count, 1)).tolist()
        return {
            "loss": loss,
            "distortion": distortion,
            "rate": rate,
            "kl_per_latent": kl or None,
            "seconds": self.seconds,
            "images_per_second": self._count / max(self.seconds - self._since, 1e-9),
        }

    def record(self) -> dict[str, Any]:
        """One line of the history: the training terms since the last line, and those of the held-out images now.

        Raises:
            FloatingPointError: A held-out term is NaN or infinite.
        """
        held_out = mean_terms(self.vae, self.held_out)
        if not isfinite(held_out.elbo):
            what = f"distortion is {held_out.distortion} and rate {held_out.rate}"
            raise FloatingPointError(f"on the held-out data {what} after step {self.step}; lower --lr")
        record = {
            "step": self.step,
            "epoch": self.step / self.steps_per_epoch,
            **self.means(),
            "held_out_elbo": held_out.elbo,
            "held_out_distortion": held_out.distortion,
            "held_out_rate": held_out.rate,
            "held_out_kl_per_latent": held_out.kl_per_latent,
        }
        if self.step % self.eval_every == 0:  # a last line off the grid leaves the interval open for a longer run
            self._start_interval()
        return record

    def check_finite(self) -> None:
        """Make sure that the parameters are worth scoring and keeping.

        Raises:
            FloatingPointError: One is NaN or infinite.
        """
        for name, parameter in self.vae.named_parameters():
            if not parameter.isfinite().all():
                raise FloatingPointError(f"the parameter {name} is not finite after step {self.step}; lower --lr")

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        device = self.images.device
        return {
            "format": FORMAT,
            "step": self.step,
            "seconds": self.seconds,
            "model": self.vae.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rng": torch.get_rng_state(),
            "rng_cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
            "interval": {"sums": self._sums, "count": self._count, "since": self._since},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        device = self.images.device
        self.step, self.seconds = state["step"], state["seconds"]
        self.vae.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["rng"].cpu())
        if device.type == "cuda" and state["rng_cuda"] is not None:
            torch.cuda.set_rng_state(state["rng_cuda"].cpu(), device)
        interval = state["interval"]
        self._sums, self._count, self._since = interval["sums"].to(device), interval["count"], interval["since"]

    def _start_interval(self) -> None:
        self._sums = torch.zeros(3, device=self.images.device)
        self._count = 0
        self._since = self.seconds

    def _add(self, loss: Tensor, terms: Terms) -> None:
        size = len(terms.rate)
        parts = [(loss * size)[None], terms.distortion.sum()[None], terms.rate.sum()[None]]
        row = torch.cat(parts if terms.kl is None else [*parts, terms.kl.sum(0)])
        row = row if row.device.type == "mps" else row.double()  # mps has no float64
        self._sums = row if self._count == 0 else self._sums + row
        self._count += size


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


def resolve_device(name: str) -> torch.device:
    """The device of that name; "auto" is CUDA where there is one, otherwise the CPU.

    Raises:
        ValueError: The device is unknown or not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    kind = name.split(":")[0]
    if not there.get(kind, False):
        raise ValueError(f"there is no device {name!r} on this machine; use auto or cpu")
    return torch.device(name)


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


def _what_is_not_finite(step: int, loss: Tensor, terms: Terms) -> str:
    means = {"distortion": terms.distortion.mean().item(), "rate": terms.rate.mean().item()}
    culprits = [f"the {name} is {value}" for name, value in means.items() if not isfinite(value)]
    what = " and ".join(culprits) or "both its terms are finite"
    return f"the loss is {loss.item()} at step {step}: {what}; lower --lr, or warm it up with --lr-warmup"
