"""Where a module keeps its parameters and buffers, each tensor once, under all its names.

Two names may mean one tensor: a module that is used in two places, a layer whose weight is that of another one. What is
put in the place of such a tensor has to stand under all its names, and has to leave all of them again.
`torch.func.functional_call` leaves its own tensor under the second name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["Place", "aliases", "copy_of", "differentiated", "places", "put"]


@dataclass(frozen=True)
class Place:
    """A parameter or a buffer of a module.

    Attributes:
        name: Its first name.
        homes: The dictionaries that hold it, and its name in each.
    """

    name: str
    homes: tuple[tuple[dict[str, Tensor | None], str], ...]

    @property
    def tensor(self) -> Tensor:
        """What is there now."""
        home, leaf = self.homes[0]
        tensor = home[leaf]
        assert tensor is not None
        return tensor

    def hold(self, tensor: Tensor) -> None:
        """Hold another tensor, under all names."""
        for home, leaf in self.homes:
            home[leaf] = tensor


def places(module: nn.Module) -> list[Place]:
    """The places of all tensors of a module: first the parameters, then the buffers."""
    names: dict[int, str] = {}
    homes: dict[int, list[tuple[dict[str, Tensor | None], str]]] = {}
    owners = list(module.named_modules())
    for kind in ("_parameters", "_buffers"):
        for path, owner in owners:
            home = getattr(owner, kind)
            for leaf, tensor in home.items():
                if tensor is not None:
                    names.setdefault(id(tensor), f"{path}.{leaf}" if path else leaf)
                    homes.setdefault(id(tensor), []).append((home, leaf))
    return [Place(name, tuple(homes[key])) for key, name in names.items()]


@contextmanager
def put(where: Sequence[Place], tensors: Sequence[Tensor]) -> Iterator[None]:
    """Put tensors in the places of others, which are there again at the end."""
    before = [place.tensor for place in where]
    try:
        for place, tensor in zip(where, tensors, strict=True):
            place.hold(tensor)
        yield
    finally:
        for place, tensor in zip(where, before, strict=True):
            place.hold(tensor)


def aliases(changed: Sequence[Place], others: Sequence[Place]) -> tuple[str, str] | None:
    """The names of two tensors that share memory, at least one of which a step changes; None if there are none.

    A weight that is the transpose of another one shares its memory, for example: as the input of a graph it would be a
    copy.
    """
    seen: dict[int, str] = {}
    for place, counts in [*((place, True) for place in changed), *((place, False) for place in others)]:
        tensor = place.tensor
        start = tensor.untyped_storage().data_ptr() if tensor.numel() else 0
        if start in seen:
            return seen[start], place.name
        if counts and start:
            seen[start] = place.name
    return None


def differentiated(loss: Tensor) -> Iterator[Tensor]:
    """The tensors that a backward pass would give gradients to."""
    seen, left = set(), [loss.grad_fn]
    while left:
        node = left.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            yield node.variable
        left += [parent for parent, _ in node.next_functions]


def copy_of(tensor: Tensor) -> Tensor:
    """A copy with the same strides, those of a slice of a wider tensor included; what overlaps itself is not copied."""
    if any(stride == 0 and size > 1 for size, stride in zip(tensor.shape, tensor.stride(), strict=True)):
        return tensor.detach()
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=tensor.device).copy_(
        tensor.detach()
    )
