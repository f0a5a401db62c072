"""One step of stochastic variational inference after another, and the state that a checkpoint holds.

Each step takes a batch x of B images and moves the parameters of model and guide along the gradient of

    loss = (1/B) Σ_x [−E_q(z|x) log p(x | z) + β KL(q(z | x) ‖ p(z))],

in nats an image: the programs sum over images as Pyro does, and a step divides by the batch.

Which data a step sees follows from the seed and the step, and all other randomness comes from a generator whose state
is in the checkpoint, so that a resumed run equals an uninterrupted one. Held-out images are scored by their terms at
β 1, with draws of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from time import perf_counter
from typing import Any

import torch
from pyro import poutine
from pyro.infer import ELBO
from torch import Tensor

from .compiled import CompiledStep, Compiler
from .datasets import Dataset
from .gradients import GradientStep
from .minibatches import Minibatches
from .model import BetaVAE
from .objectives import RateController
from .randomness import generator_state, set_generator_state
from .run_folder import FORMAT
from .schedules import LinearWarmup
from .settings import TrainingSettings
from .terms import mean_terms, terms_of_traces

__all__ = ["OPTIMIZERS", "Training", "resolve_device"]

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "rmsprop": torch.optim.RMSprop,
    "adam": torch.optim.Adam,
    "adagrad": torch.optim.Adagrad,
    "sgd": torch.optim.SGD,
}


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
        self.device = vae.beta.device
        self.minibatches = Minibatches(dataset, settings.batch_size, settings.seed, self.device)
        self.held_out = dataset.images[dataset.held_out].to(self.device)
        self.steps_per_epoch = self.minibatches.per_epoch
        self.total = settings.total(self.minibatches.size)
        self.eval_every = settings.eval_every or self.steps_per_epoch
        self.controller = None if settings.match_rate is None else RateController(settings.match_rate)
        self.lr = LinearWarmup(settings.lr, settings.lr_warmup)
        self.optimizer = OPTIMIZERS[settings.optimizer](vae.parameters(), lr=settings.lr)  # type: ignore[call-arg]
        self.precision = settings.precision
        self.eager = GradientStep(vae.model, vae.guide, PerImage(elbo), vae, self.optimizer, _row)
        self.compiled: CompiledStep | None = None
        self.step = 0
        self.seconds = 0.0
        self._start_interval()

    def advance(self) -> None:
        """Take one step.

        Raises:
            FloatingPointError: The loss is NaN or infinite; the parameters are still those before the step.
        """
        start = perf_counter()
        x = self.vae.prepare(self.minibatches.batch(self.step))
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr(self.step + 1)
        loss, row = self.eager.take((x,)) if self.compiled is None else self.compiled(x)
        if not isfinite(loss.item()):
            raise FloatingPointError(_what_is_not_finite(self.step + 1, (row / len(x)).tolist()))
        self.step += 1
        self._add(row, len(x))
        if self.controller is not None:
            self.vae.beta = self.controller(self.vae.beta_value, row[2].item() / len(x))
        self.seconds += perf_counter() - start

    def compile(self, compiler: Compiler | None) -> None:
        """Take all further steps as one graph each.

        Args:
            compiler: See `CompiledStep`.
        """
        step = self.eager
        self.compiled = CompiledStep(
            *step.programs.programs,
            step.programs.elbo,
            self.vae,
            self.optimizer,
            report=_row,
            precision=self.precision,
            compiler=compiler,
        )

    def measure(self, repeats: int = 3) -> float:
        """Seconds of the gradients of an eager step, the best of a few; nothing is changed."""
        x = self.minibatches.batch(self.step)
        times = []
        for _ in range(repeats):
            start = perf_counter()
            self.eager.gradients((x,))
            times.append(perf_counter() - start)
        return min(times)

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
            FloatingPointError: A parameter or a held-out term is NaN or infinite.
        """
        self.check_finite()
        held_out = mean_terms(self.vae, self.held_out)
        if not isfinite(held_out.elbo):
            what = f"distortion is {held_out.distortion} and rate {held_out.rate}"
            raise FloatingPointError(f"on the held-out data {what} after step {self.step}; lower --lr")
        record = {
            "step": self.step,
            "epoch": self.step / self.steps_per_epoch,
            "beta": self.vae.beta_value,
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
        """What a checkpoint holds: plain data and tensors.

        Raises:
            FloatingPointError: A parameter is not finite; such a state is not worth keeping.
        """
        self.check_finite()
        return {
            "format": FORMAT,
            "step": self.step,
            "seconds": self.seconds,
            "beta": self.vae.beta_value,
            "model": self.vae.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rng": generator_state(self.device),
            "interval": {"sums": self._sums, "count": self._count, "since": self._since},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.step, self.seconds = state["step"], state["seconds"]
        self.vae.beta = state["beta"]
        self.vae.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        set_generator_state(state["rng"], self.device)
        interval = state["interval"]
        self._sums, self._count, self._since = interval["sums"].to(self.device), interval["count"], interval["since"]

    def _start_interval(self) -> None:
        self._sums = torch.zeros(3, device=self.device)
        self._count = 0
        self._since = self.seconds

    def _add(self, row: Tensor, size: int) -> None:
        self._sums = row if self._count == 0 else self._sums + row
        self._count += size


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


class PerImage:
    """An ELBO divided by the batch."""

    def __init__(self, elbo: ELBO) -> None:
        self.elbo = elbo

    def differentiable_loss(self, model: Any, guide: Any, x: Tensor) -> Tensor:
        """The loss of a batch, in nats an image."""
        return self.elbo.differentiable_loss(model, guide, x) / len(x)


def _row(loss: Tensor, model: poutine.Trace, guide: poutine.Trace) -> Tensor:
    """Loss, distortion, rate and KL of each latent of a step, summed over the batch, ``(3 + K,)``."""
    terms = terms_of_traces(model, guide)
    parts = [(loss * len(terms.rate))[None], terms.distortion.sum()[None], terms.rate.sum()[None]]
    row = torch.cat(parts if terms.kl is None else [*parts, terms.kl.sum(0)])
    return row if row.device.type == "mps" else row.double()  # mps has no float64


def _what_is_not_finite(step: int, means: Sequence[float]) -> str:
    terms = {"distortion": means[1], "rate": means[2]}
    culprits = [f"the {name} is {value}" for name, value in terms.items() if not isfinite(value)]
    what = " and ".join(culprits) or "both its terms are finite"
    return f"the loss is {means[0]} at step {step}: {what}; lower --lr, or warm it up with --lr-warmup"
