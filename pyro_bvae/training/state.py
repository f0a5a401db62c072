"""One step of stochastic variational inference after another, and the state that a checkpoint holds.

Each step takes a batch x of B images and moves the parameters of model and guide along the gradient of

    loss = (1/B) Σ_x [−E_q(z|x) log p(x | z) + β KL(q(z | x) ‖ p(z))],

in nats an image: the programs sum over images as Pyro does, and a step divides by the batch.

Which data a step sees follows from the seed and the step, and all other randomness comes from a generator whose state
is in the checkpoint, so that a resumed run equals an uninterrupted one. Held-out images are scored by their terms at
β 1, with draws of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from time import perf_counter
from typing import Any

import torch
from pyro import poutine
from pyro.infer import ELBO
from torch import Tensor

from ..compiled.cuda_graph import CapturedStep, Tally
from ..compiled.recording import undisturbed
from ..compiled.step import CompiledStep, Compiler
from ..datasets import Dataset, pixels
from ..model import BetaVAE
from ..objectives import PerImage, RateController, Regularised, read
from ..randomness import generator_state, set_generator_state
from ..runs.config import TrainingSettings
from ..runs.folder import FORMAT
from ..schedules import LinearWarmup, Schedule
from ..terms import mean_terms, row_of_traces
from .minibatches import Minibatches

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
        beta_schedule: Of the programs' β, if it has one.
        schedules: Of the objective's coefficients.
        total: Steps to take.
        steps_per_epoch: Steps that see each training image once.
    """

    def __init__(self, vae: BetaVAE, dataset: Dataset, settings: TrainingSettings, elbo: ELBO) -> None:
        self.vae = vae
        self.objective = elbo.to(vae.beta.device) if isinstance(elbo, Regularised) else None
        self.learns = type(elbo).learn is not Regularised.learn if isinstance(elbo, Regularised) else False
        self.device = vae.beta.device
        self.minibatches = Minibatches(dataset, settings.batch_size, settings.seed, self.device)
        self.held_out = dataset.images[dataset.held_out].to(self.device)
        self.steps_per_epoch = self.minibatches.per_epoch
        self.total = settings.total(self.minibatches.size)
        self.eval_every = settings.eval_every or self.steps_per_epoch
        self.controller = None if settings.match_rate is None else RateController(settings.match_rate)
        self.beta_schedule: Schedule | None = None
        self.schedules: Mapping[str, Schedule] = {}
        self.lr = LinearWarmup(settings.lr, settings.lr_warmup)
        self.optimizer = OPTIMIZERS[settings.optimizer](vae.parameters(), lr=settings.lr)  # type: ignore[call-arg]
        self.compiled = CompiledStep(
            vae.model,
            vae.guide,
            PerImage(elbo),
            vae,
            self.optimizer,
            report=self._report,
            precision=settings.precision,
            compiler=None,
        )
        self.eager = self.compiled.step
        self.is_compiled = False
        self.captured: CapturedStep | None = None
        self.step = 0
        self.seconds = 0.0
        self._sums = torch.zeros(3, device=self.device)
        self._count, self._since = 0, 0.0

    def advance(self) -> None:
        """Take one step.

        Raises:
            FloatingPointError: The loss is NaN or infinite; the parameters are still those before the step. After
                `capture` it is the next to look at the results that raises it.
        """
        start = perf_counter()
        self._move()
        if self.captured is None:
            self._take()
        else:
            given = self._given()
            self.captured(given)
            self.step += 1
            self._count += len(given)
        self.seconds += perf_counter() - start

    def _move(self) -> None:
        """Bring what moves with the step to where it is for the next one."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr(self.step + 1)
        if self.beta_schedule is not None:
            self.vae.beta.fill_(self.beta_schedule(self.step))
        if self.objective is not None and self.schedules:
            self.objective.set(**{name: schedule(self.step) for name, schedule in self.schedules.items()})

    def _take(self) -> None:
        x = self.vae.prepare(self.minibatches.batch(self.step))
        loss, (row, *lesson) = self.compiled(x) if self.is_compiled else self.eager.take((x,))
        if not isfinite(loss.item()):
            raise FloatingPointError(_what_is_not_finite(self.step + 1, *(row[:3] / len(x)).tolist()))
        self.step += 1
        self._sums = row if self._count == 0 else self._sums + row
        self._count += len(x)
        if self.controller is not None:
            self.vae.beta = self.controller(self.vae.beta_value, row[2].item() / len(x))
        self._learn(lesson)

    def _report(self, loss: Tensor, model: poutine.Trace, guide: poutine.Trace) -> tuple[Tensor, ...]:
        """The row of a step, and what the objective wants of it."""
        row = row_of_traces(loss, model, guide)
        return (row, *self.objective.lesson(read(model, guide))) if self.objective and self.learns else (row,)

    def _learn(self, lesson: Sequence[Tensor]) -> None:
        if self.objective and self.learns:
            self.objective.learn(*lesson)

    def compile(self, compiler: Compiler | None) -> None:
        """Take all further steps as one graph each.

        Args:
            compiler: See `CompiledStep`.
        """
        self.compiled.compiler, self.is_compiled = compiler, True

    def capture(self) -> None:
        """Replay all further steps as CUDA graphs, if they can be recorded; on the CPU the same loop calls them."""
        with undisturbed(self.device):
            (x,) = self._data(self._given())
        can_be = self.objective is None or self.objective.can_be_captured
        if not can_be or self.compiled.graph_for((x,)) is None:
            return
        _, (row, *_) = self.eager.evaluate((x,))
        self.tally = Tally(self._sums if self._count else torch.zeros_like(row), self.step)
        self._sums = self.tally.sums
        self.captured = CapturedStep(self.compiled, self._data, self._note, self.tally.tensors)

    def _given(self) -> Tensor:
        """Where the data of the next step are, or themselves where the device does not hold them all."""
        return (self.minibatches.index if self.minibatches.resident else self.minibatches.batch)(self.step)

    def _data(self, given: Tensor) -> tuple[Tensor]:
        x = pixels(self.minibatches.images.index_select(0, given)) if self.minibatches.resident else given
        return (self.vae.prepare(x),)

    def _note(self, loss: Tensor, report: tuple[Tensor, ...], size: int) -> None:
        row, *lesson = report
        self.tally.add(loss, row, size)
        if self.controller is not None:
            self.vae.beta.copy_(self.controller.on_device(self.vae.beta, row[2] / size))
        self._learn(lesson)

    def settle(self) -> None:
        """Wait for the device, and look at what the steps since the last look gave.

        Raises:
            FloatingPointError: The loss of one of them was NaN or infinite.
        """
        if self.captured is None:
            return
        start = perf_counter()
        step, *means = self.tally.first_bad.tolist()
        self.seconds += perf_counter() - start
        if step:
            raise FloatingPointError(_what_is_not_finite(int(step), *means))

    def means(self) -> dict[str, Any]:
        """Loss, distortion, rate and KL of each latent, nats an image, and speed, since the last line of history."""
        self.settle()
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
        self.settle()
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
        if self.objective is not None and self.objective.coefficients:
            record["coefficients"] = self.objective.coefficients
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
        self.settle()
        self.check_finite()
        return {
            "format": FORMAT,
            "step": self.step,
            "seconds": self.seconds,
            "beta": self.vae.beta_value,
            "model": self.vae.state_dict(),
            "objective": {} if self.objective is None else self.objective.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rng": generator_state(self.device),
            "interval": {"sums": self._sums, "count": self._count, "since": self._since},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.step, self.seconds = state["step"], state["seconds"]
        self.vae.beta = state["beta"]
        self.vae.load_state_dict(state["model"])
        if self.objective is not None:
            self.objective.load_state_dict(state["objective"])
        self.optimizer.load_state_dict(state["optimizer"])
        set_generator_state(state["rng"], self.device)
        interval = state["interval"]
        self._sums, self._count, self._since = interval["sums"].to(self.device), interval["count"], interval["since"]

    def _start_interval(self) -> None:
        self._sums = torch.zeros(3, device=self.device) if self.captured is None else self._sums.zero_()
        self._count = 0
        self._since = self.seconds


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


def _what_is_not_finite(step: int, loss: float, distortion: float, rate: float) -> str:
    terms = {"distortion": distortion, "rate": rate}
    culprits = [f"the {name} is {value}" for name, value in terms.items() if not isfinite(value)]
    what = " and ".join(culprits) or "both its terms are finite"
    return f"the loss is {loss} at step {step}: {what}; lower --lr, or warm it up with --lr-warmup"
