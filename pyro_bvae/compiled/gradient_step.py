"""A gradient step as a function of tensors alone, the same step that Pyro and `torch.optim` take between them.

    loss(data; w, buffers),    g = ∂loss/∂w,    w, state ← update(w, g, state; learning rate, number of the step)

Weights, optimiser state and buffers are changed in place, where the module and the optimiser keep them. A step whose
loss is not finite leaves weights and state as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from math import isfinite
from typing import Any, NamedTuple, Protocol

import torch
from pyro import poutine
from torch import Tensor, nn

from .places import Place, aliases, copy_of, differentiated, places, put
from .recording import undisturbed
from .store import strays
from .updates import decay, decay_weights, prepare_state, update_of

__all__ = ["Exchange", "GradientStep", "Objective", "Report", "UnrecordableError", "exchanged"]

Report = Callable[[Tensor, poutine.Trace, poutine.Trace], tuple[Tensor, ...]]


class Objective(Protocol):
    """What Pyro's ELBOs are."""

    def differentiable_loss(self, model: Callable[..., Any], guide: Callable[..., Any], *args: Any) -> Tensor:
        """The loss of a batch, a scalar."""


class Exchange(Protocol):
    """What processes that take a step together tell each other, between the gradients and the update."""

    @property
    def key(self) -> Hashable:
        """What the operations of a step depend on, besides its own data."""

    def __call__(
        self, loss: Tensor, gradients: Sequence[Tensor], report: tuple[Tensor, ...]
    ) -> tuple[Tensor, Sequence[Tensor], tuple[Tensor, ...]]:
        """Loss, gradients and report of all processes, from those of this one; part of the graph."""


class UnrecordableError(ValueError):
    """A graph of the step would not do what the step does."""


class Inputs(NamedTuple):
    """All that a step reads, and what it changes in place: weights and the optimiser's state.

    Attributes:
        weights: The parameters that have gradients.
        slots: The optimiser's state of each, in the order of its ``update.slots``.
        fixed: All other parameters, and the buffers.
        lr: Learning rate, 0-d, float64.
        number: Of the step, from 1, 0-d, float64.
        data: The arguments of model and guide.
    """

    weights: list[Tensor]
    slots: list[tuple[Tensor, ...]]
    fixed: list[Tensor]
    lr: Tensor
    number: Tensor
    data: tuple[Tensor, ...]

    def leaves(self) -> list[Tensor]:
        """What pytree's `tree_leaves` gives, in a tenth of the time."""
        slots = [tensor for of_one in self.slots for tensor in of_one]
        return [*self.weights, *slots, *self.fixed, self.lr, self.number, *self.data]


