"""Each update equals the optimiser of torch whose rule it repeats."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pyro_bvae.compiled.updates import UPDATES, decay, decay_weights, prepare_state, update_of
from pyro_bvae.training.state import OPTIMIZERS

RATES = [1e-3, 3e-2, 0.1, 7e-4, 1e-3]


def problem() -> tuple[list[Tensor], list[list[Tensor]]]:
    """Parameters of several shapes, and their gradients at each step."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(400, 7), (33,), ()]
    parameters = [torch.randn(shape, generator=generator).requires_grad_() for shape in shapes]
    return parameters, [[torch.randn(shape, generator=generator) for shape in shapes] for _ in RATES]


def take(optimizer: torch.optim.Optimizer, parameters: list[Tensor], gradients: list[Tensor], lr: float) -> None:
    """A step by the functions, in place of the optimiser's own."""
    update, options = update_of(optimizer), optimizer.param_groups[0]
    prepare_state(optimizer, parameters)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        state = optimizer.state[parameter] if update.counts else {}
        if update.counts:
            state["step"] += 1
        step = state["step"].double() if update.counts else torch.tensor(1.0).double()
        slots = tuple(state[name] for name in update.slots)
        new, slots = update.rule(
            parameter.detach(), gradient, slots, torch.tensor(lr, dtype=torch.float64), step, options
        )
        parameter.data = new
        state.update(zip(update.slots, slots, strict=True))


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_updates_equal_those_of_torch(name: str) -> None:
    (ours, gradients), (theirs, _) = problem(), problem()
    mine, reference = OPTIMIZERS[name](ours, lr=1.0), OPTIMIZERS[name](theirs, lr=1.0)
    for lr, row in zip(RATES, gradients, strict=True):
        take(mine, ours, row, lr)
        reference.param_groups[0]["lr"] = lr
        for parameter, gradient in zip(theirs, row, strict=True):
            parameter.grad = gradient
        reference.step()
    tolerance = (
        {"rtol": 1e-6, "atol": 1e-7} if name == "sgd" else {"rtol": 0, "atol": 0}
    )  # torch fuses sgd's two roundings
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, **tolerance)
    one, other = mine.state_dict()["state"], reference.state_dict()["state"]
    assert one.keys() == other.keys()
    for key in one:
        assert one[key].keys() == other[key].keys()
        assert all(torch.equal(one[key][slot], other[key][slot]) for slot in one[key] if one[key][slot] is not None)


def test_every_optimizer_of_fit_has_an_update() -> None:
    assert set(OPTIMIZERS.values()) == set(UPDATES)


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        (lambda w: torch.optim.AdamW([w]), "no update is known for AdamW"),
        (lambda w: torch.optim.SGD([w], lr=1.0, momentum=0.9), "SGD with momentum=0.9 is not known"),
        (lambda w: torch.optim.Adam([{"params": [w]}, {"params": [torch.zeros(1)]}]), "one group, got 2"),
    ],
)
def test_other_optimizers_are_refused(optimizer: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        update_of(optimizer(torch.zeros(1, requires_grad=True)))


LAMBDA = 0.3
REFERENCES = {"adam": torch.optim.AdamW, "sgd": torch.optim.SGD}  # which know weight decay of this kind, one by chance


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_decayed_updates_equal_those_of_torch(name: str) -> None:
    """AdamW, SGD without momentum, and for the others the formula and then torch's own undecayed step."""
    (ours, gradients), (eager, _), (theirs, _) = problem(), problem(), problem()
    mine, plain = OPTIMIZERS[name](ours, lr=1.0), OPTIMIZERS[name](eager, lr=1.0)
    knows = {"weight_decay": LAMBDA} if name in REFERENCES else {}
    reference = REFERENCES.get(name, OPTIMIZERS[name])(theirs, lr=1.0, **knows)
    for lr, row in zip(RATES, gradients, strict=True):
        for parameter in ours:
            parameter.data = decay(parameter.detach(), torch.tensor(lr, dtype=torch.float64), LAMBDA)
        take(mine, ours, row, lr)
        for parameters, optimizer in ((eager, plain), (theirs, reference)):
            optimizer.param_groups[0]["lr"] = lr
            for parameter, gradient in zip(parameters, row, strict=True):
                parameter.grad = gradient.clone()
        decay_weights(plain, LAMBDA)
        plain.step()
        for parameter in theirs if not knows else ():
            parameter.data *= 1 - lr * LAMBDA
        reference.step()
    for one, two, three in zip(ours, eager, theirs, strict=True):
        torch.testing.assert_close(one, three, rtol=1e-6, atol=1e-7)
        torch.testing.assert_close(two, three, rtol=1e-6, atol=1e-7)


def test_what_has_no_gradient_does_not_decay() -> None:
    idle, used = torch.ones(3).requires_grad_(), torch.ones(3).requires_grad_()
    used.grad = torch.zeros(3)
    decay_weights(torch.optim.Adam([idle, used], lr=0.1), 1.0)
    assert (idle.tolist(), used.tolist()) == ([1.0] * 3, pytest.approx([0.9] * 3))
