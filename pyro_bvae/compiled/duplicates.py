"""Each value of a graph computed once.

A recorded step says twice what forward and backward pass both need: patches of the images, weights with their channels
innermost, operands rounded to bfloat16. Inductor computes twice what it reads twice. Here an operation that repeats an
earlier one, on the same operands, gives way to it.

Source: Cocke, Global common subexpression elimination, 1970, https://doi.org/10.1145/390013.808480
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import torch
from torch._inductor.custom_graph_pass import CustomGraphPass, get_hash_for_files
from torch.fx import Graph, Node
from torch.utils._pytree import tree_flatten

__all__ = ["MergeDuplicates"]


class MergeDuplicates(CustomGraphPass):
    """A pass over a graph of functions, in which nothing is changed in place but inputs at its end."""

    def __call__(self, graph: Graph) -> None:
        """Merge the nodes of a graph that compute the same."""
        firsts: dict[Hashable, Node] = {}
        for node in list(graph.nodes):
            if node.op != "call_function" or not _is_function(node.target):
                continue
            operands, form = tree_flatten((node.args, node.kwargs))
            try:
                first = firsts.setdefault((node.target, form, *[(type(each), each) for each in operands]), node)
            except TypeError:  # an operand without a hash
                continue
            if first is not node and all(user.op != "output" for user in node.users):
                node.replace_all_uses_with(first)
                graph.erase_node(node)

    def uuid(self) -> Any:
        """What the cache of compiled graphs knows the pass by."""
        return get_hash_for_files((__file__,))


def _is_function(target: Any) -> bool:
    """Whether an operation gives the same on the same operands, and changes none of them."""
    is_operation = isinstance(target, torch._ops.OpOverload) and not target._schema.is_mutable
    return is_operation and torch.Tag.nondeterministic_seeded not in target.tags
