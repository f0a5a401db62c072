"""A function of data that reads a module, as a graph: the encoder of a guide over a whole data set, for example.

Whatever the function does, Pyro's handlers included, is recorded once for each shape of data (`recording`), with the
module's parameters and buffers as inputs, which are read anew at each call. What is left are tensor operations, and
those that cost most go where they are fast (`forward`). Nothing is compiled: of a network without gradients, kernels of
one's own save less than a compiler takes.

A graph cannot do all that Python does. The function itself is called where it cannot be recorded, where it changes what
it reads, where the graph says something else about the first data than the function does, and on data of which the
graph's results are not finite, so that the function may raise what it raises.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.fx import GraphModule
from torch.fx.passes.shape_prop import TensorMetadata
from torch.utils._pytree import TreeSpec, tree_flatten, tree_leaves, tree_unflatten

from .forward import Forward, fuse
from .gradient_step import UnrecordableError
from .places import Place, places, put
from .randomness import generator_state, set_generator_state
from .recording import constants_of, record

__all__ = ["RecordedFunction"]

Result = TypeVar("Result")  # tensors, and tuples, lists and dictionaries of them
MOST_SHAPES = 4  # of data, each of which costs a recording
ROUNDING = 1e-3  # by which a graph's results may differ, as a share of the largest of each result


class RecordedFunction(Generic[Result]):
    """A function, called by way of its graph.

    Args:
        function: Maps tensors to tensors, or to tuples, lists and dictionaries of them. It has no gradients, and its
            structure depends on shapes alone.
        module: Holds all parameters and buffers that it reads.

    Attributes:
        reason: Why the function itself is called; None where its graph is.
    """

    def __init__(self, function: Callable[..., Result], module: nn.Module) -> None:
        self.function = function
        self.reason: str | None = None
        self._places, self._modules = places(module), list(module.modules())
        self._graphs: dict[object, tuple[GraphModule, TreeSpec]] = {}

    @torch.no_grad()
    def __call__(self, *data: Tensor, **named: Tensor) -> Result:
        """What the function gives, up to rounding, with the random numbers that it would draw."""
        own, data = partial(_by_name, self.function, tuple(named)), (*data, *named.values())
        shapes = [(x.shape, x.stride(), x.dtype) for x in data]
        key = (tuple(named), *shapes, *[each.training for each in self._modules])
        if self.reason is not None:
            return own(*data)
        if key not in self._graphs:
            return self._first(own, key, data) if len(self._graphs) < MOST_SHAPES else own(*data)
        graph, form = self._graphs[key]
        state = generator_state(data[0].device)
        leaves = graph(*self._tensors(), *data)
        if all(leaf.isfinite().all() for leaf in leaves if isinstance(leaf, Tensor)):
            result: Result = tree_unflatten(leaves, form)
            return result
        set_generator_state(state, data[0].device)
        return own(*data)

    def values_a_datum(self, *data: Tensor, **named: Tensor) -> int:
        """Values that the largest tensor of the graph holds for each datum; 0 where nothing can be recorded.

        Nothing is drawn, and the graph is not kept.

        Args:
            data: A few data, of a number that no layer has, such as 7.
            named: What there is beside them.
        """
        try:
            own = partial(_by_name, self.function, tuple(named))
            nodes = self._recorded(own, (*data, *named.values())).graph.nodes
        except Exception:  # as in `_first`
            return 0
        size, made = len(data[0]), [node.meta.get("tensor_meta") for node in nodes]
        shapes = [one.shape for one in made if isinstance(one, TensorMetadata)]
        return max(shape.numel() // size for shape in shapes if shape[:1] == (size,))

    def _first(self, own: Callable[..., Result], key: object, data: Sequence[Tensor]) -> Result:
        """What the function gives on the first data of a shape, on which it is recorded, and its graph looked at."""
        device = data[0].device
        before = generator_state(device)
        expected = own(*data)
        after = generator_state(device)
        set_generator_state(before, device)
        leaves, form = tree_flatten(expected)
        try:
            graph = self._recorded(own, data)
            if not all(map(_are_close, graph(*self._tensors(), *data), leaves)):
                raise UnrecordableError("its graph gives something else")
            self._graphs[key] = graph, form
        except Exception as error:  # functions that cannot be recorded may raise anything
            self.reason = f"{type(error).__name__}: {error}"
        set_generator_state(after, device)
        return expected

    def _recorded(self, function: Callable[..., Result], data: Sequence[Tensor]) -> GraphModule:
        """The graph of a function of the tensors in all places and of the data, which gives the leaves of a result."""
        count = len(self._places)

        def leaves(*tensors: Tensor) -> tuple[Any, ...]:
            own = tensors[:count]
            versions = [tensor._version for tensor in own]
            with Forward(), put(self._places, own):
                result = function(*tensors[count:])
                _check_unchanged(self._places, own, versions)
            return tuple(tree_leaves(result))

        graph = fuse(record(leaves, [*self._tensors(), *data]))
        known = {tensor.untyped_storage().data_ptr() for tensor in self._tensors() if tensor.numel()}
        if any(constant.untyped_storage().data_ptr() in known for constant in constants_of(graph)):
            raise UnrecordableError("it keeps a parameter or buffer in a place of its own too, like a list")
        return graph

    def _tensors(self) -> list[Tensor]:
        return [place.tensor.detach() for place in self._places]


def _by_name(function: Callable[..., Result], names: Sequence[str], *data: Tensor) -> Result:
    """What a function gives of data of which the last have names."""
    count = len(data) - len(names)
    return function(*data[:count], **dict(zip(names, data[count:], strict=True)))


def _check_unchanged(where: Sequence[Place], own: Sequence[Tensor], versions: Sequence[int]) -> None:
    """Make sure that a function has neither written to nor replaced parameters and buffers.

    Raises:
        UnrecordableError: It has.
    """
    for place, tensor, version in zip(where, own, versions, strict=True):
        if place.tensor is not tensor or tensor._version != version:
            raise UnrecordableError(f"it changes {place.name}")


def _are_close(leaf: object, other: object) -> bool:
    """Whether two results are the same up to rounding."""
    if not (isinstance(leaf, Tensor) and isinstance(other, Tensor)):
        return leaf == other
    if leaf.shape != other.shape or not other.is_floating_point() or not other.numel():
        return torch.equal(leaf, other)
    most = ROUNDING * other.abs().max().item()
    return torch.allclose(leaf, other, rtol=0.0, atol=most, equal_nan=True)
