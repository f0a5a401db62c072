"""The updates of four optimisers as functions of tensors, to be part of a compiled step.

With gradient g of a parameter w, learning rate η and step t:

    rmsprop   s ← α s + (1 − α) g²                                     w ← w − η g / (√s + ε)
    adam      m ← b₁ m + (1 − b₁) g,  s ← b₂ s + (1 − b₂) g²           w ← w − η/(1 − b₁ᵗ) m / (√(s/(1 − b₂ᵗ)) + ε)
    adagrad   s ← s + g²                                               w ← w − η g / (√s + ε)
    sgd                                                                w ← w − η g

Where weight decay λ is asked for, w ← (1 − η λ) w comes before, decoupled from the gradient as in AdamW.

They compute what `torch.optim` computes, in its order, with its defaults, and keep their state in an optimiser of
`torch.optim`: its ``state_dict`` is that of an ordinary one, whichever way a step was taken. Learning rate and step are
tensors, so that neither is a constant of a graph.

Source: `torch.optim`, whose single-tensor implementations they repeat, https://docs.pytorch.org/docs/stable/optim.html;
Loshchilov and Hutter, Decoupled weight decay regularization, https://arxiv.org/abs/1711.05101
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

__all__ = ["UPDATES", "Update", "decay", "decay_weights", "prepare_state", "update_of"]

Slots = tuple[Tensor, ...]
Rule = Callable[[Tensor, Tensor, Slots, Tensor, Tensor, Mapping[str, Any]], tuple[Tensor, Slots]]


@dataclass(frozen=True)
class Update:
    """One optimiser's rule.

    Attributes:
        slots: The names under which `torch.optim` keeps the state of a parameter, besides ``step``.
        counts: Whether `torch.optim` keeps ``step``.
        rule: Maps parameter, gradient, slots, learning rate, step (both 0-d, float64, the step counted from 1) and the
            optimiser's options to the new parameter and slots.
        corrects: Whether the rule depends on the step.
    """

    slots: tuple[str, ...]
    counts: bool
    rule: Rule
    corrects: bool = False


def rmsprop(w: Tensor, g: Tensor, slots: Slots, lr: Tensor, step: Tensor, options: Mapping[str, Any]) -> Any:  # noqa: ARG001
    """The step of `torch.optim.RMSprop`."""
    (square,) = slots
    square = (square * options["alpha"]).addcmul(g, g, value=1 - options["alpha"])
    return w + _times(g, -lr) / (square.sqrt() + options["eps"]), (square,)


def adam(w: Tensor, g: Tensor, slots: Slots, lr: Tensor, step: Tensor, options: Mapping[str, Any]) -> Any:
    """The step of `torch.optim.Adam`."""
    mean, square = slots
    first, second = options["betas"]
    mean = mean.lerp(g, 1 - first)
    square = (square * second).addcmul(g, g, value=1 - second)
    spread = square.sqrt() / (1 - second**step).sqrt().to(w.dtype) + options["eps"]
    return w + _times(mean, -lr / (1 - first**step)) / spread, (mean, square)


def adagrad(w: Tensor, g: Tensor, slots: Slots, lr: Tensor, step: Tensor, options: Mapping[str, Any]) -> Any:  # noqa: ARG001
    """The step of `torch.optim.Adagrad`."""
    (total,) = slots
    total = total.addcmul(g, g, value=1)
    return w + _times(g, -lr) / (total.sqrt() + options["eps"]), (total,)


def sgd(w: Tensor, g: Tensor, slots: Slots, lr: Tensor, step: Tensor, options: Mapping[str, Any]) -> Any:  # noqa: ARG001
    """The step of `torch.optim.SGD`."""
    return w + _times(g, -lr), slots


UPDATES: dict[type[torch.optim.Optimizer], Update] = {
    torch.optim.RMSprop: Update(("square_avg",), True, rmsprop),
    torch.optim.Adam: Update(("exp_avg", "exp_avg_sq"), True, adam, corrects=True),
    torch.optim.Adagrad: Update(("sum",), True, adagrad),
    torch.optim.SGD: Update((), False, sgd),
}
# options that the rules do not know, and the value each must have
PLAIN = {"weight_decay": 0, "momentum": 0, "lr_decay": 0, "centered": False, "amsgrad": False, "maximize": False}


def update_of(optimizer: torch.optim.Optimizer) -> Update:
    """The rule that repeats an optimiser.

    Raises:
        ValueError: There is none: another class, several groups of parameters, or an option beyond learning rate and
            decay of the averages.
    """
    name = type(optimizer).__name__
    if type(optimizer) not in UPDATES:
        known = ", ".join(kind.__name__ for kind in UPDATES)
        raise ValueError(f"no update is known for {name}; there are {known}")
    if len(optimizer.param_groups) != 1:
        raise ValueError(f"the parameters must be one group, got {len(optimizer.param_groups)}")
    for option, value in PLAIN.items():
        if optimizer.param_groups[0].get(option, value) != value:
            raise ValueError(f"{name} with {option}={optimizer.param_groups[0][option]} is not known, only {value}")
    return UPDATES[type(optimizer)]


def prepare_state(optimizer: torch.optim.Optimizer, parameters: Sequence[Tensor]) -> None:
    """Give an optimiser the state that its own first step would make: zeros, where there is none yet.

    Args:
        optimizer: One that `update_of` knows.
        parameters: Those of its parameters that have gradients.
    """
    update = update_of(optimizer)
    for parameter in parameters if update.counts else ():
        state = optimizer.state[parameter]
        state.setdefault("step", torch.tensor(0.0))
        for slot in update.slots:
            if slot not in state:
                state[slot] = torch.zeros_like(parameter, memory_format=torch.preserve_format)


def decay(w: Tensor, lr: Tensor, weight_decay: float) -> Tensor:
    """(1 − η λ) w, for a learning rate η that is a tensor."""
    return _times(w, 1 - lr * weight_decay) if weight_decay else w


@torch.no_grad()
def decay_weights(optimizer: torch.optim.Optimizer, weight_decay: float) -> None:
    """W ← (1 − η λ) w, in place, for each parameter of an optimiser that has a gradient.

    Args:
        optimizer: Before its step; its learning rate is η.
        weight_decay: λ, at least 0.
    """
    for group in optimizer.param_groups if weight_decay else ():
        weights = [weight for weight in group["params"] if weight.grad is not None]
        torch._foreach_mul_(weights, 1 - group["lr"] * weight_decay)


def _times(tensor: Tensor, factor: Tensor) -> Tensor:
    """A product with a 0-d factor, which is rounded first, as that of a Python number is."""
    return tensor * factor.to(tensor.dtype)
