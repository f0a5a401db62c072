"""How steps are taken: eagerly, compiled, or replayed on a GPU.

Each step takes a batch x of B images and moves the parameters of model and guide along the gradient of

    loss = (1/B) Σ_x [−E_q(z|x) log p(x | z) + β KL(q(z | x) ‖ p(z))],

in nats an image: the programs sum over images as Pyro does, and a step divides by the batch. `EagerStep` is that step
as one reads it; a `CompiledStep` computes the same. `DirectSteps` looks at the loss of every step; `ReplayedSteps`
leaves all results on the device until somebody asks. Where several ranks take a step together, `AllReduce` makes one
loss and one gradient of theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

import torch
from pyro import poutine
from pyro.infer import ELBO
from torch import Tensor

from .. import ranks
from ..compiled.cuda_graph import ReplayedStep
from ..compiled.gradient_step import Exchange, Report, exchanged
from ..compiled.step import CompiledStep
from ..compiled.updates import decay_weights
from ..datasets import pixels
from ..model import BetaVAE
from ..objectives import PerImage, Regularised, read, whole
from ..terms import Layout, row_of_traces
from .faults import what_is_not_finite

if TYPE_CHECKING:
    from .state import Training

__all__ = ["AllReduce", "DirectSteps", "EagerStep", "ReplayedSteps", "Tally", "report_of"]


class EagerStep:
    """One step of stochastic variational inference, as Pyro and `torch.optim` take it.

    Args:
        vae: Model and guide.
        elbo: What is minimised, a sum over the batch.
        optimizer: Of the parameters of both.
        report: Reads loss and traces.
        weight_decay: λ of `decay_weights`.
        exchange: With the other ranks, if there are any.
        names: Of what the programs take beside x.
    """

    def __init__(
        self,
        vae: BetaVAE,
        elbo: ELBO,
        optimizer: torch.optim.Optimizer,
        report: Report,
        weight_decay: float = 0.0,
        exchange: Exchange | None = None,
        names: Sequence[str] = (),
    ) -> None:
        self.vae, self.elbo, self.optimizer, self.report = vae, PerImage(elbo), optimizer, report
        self.weight_decay, self.exchange, self.names = weight_decay, exchange, names

    def __call__(self, x: Tensor, *others: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Take one step on data ``(B, *shape)``, floats or as stored; a loss that is not finite changes nothing.

        Args:
            x: The data.
            others: What else the programs take, in the order of their names.

        Returns:
            The loss in nats an image, and the report.
        """
        x, given = pixels(x, self.vae.beta.dtype), dict(zip(self.names, others, strict=True))
        self.optimizer.zero_grad()
        model, guide = poutine.trace(self.vae.model), poutine.trace(self.vae.guide)
        loss = self.elbo.differentiable_loss(model, guide, x, **given)
        loss.backward()
        with torch.no_grad():
            report = self.report(loss.detach(), model.trace, guide.trace)
        loss, report = exchanged(self.exchange, loss.detach(), self.vae.parameters(), report)
        if isfinite(loss.item()):
            decay_weights(self.optimizer, self.weight_decay)
            self.optimizer.step()
        return loss, report


def report_of(elbo: ELBO) -> Report:
    """The report of a step: its row of terms, and what the objective's update wants of it."""
    learning = elbo if isinstance(elbo, Regularised) and elbo.learns else None

    def report(loss: Tensor, model: poutine.Trace, guide: poutine.Trace) -> tuple[Tensor, ...]:
        inputs = () if learning is None else learning.update_inputs(whole(read(model, guide)))
        return (row_of_traces(loss, model, guide), *(tensor.detach() for tensor in inputs))

    return report


class AllReduce:
    """The exchange of ranks: one all-reduce of all gradients, the loss and the row of terms; see `ranks.sharing`.

    What an objective's update wants is of the whole batch already. Outside of a step, nothing is exchanged.
    """

    @property
    def key(self) -> int | None:
        """Data of the whole batch."""
        share = ranks.the_share()
        return None if share is None else share.total

    def __call__(
        self, loss: Tensor, gradients: Sequence[Tensor], report: tuple[Tensor, ...]
    ) -> tuple[Tensor, Sequence[Tensor], tuple[Tensor, ...]]:
        """Loss, gradients and report of the whole batch."""
        share = ranks.the_share()
        if share is None:
            return loss, gradients, report
        row, *update_inputs = report
        own_row = row.to(loss.dtype) * (share.own > 0)
        *sums, sum_of_losses, total = ranks.add_up([*gradients, loss, own_row])
        loss = sum_of_losses / share.size
        total = torch.cat([(loss * share.total)[None], total[1:]]).to(row.dtype)
        return loss, [gradient / share.size for gradient in sums], (total, *update_inputs)


