"""Pyro programs recorded as graphs of tensor operations.

Pyro's handlers are Python code that calls tensor operations. Only these operations, below autograd, are recorded; the
handlers, and the unmodified ELBOs, leave no trace in the graph. What Python decides is decided once, while the graph is
recorded, so that programs must have the same structure at every step. Reading a tensor back to Python cannot be part
of a graph, and is refused.

Source: `make_fx`, https://docs.pytorch.org/docs/stable/generated/torch.fx.experimental.proxy_tensor.make_fx.html
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import pyro
import torch
from torch import Tensor
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx
from torch.overrides import TorchFunctionMode

from .places import copy_of
from .randomness import generator_state, set_generator_state

__all__ = ["constants_of", "record", "undisturbed"]


def record(function: Callable[..., Any], inputs: Sequence[Tensor]) -> GraphModule:
    """Run a function once and write down what it does.

    It runs on copies, so that what it changes in place stays as it is, and so do the random generators.

    Args:
        function: Maps tensors to tensors; programs and ELBOs of Pyro may run inside.
        inputs: What it is recorded on. Their shapes, strides and types are part of the graph.

    Returns:
        A graph of the same signature.

    Raises:
        RuntimeError: The function reads a tensor back to Python, to branch on it for example.
    """
    device = inputs[0].device
    # on a GPU, autograd would otherwise run its operations in a thread of its own
    with undisturbed(device), _without_host_reads(), _OneHot(), torch.autograd.set_multithreading_enabled(False):
        graph = make_fx(function)(*[copy_of(tensor) for tensor in inputs])
    return _without_checks(_of_any_strides(_upright(graph)))


def _upright(graph: GraphModule) -> GraphModule:
    """The same graph, with a matrix in place of the transpose of its transpose, so that both are one operand."""
    for node in graph.graph.find_nodes(op="call_function", target=torch.ops.aten.t.default):
        turned = node.args[0]
        if turned.op == "call_function" and turned.target == node.target:
            node.replace_all_uses_with(turned.args[0])
            graph.graph.erase_node(node)
    return graph


def _without_checks(graph: GraphModule) -> GraphModule:
    """The same graph, in which `torch.normal` does not read back whether a standard deviation is below 0."""
    for target in (torch.ops.aten.normal.Tensor_Tensor, torch.ops.aten.normal.float_Tensor):
        for node in graph.graph.find_nodes(op="call_function", target=target):
            node.target = _normal
    graph.recompile()
    return graph


def _normal(mean: Tensor | float, std: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """The same draws as those of `torch.normal`."""
    shape = torch.broadcast_shapes(std.shape, mean.shape if isinstance(mean, Tensor) else ())
    return std.new_empty(shape).normal_(generator=generator).mul_(std).add_(mean)


def _of_any_strides(graph: GraphModule) -> GraphModule:
    """The same graph, with ``reshape`` in place of ``view``.

    Views were possible with the strides of the recording; a compiler that lays a result out in another way, as inductor
    does that of batch normalisation, may have to copy there. What is changed in place has to stay a view.
    """
    for node in graph.graph.find_nodes(op="call_function", target=torch.ops.aten.view.default):
        if not any(getattr(user.target, "_schema", None) and user.target._schema.is_mutable for user in node.users):
            node.target = torch.ops.aten.reshape.default
    graph.recompile()
    return graph


def constants_of(graph: GraphModule) -> list[Tensor]:
    """The tensors that a recorded function took from elsewhere than its inputs."""
    nodes = graph.graph.find_nodes(op="get_attr")
    return [value for value in (getattr(graph, str(node.target)) for node in nodes) if isinstance(value, Tensor)]


@contextmanager
def undisturbed(device: torch.device) -> Iterator[None]:
    """Run Pyro programs without validation and warnings, with a store of their own, and put the generators back."""
    state = generator_state(device)
    try:
        with pyro.get_param_store().scope(), pyro.validation_enabled(False), warnings.catch_warnings(action="ignore"):
            yield
    finally:
        set_generator_state(state, device)


@contextmanager
def _without_host_reads() -> Iterator[None]:
    """Pyro's ELBOs read the loss back to Python, to check and return it; in a graph it stays a tensor."""
    homes = [module for name, module in list(sys.modules.items()) if name.startswith("pyro.infer")]
    with ExitStack() as stack:
        for home in homes:
            if hasattr(home, "torch_item"):
                stack.enter_context(mock.patch.object(home, "torch_item", _detached))
            if hasattr(home, "warn_if_nan"):
                stack.enter_context(mock.patch.object(home, "warn_if_nan", _itself))
        yield


class _OneHot(TorchFunctionMode):
    """Makes one-hot rows by comparison, where torch's own function reads the classes back to check them."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is not torch.nn.functional.one_hot:
            return func(*args, **kwargs)
        return _compared(*args, **kwargs)


def _compared(tensor: Tensor, num_classes: int = -1) -> Tensor:
    if num_classes < 0:
        raise RuntimeError("one_hot has to read the classes back where num_classes is not given")
    return (tensor[..., None] == torch.arange(num_classes, device=tensor.device)).long()


def _detached(value: Any) -> Any:
    return value.detach() if isinstance(value, Tensor) else value


def _itself(value: Any, *_: Any, **__: Any) -> Any:
    return value
