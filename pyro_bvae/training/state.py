"""The state of a fit: what steps change, and what a checkpoint holds.

Which data a step sees follows from the seed and the step, and all other randomness comes from a generator whose state
is in the checkpoint, so that a resumed run equals an uninterrupted one. Held-out images are scored by their terms at
β 1, with draws of their own. Several ranks hold the same state, but for their generators.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from time import perf_counter
from typing import Any

import torch
from pyro.infer import ELBO
from torch import Tensor

from .. import ranks
from ..compiled.gradient_step import GradientStep
from ..compiled.recording import undisturbed
from ..compiled.step import CompiledStep, Compiler
from ..datasets import Dataset, Pairs, pixels
from ..model import BetaVAE
from ..objectives import PerImage, RateController, Regularised
from ..runs.folder import FORMAT
from ..schedules import LinearWarmup
from ..settings.training import TrainingSettings
from ..terms import Layout, given_to, mean_terms
from .faults import advice, remark_on_rates
from .generators import generators, set_generators
from .minibatches import Minibatches
from .replicas import check_replicas
from .steps import AllReduce, DirectSteps, EagerStep, ReplayedSteps, Tally, report_of

__all__ = ["OPTIMIZERS", "Training"]

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "rmsprop": torch.optim.RMSprop,
    "adam": torch.optim.Adam,
    "adagrad": torch.optim.Adagrad,
    "sgd": torch.optim.SGD,
}


class Training:
    """The state of a fit.

    Args:
        vae: The programs, on the device where they are to be trained.
        dataset: The data.
        settings: Of the fit.
        elbo: What is minimised, a sum over the batch.
        beta: Where a schedule of β leads to; by default to the β that the programs have now.
        least: The fewest data that a batch may have.
        layout: The names of the programs' terms; by default those of one latent site "z" and one observed site "x".

    Attributes:
        vae: The programs.
        dataset: The data.
        step: Steps taken.
        total: Steps to take.
        takes_stored: Whether the programs see the data as they are stored, and prepare nothing of them.
        steps_per_epoch: Steps that see each training image once.
        eval_every: Steps between two lines of the history.
        taker: Takes the steps: eagerly, until `compile` or `replay` puts another in its place.
        tally: Sums of the terms since the last line of the history.
        seconds: That steps have taken.
    """

    def __init__(
        self,
        vae: BetaVAE,
        dataset: Dataset,
        settings: TrainingSettings,
        elbo: ELBO,
        beta: float | None = None,
        least: int = 1,
        layout: Layout | None = None,
    ) -> None:
        self.vae, self.settings, self.device = vae, settings, vae.beta.device
        self.elbo = elbo.to(vae.beta) if isinstance(elbo, Regularised) else elbo
        self.objective = elbo if isinstance(elbo, Regularised) else None
        self.dataset = dataset
        self.names = tuple(given_to(vae, dataset.beside))
        order, dtype = (settings.batch_size, settings.seed), vae.beta.dtype
        pairs = Pairs(dataset, elbo.differing) if isinstance(elbo, Regularised) and elbo.differing else None
        self.minibatches = Minibatches(
            dataset, *order, self.device, least=least, dtype=dtype, names=self.names, pairs=pairs
        )
        with undisturbed(self.device):
            datum = vae.beta.new_zeros(1, *vae.shape)
            self.takes_stored = vae.prepare(datum) is datum
        self.held_out = dataset.rows(dataset.held_out).to(self.device)
        self.steps_per_epoch = self.minibatches.per_epoch
        self.total = settings.total(self.steps_per_epoch)
        self.eval_every = settings.eval_every or self.steps_per_epoch
        self.lr = LinearWarmup(settings.lr, settings.lr_warmup)
        self.beta_schedule, self.schedules = settings.schedules(vae.beta_value if beta is None else beta)
        self.controller = None if settings.match_rate is None else RateController(settings.match_rate)
        self.optimizer = OPTIMIZERS[settings.optimizer](vae.parameters(), lr=settings.lr)  # type: ignore[call-arg]
        self.exchange = AllReduce() if ranks.size() > 1 else None
        self.taker: DirectSteps | ReplayedSteps
        self.take_eagerly()
        self.tally = Tally(self.device, layout)
        self.step = 0
        self.seconds = 0.0

    def advance(self) -> None:
        """Take one step.

        Raises:
            FloatingPointError: The loss is NaN or infinite; the parameters are still those before the step. Of a step
                that is replayed, it is the next look at the results that raises it.
        """
        start = perf_counter()
        self._apply_schedules()
        with ranks.sharing(self.batch_size):
            self.taker.take()
        self.step += 1
        self.seconds += perf_counter() - start

    def _apply_schedules(self) -> None:
        """Set learning rate, β and the objective's coefficients for the next step."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr(self.step + 1)
        if self.beta_schedule is not None:
            self.vae.beta.fill_(self.beta_schedule(self.step))
        if self.objective is not None and self.schedules:
            self.objective.set(**{name: schedule(self.step) for name, schedule in self.schedules.items()})

    def update_objective(self, *inputs: Tensor) -> None:
        """Bring the objective's own state up to date, if it has one, with what a step reported for it."""
        if self.objective is not None and self.objective.learns:
            self.objective.update(*inputs)

    @property
    def batch_size(self) -> int:
        """How many data the next step has, those of all ranks."""
        return self.minibatches.count(self.step)

    def next_batch(self) -> tuple[Tensor, ...]:
        """What `data_of` gives for the next step that this rank takes; no random numbers are used up."""
        with undisturbed(self.device):
            return self.data_of(self.minibatches.source(self.step))

    def data_of(self, source: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The data of what `Minibatches.source` gives, as steps take them: as they are stored, to become floats there.

        Where programs or likelihood prepare the data, by draws for example, they are what these make of them.
        """
        if self.takes_stored:
            return self.minibatches.stored_of(source)
        x, *others = self.minibatches.data_of(source)
        return (self.vae.prepare(x), *others)

    def take_eagerly(self) -> None:
        """Take all further steps as Pyro and torch take them."""
        how = (report_of(self.elbo), self.settings.weight_decay, self.exchange, self.names)
        self.taker = DirectSteps(self, EagerStep(self.vae, self.elbo, self.optimizer, *how))

    def gradient_step(self) -> GradientStep:
        """The step as a function of tensors."""
        return GradientStep(*self._programs(), report_of(self.elbo), self.settings.weight_decay, self.exchange)

    def compile(self, compiler: Compiler | None) -> CompiledStep:
        """Take all further steps as one graph each; ``compiler`` is that of `CompiledStep`."""
        compiled_step = CompiledStep(
            *self._programs(),
            report=report_of(self.elbo),
            weight_decay=self.settings.weight_decay,
            precision=self.settings.precision,
            compiler=compiler,
            exchange=self.exchange,
        )
        self.taker = DirectSteps(self, compiled_step)
        return compiled_step

    def _programs(self) -> tuple[Any, Any, PerImage, BetaVAE, torch.optim.Optimizer]:
        """What a `GradientStep` is made of; the programs turn stored data into floats, as a part of its graph."""

        def of_stored(program: Callable[..., Any]) -> Callable[..., Any]:
            return lambda x, *others: program(
                pixels(x, self.vae.beta.dtype), **dict(zip(self.names, others, strict=True))
            )

        model, guide = of_stored(self.vae.model), of_stored(self.vae.guide)

        return model, guide, PerImage(self.elbo), self.vae, self.optimizer

    def replay(self, compiled_step: CompiledStep) -> None:
        """Replay all further steps as CUDA graphs, if they can be recorded; a CPU calls the compiled steps instead."""
        data = self.next_batch()
        can_be = self.objective is None or self.objective.supports_cuda_graph
        with ranks.sharing(self.batch_size):
            if can_be and compiled_step.graph_for(data) is not None:
                _, (row, *_) = compiled_step.gradient_step.evaluate(data)
                self.taker = ReplayedSteps(self, compiled_step, row)

    def settle(self) -> None:
        """Wait for the device, and look at what the steps since the last look gave.

        Raises:
            FloatingPointError: The loss of one of them was NaN or infinite.
        """
        start = perf_counter()
        self.taker.settle()
        self.seconds += perf_counter() - start

    def means(self) -> dict[str, Any]:
        """Loss, distortion, rate and KL of each latent, nats an image, and speed, since the last line of history."""
        self.settle()
        return self.tally.means(self.seconds)

    def record(self) -> dict[str, Any]:
        """One line of the history: the training terms since the last line, and those of the held-out images now.

        Raises:
            FloatingPointError: A parameter or a held-out term is NaN or infinite.
        """
        self.settle()
        self.check_finite()
        check_replicas(self.vae, self.step)
        with ranks.together():
            held_out = mean_terms(self.vae, self.held_out)
        if not isfinite(held_out.elbo):
            what = f"distortion is {held_out.distortion} and rate {held_out.rate}"
            remedy = advice(self, self.dataset.held_out)
            raise FloatingPointError(f"on the held-out data {what} after step {self.step}; {remedy}")
        remark_on_rates(held_out.rates)
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
        for kind, of_sites in (("distortions", held_out.distortions), ("rates", held_out.rates)):
            if len(of_sites) > 1:
                record[f"held_out_{kind}"] = of_sites
        if self.objective is not None and self.objective.coefficients:
            record["coefficients"] = self.objective.coefficients
        if self.step % self.eval_every == 0:  # a last line off the grid leaves the interval open for a longer run
            self.tally.restart(self.seconds)
        return record

    def check_finite(self) -> None:
        """Make sure that the parameters are worth scoring and keeping.

        Raises:
            FloatingPointError: One is NaN or infinite.
        """
        for name, parameter in self.vae.named_parameters():
            if not parameter.isfinite().all():
                raise FloatingPointError(f"the parameter {name} is not finite after step {self.step}; {advice(self)}")

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds: plain data and tensors. Every rank has to ask for it.

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
            "rng": generators(self.device),
            "interval": self.tally.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint, before `compile` or `replay`.

        Raises:
            ValueError: It holds the parameters of another model.
        """
        self.step, self.seconds = state["step"], state["seconds"]
        self.vae.beta = state["beta"]
        try:
            self.vae.load_state_dict(state["model"])
        except RuntimeError as error:
            raise ValueError(f"the checkpoint does not fit the model: {str(error).splitlines()[-1].strip()}") from error
        if self.objective is not None:
            self.objective.load_state_dict(state["objective"])
        self.optimizer.load_state_dict(state["optimizer"])
        set_generators(state["rng"], self.device, seed=self.settings.seed + self.step)
        self.tally.load_state_dict(state["interval"])
