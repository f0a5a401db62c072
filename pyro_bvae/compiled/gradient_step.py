"""A gradient step as a function of tensors alone, the same step that Pyro and `torch.optim` take between them.

    loss(data; w, buffers),    g = ∂loss/∂w,    w, state ← update(w, g, state; learning rate, number of the step)

Weights, optimiser state and buffers are changed in place, where the module and the optimiser keep them. A step whose
loss is not finite leaves weights and state as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import isfinite
from typing import Any, NamedTuple, Protocol

import pyro
import torch
from pyro import poutine
from torch import Tensor, nn
from torch.func import functional_call

from .recording import undisturbed
from .updates import decay, decay_weights, prepare_state, update_of

__all__ = ["GradientStep", "Objective", "Report"]

Report = Callable[[Tensor, poutine.Trace, poutine.Trace], tuple[Tensor, ...]]


class Objective(Protocol):
    """What Pyro's ELBOs are."""

    def differentiable_loss(self, model: Callable[..., Any], guide: Callable[..., Any], *args: Any) -> Tensor:
        """The loss of a batch, a scalar."""


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

    Attributes:
        homes: For each buffer and each parameter that is not trained, the dictionary that holds it and its name there,
            so that it can be read anew at each step. Known after `prepare`.

    Raises:
        ValueError: The optimiser is none of `updates`.
    """

    def __init__(
        self,
        model: Callable[..., Any],
        guide: Callable[..., Any],
        elbo: Objective,
        module: nn.Module,
        optimizer: torch.optim.Optimizer,
        report: Report | None,
        weight_decay: float = 0.0,
    ) -> None:
        self.weight_decay = weight_decay
        self.programs = _Programs(model, guide, elbo, module, report)
        self.module = module
        self.optimizer = optimizer
        self.update = update_of(optimizer)
        self.device = optimizer.param_groups[0]["params"][0].device
        self._lr, self._number = (torch.zeros((), dtype=torch.float64, device=self.device) for _ in range(2))

    def prepare(self, data: Sequence[Tensor]) -> None:
        """Find out which parameters have gradients, and create the optimiser's state as its first step would.

        Raises:
            ValueError: The programs use a ``pyro.param`` that is no parameter of the module.
        """
        gradients, _ = self.evaluate(data)
        places = self._places()
        self._trained = [name for name, gradient in gradients.items() if gradient is not None]
        self._weights = [places[name] for name in self._trained]
        self._fixed = [name for name in places if name not in self._trained]
        self.homes = [_home(self.programs, name) for name in self._fixed]
        prepare_state(self.optimizer, self._weights)

    def evaluate(self, data: Sequence[Tensor]) -> tuple[dict[str, Tensor | None], tuple[Tensor, ...]]:
        """The gradients of the optimiser's parameters, and the report; nothing is changed.

        Raises:
            ValueError: The programs use a ``pyro.param`` that is no parameter of the module.
        """
        places = self._places()
        group = {id(parameter) for parameter in self.optimizer.param_groups[0]["params"]}
        trained = [name for name, tensor in places.items() if id(tensor) in group and tensor.requires_grad]
        copies = {name: tensor.detach().clone() for name, tensor in places.items()}
        leaves = [copies[name].requires_grad_() for name in trained]
        with undisturbed(self.device), torch.enable_grad():
            loss, report = functional_call(self.programs, copies, tuple(data))
            _check_store(copies.values())
            gradients = torch.autograd.grad(loss, leaves, allow_unused=True)
        return dict(zip(trained, gradients, strict=True)), report

    def begin(self) -> None:
        """Count a step and read the learning rate, as an optimiser does when it takes one."""
        if self.update.counts:
            steps = [self.optimizer.state[weight]["step"] for weight in self._weights]
            torch._foreach_add_(steps, 1)
            self._number.fill_(steps[0].item())
        self._lr.fill_(self.optimizer.param_groups[0]["lr"])

    def inputs(self, data: Sequence[Tensor]) -> Inputs:
        """What `function` is to be called with for a step on some data, after `begin`."""
        states = [self.optimizer.state[weight] for weight in self._weights]
        return Inputs(
            weights=[weight.detach() for weight in self._weights],
            slots=[tuple(state[slot] for slot in self.update.slots) for state in states],
            fixed=[home[name].detach() for home, name in self.homes],
            lr=self._lr,
            number=self._number,
            data=tuple(data),
        )

    def function(self, inputs: Inputs) -> tuple[Tensor, ...]:
        """The step as a function of tensors, which gives the loss and the report."""
        leaves = [weight.detach().requires_grad_() for weight in inputs.weights]
        names = dict(zip((*self._trained, *self._fixed), (*leaves, *inputs.fixed), strict=True))
        with torch.enable_grad():
            loss, report = functional_call(self.programs, names, inputs.data)
            gradients = torch.autograd.grad(loss, leaves)
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
        if isfinite(loss.item()):
            decay_weights(self.optimizer, self.weight_decay)
            self.optimizer.step()
        return loss.detach(), tuple(tensor.detach() for tensor in report)

    def _places(self) -> dict[str, Tensor]:
        return {**dict(self.programs.named_parameters()), **dict(self.programs.named_buffers())}


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


def _home(module: nn.Module, name: str) -> tuple[dict[str, Any], str]:
    """The dictionary in which a module keeps a parameter or buffer, and its name there."""
    path, _, leaf = name.rpartition(".")
    owner = module.get_submodule(path)
    return (owner._parameters if leaf in owner._parameters else owner._buffers), leaf


def _check_store(known: Iterable[Tensor]) -> None:
    held = {id(tensor) for tensor in known}
    for name, parameter in pyro.get_param_store().named_parameters():
        if id(parameter) not in held:
            raise ValueError(f"pyro.param({name!r}) is no parameter of the module: make it an nn.Parameter of it")
