"""Convolutions without gradients where oneDNN is fastest: channels innermost, with the ReLU in the same kernel.

Most of the time that a convolution of few channels takes is that of writing its result to memory. A ReLU of its own
reads and writes all of it once more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule

from .im2col import patching
from .matmul import Products

__all__ = ["Forward", "fuse"]

aten = torch.ops.aten
NO_ACTIVATION: tuple[str, list[float], str] = ("none", [], "")


class Forward(Products):
    """A context in which float32 products and convolutions, of which no gradients are wanted, go to oneDNN."""

    def __init__(self) -> None:
        super().__init__("fp32")

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Compute an operation, by a faster way where there is one."""
        if func is aten.convolution.default and _fits(*args[:3]):
            x, weight, bias, stride, padding, dilation, transposed, _, groups = args
            if not transposed:
                how = (padding, stride, dilation, groups)
                return torch.ops.mkldnn._convolution_pointwise(_innermost(x), weight, bias, *how, *NO_ACTIVATION)
            if patching(x, weight, args[3:]) is None:
                return func(_innermost(x), *args[1:])
        return super().__torch_dispatch__(func, types, args, kwargs)


def fuse(graph: GraphModule) -> GraphModule:
    """The same graph without what nothing depends on, and each ReLU of a convolution's result in that convolution."""
    graph.graph.eliminate_dead_code()  # leaves draws of random numbers alone
    convolution = torch.ops.mkldnn._convolution_pointwise.default
    for node in graph.graph.find_nodes(op="call_function", target=convolution):
        users = list(node.users)
        if len(users) == 1 and users[0].target is aten.relu.default:
            node.args = (*node.args[:-3], "relu", [], "")
            users[0].replace_all_uses_with(node)
            graph.graph.erase_node(users[0])
    graph.recompile()
    return graph


def _fits(x: Tensor, weight: Tensor, bias: Tensor | None) -> bool:
    """Whether oneDNN is there for a convolution of images."""
    operands = [x, weight] if bias is None else [x, weight, bias]
    is_float = all(operand.dtype == torch.float32 and operand.device.type == "cpu" for operand in operands)
    return is_float and x.dim() == 4 and x.numel() > 0 and torch.backends.mkldnn.is_available()


def _innermost(x: Tensor) -> Tensor:
    """The same images with their channels innermost in memory, so that those of the result are so, too.

    Images of one channel lie in memory as if they were, and only their strides have to say so.
    """
    if x.shape[1] > 1 or not x.is_contiguous():
        return x.contiguous(memory_format=torch.channels_last)
    return x.as_strided(x.shape, (x.stride(0), 1, x.shape[3], 1))
