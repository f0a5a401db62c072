"""The networks layer by layer: what each does, the shape that leaves it, and how many parameters it has."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..model import BetaVAE
from ..settings.words import plain

__all__ = ["Layer", "count", "inputs_of", "layers", "shape_of"]

MOST_CHARACTERS = 80  # of what a layer of one's own says of itself


@dataclass(frozen=True)
class Layer:
    """One layer of a network.

    Attributes:
        name: Where it is in its network, like ``layers.0``.
        does: What it does, in words.
        shape: What leaves it for one datum, like "32×4×4"; "" where that is not known.
        parameters: How many numbers are trained in it.
    """

    name: str
    does: str
    shape: str
    parameters: int


def layers(network: nn.Module, x: Tensor) -> list[Layer]:
    """The layers of a network, in the order in which they act.

    Parameters that belong to no layer which acts stand in a last row, so that the sum is that of the network.

    Args:
        network: The network.
        x: What it takes, a batch of one.
    """
    passed: dict[str, Layer] = {}
    with ExitStack() as hooks, torch.no_grad():
        for name, module in network.named_modules():
            if not any(True for _ in module.children()):
                hooks.callback(module.register_forward_hook(_noting(name, passed)).remove)
        network(x)
    rest = count(network) - sum(layer.parameters for layer in passed.values())
    return [*passed.values(), *([Layer("", "parameters outside of these layers", "", rest)] if rest else [])]


def inputs_of(vae: BetaVAE, work: Callable[[], object]) -> dict[str, Tensor]:
    """What encoder and decoder take while programs are run, a batch of one each; one that is not run is left out.

    Args:
        vae: The programs.
        work: Runs them.
    """
    taken: dict[str, Tensor] = {}

    def noting(name: str) -> Callable[[nn.Module, Any], None]:
        return lambda _, given: None if name in taken else taken.update({name: given[0][:1].detach()})

    with ExitStack() as hooks:
        for name in ("encoder", "decoder"):
            hooks.callback(getattr(vae, name).register_forward_pre_hook(noting(name)).remove)
        work()
    return taken


def count(module: nn.Module) -> int:
    """How many numbers are trained in a module."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def shape_of(x: Tensor) -> str:
    """The shape of one datum of a batch, like "1×28×28".

    >>> shape_of(torch.zeros(1, 32, 4, 4))
    '32×4×4'
    """
    return "×".join(map(str, x.shape[1:]))


def _noting(name: str, passed: dict[str, Layer]) -> Callable[[nn.Module, Any, Any], None]:
    """A hook that notes a layer the first time that it acts."""

    def note(module: nn.Module, _: Any, output: Any) -> None:
        shape = shape_of(output) if isinstance(output, Tensor) else ""
        passed.setdefault(name, Layer(name or "the network", _in_words(module), shape, count(module)))

    return note


def _in_words(module: nn.Module) -> str:
    """What a layer does."""
    if isinstance(module, nn.Linear):
        return f"dense, {module.in_features} → {module.out_features}"
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        kind = "convolution" if isinstance(module, nn.Conv2d) else "transposed convolution"
        kernel, stride, padding = (_sides(getattr(module, side)) for side in ("kernel_size", "stride", "padding"))
        size = f"kernel {kernel}, stride {stride}, padding {padding}"
        return f"{kind}, {module.in_channels} → {module.out_channels} channels, {size}"
    plain_kinds = {nn.ReLU: "ReLU", nn.Tanh: "tanh", nn.Flatten: "flatten", nn.Unflatten: "unflatten"}
    said = plain_kinds.get(type(module)) or f"{type(module).__name__} {module.extra_repr()}".strip()
    return plain(said)[:MOST_CHARACTERS]


def _sides(value: Any) -> str:
    sides = list(value) if isinstance(value, tuple | list) else [value]
    return str(sides[0]) if len({*sides}) == 1 else "×".join(map(str, sides))
