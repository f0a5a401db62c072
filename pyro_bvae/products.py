"""Matrix products of a traced graph, sent to the library that is fastest at them.

`aten.mm` in float32 goes to MKL on x86, whose kernels run at half speed on AMD; oneDNN's reach the peak of the machine
on either make, and take transposed operands as they are. In bfloat16 both operands are rounded to eight bits of
mantissa, the sums inside a product are still of 32 bits, and everything that is no product stays float32: master
weights, biases, activations, the loss and the optimiser.

Setting ``torch.backends.mkldnn.matmul.fp32_precision = "bf16"`` reaches oneDNN too, but rounds on some processors and
not on others; operands that are bfloat16 are so everywhere.
"""

from __future__ import annotations

import platform
from math import prod
from operator import getitem
from typing import Any

import torch
from torch import Tensor
from torch.fx import Graph, GraphModule
from torch.library import Library, register_fake

__all__ = ["PRECISIONS", "route_products"]

PRECISIONS = ("fp32", "bf16")
LEAST = 2**16  # multiplications under which it does not matter who makes them
aten = torch.ops.aten
PRODUCTS = (aten.mm.default, aten.addmm.default, aten.bmm.default)
CONVOLUTIONS = (aten.convolution.default, aten.convolution_backward.default)

_library = Library("pyro_bvae", "DEF")
_library.define("product(Tensor a, Tensor b, Tensor? bias) -> Tensor")


def product(a: Tensor, b: Tensor, bias: Tensor | None) -> Tensor:
    """``a @ b + bias`` by oneDNN, for float32 matrices of any strides on the CPU."""
    return torch.ops.mkldnn._linear_pointwise(a, b.t(), bias, "none", [], "")


_library.impl("product", product, "CPU")


@register_fake("pyro_bvae::product")  # type: ignore[untyped-decorator]
def _shape(a: Tensor, b: Tensor, bias: Tensor | None) -> Tensor:  # noqa: ARG001
    return a.new_empty(a.shape[0], b.shape[1])


def route_products(graph: GraphModule, precision: str) -> None:
    """Rewrite the products of a graph that was traced on real tensors, in place.

    Args:
        graph: Of aten operations, with ``meta["tensor_meta"]`` or ``meta["val"]`` at its nodes.
        precision: "fp32", or "bf16" for products and convolutions of bfloat16 operands.
    """
    for node in list(graph.graph.nodes):
        if precision == "bf16" and node.target in PRODUCTS:
            _lower_product(graph.graph, node)
        elif precision == "bf16" and node.target in CONVOLUTIONS:
            _lower_convolution(graph.graph, node)
        elif node.target in PRODUCTS[:2] and _pays(node):
            _send(graph.graph, node)
    graph.graph.eliminate_dead_code()
    graph.recompile()


def _pays(node: Any) -> bool:
    """Whether oneDNN is there, and the product large enough for it to matter."""
    a, b = (argument.meta["val"] for argument in node.args[-2:])
    here = a.device.type == "cpu" and platform.machine() in ("x86_64", "AMD64") and torch.backends.mkldnn.is_available()
    return here and a.dtype == torch.float32 and prod((*a.shape, b.shape[1])) >= LEAST and not node.kwargs


def _send(graph: Graph, node: Any) -> None:
    """One product to oneDNN, with its bias where that is a vector."""
    *bias, a, b = node.args
    fused = bias[0] if bias and bias[0].meta["val"].dim() == 1 else None
    with graph.inserting_before(node):
        new = graph.call_function(torch.ops.pyro_bvae.product.default, (a, b, fused))
        if bias and fused is None:
            new = graph.call_function(aten.add.Tensor, (bias[0], new))
    _replace(graph, node, new)


def _lower_product(graph: Graph, node: Any) -> None:
    """One product of bfloat16 operands; a bias is added in float32."""
    if node.meta["val"].dtype != torch.float32 or node.kwargs:
        return
    *bias, a, b = node.args
    target = aten.mm.default if node.target is aten.addmm.default else node.target
    with graph.inserting_before(node):
        new = _cast(graph, graph.call_function(target, (_half(graph, a), _half(graph, b))), torch.float32)
        for term in bias:
            new = graph.call_function(aten.add.Tensor, (new, term))
    _replace(graph, node, new)


def _lower_convolution(graph: Graph, node: Any) -> None:
    """One convolution, or the derivatives of one, of bfloat16 operands; what belongs to a bias stays float32."""
    tensors = 2 if node.target is aten.convolution.default else 3
    operands, rest = node.args[:tensors], node.args[tensors:]
    if operands[0].meta["val"].dtype != torch.float32:
        return
    with graph.inserting_before(node):
        halves = [_half(graph, operand) for operand in operands]
        if tensors == 2:
            new = _cast(graph, graph.call_function(node.target, (*halves, None, *rest[1:])), torch.float32)
            if rest[0] is not None:
                spatial = node.meta["val"].dim() - 2
                bias = graph.call_function(aten.view.default, (rest[0], [-1, *[1] * spatial]))
                new = graph.call_function(aten.add.Tensor, (new, bias))
            _replace(graph, node, new)
            return
        new = graph.call_function(node.target, (*halves, rest[0], *rest[1:-1], [*rest[-1][:2], False]))
    for user in list(node.users):
        with graph.inserting_before(user):
            if user.args[1] == 2:
                dims = [0, *range(2, operands[0].meta["val"].dim())]
                part = graph.call_function(aten.sum.dim_IntList, (operands[0], dims))
            else:
                part = _cast(graph, graph.call_function(getitem, (new, user.args[1])), torch.float32)
        _replace(graph, user, part)
    graph.erase_node(node)


def _half(graph: Graph, node: Any) -> Any:
    return _cast(graph, node, torch.bfloat16)


def _cast(graph: Graph, node: Any, dtype: torch.dtype) -> Any:
    return graph.call_function(torch.ops.prims.convert_element_type.default, (node, dtype))


def _replace(graph: Graph, node: Any, new: Any) -> None:
    new.meta = dict(node.meta)
    node.replace_all_uses_with(new)
    graph.erase_node(node)
