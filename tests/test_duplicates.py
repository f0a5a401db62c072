"""Values of a graph that are computed once, and those that are not."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from pyro_bvae.compiled.duplicates import MergeDuplicates


def nodes_after(function: Callable[..., object], *inputs: Tensor) -> list[str]:
    """Names of the operations that are left of a function, which computes what it computed before."""
    module = make_fx(function)(*inputs)
    torch.manual_seed(0)
    expected = module(*inputs)
    MergeDuplicates()(module.graph)
    module.recompile()
    torch.manual_seed(0)
    torch.testing.assert_close(module(*inputs), expected, rtol=0, atol=0)
    return [node.target.overloadpacket.__name__ for node in module.graph.nodes if node.op == "call_function"]


def test_what_is_said_twice_is_computed_once() -> None:
    def function(x: Tensor) -> Tensor:
        return x.bfloat16().float().exp() * (x.bfloat16().float().exp() + x.exp())

    names = nodes_after(function, torch.randn(3))
    assert (names.count("exp"), names.count("_to_copy")) == (2, 2)


def test_operands_of_other_types_make_another_value() -> None:
    assert nodes_after(lambda x: (x * 1) + (x * 1.0) + (x * True), torch.arange(3)).count("mul") == 3


def test_every_draw_is_a_draw_of_its_own() -> None:
    names = nodes_after(lambda x: torch.rand_like(x) - torch.rand_like(x) + torch.bernoulli(x), torch.full((3,), 0.5))
    assert (names.count("rand_like"), names.count("bernoulli")) == (2, 1)


def test_outputs_stay_tensors_of_their_own() -> None:
    module = make_fx(lambda x: (x.exp(), x.exp()))(torch.zeros(2))
    MergeDuplicates()(module.graph)
    module.recompile()
    first, second = module(torch.zeros(2))
    assert first.data_ptr() != second.data_ptr()