class Tally:
    """Sums over the data of the steps since the last line of the history.

    Attributes:
        layout: The names of a row's numbers.
        sums: Of the rows of steps, see `terms.row_of_traces`.
        count: Data they are of.
        since: Seconds of training at the last line.
    """

    def __init__(self, device: torch.device, layout: Layout | None = None) -> None:
        self.layout = layout or Layout()
        self.sums = torch.zeros(3, device=device)
        self.count, self.since = 0, 0.0

    def add(self, row: Tensor, size: int) -> None:
        """Add the row of a step on ``size`` data."""
        self.sums = row if self.count == 0 else self.sums + row
        self.count += size

    def restart(self, seconds: float) -> None:
        """Begin anew, after so many seconds of training."""
        self.sums.zero_()  # in place: a replayed step adds to this tensor
        self.count, self.since = 0, seconds

    def means(self, seconds: float) -> dict[str, Any]:
        """Loss, distortion, rate and KL of each latent, nats an image, and speed, after so many seconds of training."""
        loss, distortion, rate, *others = (self.sums / max(self.count, 1)).tolist()
        by_site, kl = self.layout.parts(others)
        return {
            "loss": loss,
            "distortion": distortion,
            "rate": rate,
            "kl_per_latent": kl or None,
            **by_site,
            "seconds": seconds,
            "images_per_second": self.count / max(seconds - self.since, 1e-9),
        }

    def state_dict(self) -> dict[str, Any]:
        """Plain data and a tensor."""
        return {"sums": self.sums, "count": self.count, "since": self.since}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self.sums = state["sums"].to(self.sums.device)
        self.count, self.since = state["count"], state["since"]


class DirectSteps:
    """Takes steps whose loss is looked at before the next one.

    Args:
        training: What a step changes.
        gradient_step: Maps data to loss and report: an `EagerStep` or a `CompiledStep`.
    """

    def __init__(self, training: Training, gradient_step: Callable[..., tuple[Tensor, tuple[Tensor, ...]]]) -> None:
        self.training, self.gradient_step = training, gradient_step

    def take(self) -> None:
        """Take one step.

        Raises:
            FloatingPointError: The loss is NaN or infinite; the parameters are still those before the step.
        """
        training = self.training
        data, size = training.data_of(training.minibatches.source(training.step)), training.batch_size
        loss, (row, *update_inputs) = self.gradient_step(*data)
        if not isfinite(loss.item()):
            raise FloatingPointError(what_is_not_finite(training, training.step + 1, *(row[:3] / size).tolist()))
        training.tally.add(row, size)
        if training.controller is not None:
            training.vae.beta = training.controller(training.vae.beta_value, row[2].item() / size)
        training.update_objective(*update_inputs)

    def settle(self) -> None:
        """There is nothing to wait for."""


class ReplayedSteps:
    """Takes steps as CUDA graphs, whose results stay on the device; on the CPU the same loop calls the steps.

    Args:
        training: What a step changes.
        compiled_step: One that can be recorded.
        row: A row of `terms.row_of_traces` as steps give it.
    """

    def __init__(self, training: Training, compiled_step: CompiledStep, row: Tensor) -> None:
        self.training, tally = training, training.tally
        tally.sums = tally.sums.clone() if tally.count else torch.zeros_like(row)
        self.number = torch.full_like(tally.sums[0], training.step)
        self.first_bad = torch.zeros_like(tally.sums[0]).repeat(4)  # number, loss, distortion and rate of that step
        kept = [tally.sums, self.number, self.first_bad]
        self.replayed_step = ReplayedStep(compiled_step, self._data, self._keep, kept)

    def take(self) -> None:
        """Take one step, without waiting for it."""
        source = self.training.minibatches.source(self.training.step)
        self.replayed_step(*source)
        self.training.tally.count += self.training.batch_size

    def _data(self, *source: Tensor) -> tuple[Tensor, ...]:
        return self.training.data_of(source)

    def _keep(self, loss: Tensor, report: tuple[Tensor, ...], _: int) -> None:
        """Keep what is wanted of a step on the device; part of the graph."""
        training, (row, *update_inputs), size = self.training, report, self.training.batch_size
        self.number += 1
        training.tally.sums += row
        this = torch.stack([self.number, *(row[:3] / size)])
        is_fine = loss.isfinite() | (self.first_bad[0] > 0)
        self.first_bad.copy_(torch.where(is_fine, self.first_bad, this))
        if training.controller is not None:
            training.vae.beta.copy_(training.controller.on_device(training.vae.beta, row[2] / size))
        training.update_objective(*update_inputs)

    def settle(self) -> None:
        """Wait for the device, and look at what the steps since the last look gave.

        Raises:
            FloatingPointError: The loss of one of them was NaN or infinite.
        """
        number, *means = self.first_bad.tolist()
        if number:
            raise FloatingPointError(what_is_not_finite(self.training, int(number), *means))