class GradientStep:
    """One step of an optimiser on the loss of a model and a guide.

    Args:
        model: A Pyro program.
        guide: Its guide.
        elbo: What is minimised.
        module: Holds all parameters and buffers that the programs use.
        optimizer: One of `updates` on its parameters.
        report: Maps loss and the traces of model and guide to tensors.
        weight_decay: λ, at least 0, of `updates.decay_weights`.
        exchange: With other processes, if there are any.

    Attributes:
        fixed: The places of the buffers and of the parameters that are not trained, which are read anew at each step.
            Known after `prepare`.

    Raises:
        ValueError: The optimiser is none of `updates`.
    """

    fixed: list[Place]

    def __init__(
        self,
        model: Callable[..., Any],
        guide: Callable[..., Any],
        elbo: Objective,
        module: nn.Module,
        optimizer: torch.optim.Optimizer,
        report: Report | None,
        weight_decay: float = 0.0,
        exchange: Exchange | None = None,
    ) -> None:
        self.weight_decay, self.exchange = weight_decay, exchange
        self.programs = _Programs(model, guide, elbo, module, report)
        self.module = module
        self._modules = list(module.modules())
        self.optimizer = optimizer
        self.update = update_of(optimizer)
        self.device = optimizer.param_groups[0]["params"][0].device
        self._lr, self._number = (torch.zeros((), dtype=torch.float64, device=self.device) for _ in range(2))
        self._last_lr: float | Tensor = 0.0

    def prepare(self, data: Sequence[Tensor]) -> None:
        """Find out which parameters have gradients, and create the optimiser's state as its first step would.

        Raises:
            ValueError: The programs use a ``pyro.param`` that is no parameter of the module.
            UnrecordableError: The programs keep parameters where a graph does not reach them, parameters share memory,
                or some have taken fewer steps than others.
        """
        loss, _, leaves = self._loss(data)
        known = {id(place.tensor): place.name for place in self._places()}
        for variable in differentiated(loss):
            if id(variable) in known:
                raise UnrecordableError(_kept_elsewhere(known[id(variable)]))
        gradients = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
        trained = {name for name, gradient in zip(leaves, gradients, strict=True) if gradient is not None}
        self._trained = [place for place in self._places() if place.name in trained]
        self.fixed = [place for place in self._places() if place.name not in trained]
        shared = aliases(self._trained, self.fixed)
        if shared is not None:
            raise UnrecordableError(f"{shared[0]} and {shared[1]} share memory")
        self._weights = [place.tensor for place in self._trained]
        prepare_state(self.optimizer, self._weights)
        if len({self.optimizer.state[weight]["step"].item() for weight in self._weights if self.update.corrects}) > 1:
            raise UnrecordableError("some parameters were frozen at times, and have taken fewer steps than others")

    @property
    def key(self) -> Hashable:
        """What the exchange of a step depends on; None without one."""
        return None if self.exchange is None else self.exchange.key

    def structure(self) -> tuple[bool, ...]:
        """What decides on the operations of a step besides its data: what is trained, and the mode of each module."""
        parameters = self.optimizer.param_groups[0]["params"]
        return (*[each.requires_grad for each in parameters], *[each.training for each in self._modules])

    def check_constants(self, constants: Sequence[Tensor]) -> None:
        """Make sure that what a graph took for constants are none of the parameters and buffers.

        Raises:
            UnrecordableError: One is.
        """
        known = {place.tensor.untyped_storage().data_ptr(): place.name for place in self._places()}
        for constant in constants:
            if constant.numel() and constant.untyped_storage().data_ptr() in known:
                raise UnrecordableError(_kept_elsewhere(known[constant.untyped_storage().data_ptr()]))

    def evaluate(self, data: Sequence[Tensor]) -> tuple[dict[str, Tensor | None], tuple[Tensor, ...]]:
        """The gradients of the optimiser's parameters, and the report; nothing is changed.

        Raises:
            ValueError: The programs use a ``pyro.param`` that is no parameter of the module.
        """
        loss, report, leaves = self._loss(data)
        of_leaves = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
        gradients: dict[str, Tensor | None] = dict(zip(leaves, of_leaves, strict=True))
        if self.exchange is not None:
            there = {name: gradient for name, gradient in gradients.items() if gradient is not None}
            _, summed, report = self.exchange(loss.detach(), [*there.values()], report)
            gradients |= dict(zip(there, summed, strict=True))
        return gradients, report

    def _loss(self, data: Sequence[Tensor]) -> tuple[Tensor, tuple[Tensor, ...], dict[str, Tensor]]:
        """Loss and report on copies of all parameters and buffers, and the copies of those that may be trained."""
        where = self._places()
        group = {id(parameter) for parameter in self.optimizer.param_groups[0]["params"]}
        trained = [place for place in where if id(place.tensor) in group and place.tensor.requires_grad]
        copies = {place.name: copy_of(place.tensor) for place in where}
        leaves = {place.name: copies[place.name].requires_grad_() for place in trained}
        with undisturbed(self.device), torch.enable_grad(), put(where, list(copies.values())):
            loss, report = self.programs(*data)
            for name in strays(self.programs):
                raise ValueError(f"pyro.param({name!r}) is no parameter of the module: make it an nn.Parameter of it")
        return loss, report, leaves

    def begin(self) -> None:
        """Count a step and read the learning rate, as an optimiser does when it takes one."""
        if self.update.counts:
            steps = [self.optimizer.state[weight]["step"] for weight in self._weights]
            torch._foreach_add_(steps, 1)
            if self.update.corrects:
                self._number.fill_(steps[0].item())
        lr = self.optimizer.param_groups[0]["lr"]
        if isinstance(lr, Tensor) or lr != self._last_lr:  # each launch on a GPU counts
            self._lr.fill_(lr)
            self._last_lr = lr

    def inputs(self, data: Sequence[Tensor]) -> Inputs:
        """What `function` is to be called with for a step on some data, after `begin`."""
        states = [self.optimizer.state[weight] for weight in self._weights]
        return Inputs(
            weights=self._weights,
            slots=[tuple(state[slot] for slot in self.update.slots) for state in states],
            fixed=[place.tensor.detach() for place in self.fixed],
            lr=self._lr,
            number=self._number,
            data=tuple(data),
        )

    def function(self, inputs: Inputs) -> tuple[Tensor, ...]:
        """The step as a function of tensors, which gives the loss and the report."""
        leaves = [weight.detach().requires_grad_() for weight in inputs.weights]
        with torch.enable_grad(), put([*self._trained, *self.fixed], [*leaves, *inputs.fixed]):
            loss, report = self.programs(*inputs.data)
            gradients: Sequence[Tensor] = torch.autograd.grad(loss, leaves)
            self._keep_assigned(inputs.fixed)
        if self.exchange is not None:
            loss, gradients, report = self.exchange(loss.detach(), gradients, report)
        options, is_finite = self.optimizer.param_groups[0], loss.detach().isfinite()
        with torch.no_grad():
            for weight, gradient, slots in zip(inputs.weights, gradients, inputs.slots, strict=True):
                decayed = decay(weight, inputs.lr, self.weight_decay)
                new = self.update.rule(decayed, gradient, slots, inputs.lr, inputs.number, options)
                for old, value in zip((weight, *slots), (new[0], *new[1]), strict=True):
                    old.copy_(torch.where(is_finite, value, old))
        return loss.detach(), *(tensor.detach() for tensor in report)

    def take(self, data: Sequence[Tensor]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The same step as Pyro and the optimiser take it, with the current parameter store."""
        self.optimizer.zero_grad()
        loss, report = self.programs(*data)
        loss.backward()
        loss, report = exchanged(self.exchange, loss.detach(), self.optimizer.param_groups[0]["params"], report)
        if isfinite(loss.item()):
            decay_weights(self.optimizer, self.weight_decay)
            self.optimizer.step()
        return loss, tuple(tensor.detach() for tensor in report)

    def _keep_assigned(self, before: Sequence[Tensor]) -> None:
        """Write what the programs have assigned to a buffer into the tensor that it had before."""
        for place, old in zip(self.fixed, before, strict=True):
            new = place.tensor
            if new is old:
                continue
            if (new.shape, new.dtype) != (old.shape, old.dtype):
                raise UnrecordableError(f"the programs replace {place.name} by a tensor of another shape or type")
            old.copy_(new.detach())

    def _places(self) -> list[Place]:
        return places(self.programs)


@torch.no_grad()
def exchanged(
    exchange: Exchange | None, loss: Tensor, parameters: Iterable[Tensor], report: tuple[Tensor, ...]
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Loss and report of all processes; the gradients that parameters have give way to those of all."""
    if exchange is None:
        return loss, report
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    loss, of_all, report = exchange(loss, gradients, report)
    for mine, theirs in zip(gradients, of_all, strict=True):
        mine.copy_(theirs)
    return loss, report


class _Programs(nn.Module):
    """Model, guide and ELBO as one module, whose parameters and buffers can be put in by name."""

    def __init__(self, model: Any, guide: Any, elbo: Objective, module: nn.Module, report: Report | None) -> None:
        super().__init__()
        self.module = module
        self.programs = (model, guide)  # in a tuple: programs that are modules are not to be registered twice
        self.elbo, self.report = elbo, report

    def forward(self, *data: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Loss and report of a batch."""
        model, guide = self.programs
        if self.report is None:
            return self.elbo.differentiable_loss(model, guide, *data), ()
        model, guide = poutine.trace(model), poutine.trace(guide)
        loss = self.elbo.differentiable_loss(model, guide, *data)
        with torch.no_grad():
            return loss, self.report(loss.detach(), model.trace, guide.trace)


def _kept_elsewhere(name: str) -> str:
    return f"the programs keep {name} in a place of their own too, like a list; take it from its module"
