"""Matrix products and convolutions sent to the library that is fastest at them.

`aten.mm` in float32 goes to MKL on x86, whose kernels are the fastest on Intel's processors and run at half speed on
AMD's; there, oneDNN's reach the peak of the machine. Which library it is follows from the make of the processor, never
from a timing: the last digits of a sum depend on it, and a run that is repeated must have the same. Convolutions want
their channels innermost, or are computed as products themselves (`im2col`); other devices than a CPU take them as they
are. In bfloat16 the operands and the result of a product are rounded to eight bits of mantissa, while the sums inside
it have 32 bits, and all else stays float32: master weights, biases, activations, the loss and the optimiser.

Setting ``torch.backends.mkldnn.matmul.fp32_precision = "bf16"`` reaches oneDNN too, but rounds on some processors and
not on others; operands that are bfloat16 are so everywhere.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.library import Library, register_fake
from torch.utils._python_dispatch import TorchDispatchMode

from ..settings.names import PRECISIONS, check
from .im2col import convolve, differentiate, patching

__all__ = ["Products"]

FEWEST_MULTIPLICATIONS = 2**20  # below which the call to oneDNN costs more than it saves
MOST_COPIED = 2**18  # values of a transposed left operand, which oneDNN's product copies
TALL = 256  # rows to a column of a matrix whose product is bound by memory, where MKL does without copies
aten = torch.ops.aten

_library = Library("pyro_bvae", "DEF")
_library.define("product(Tensor a, Tensor b, Tensor? bias) -> Tensor")


def product(a: Tensor, b: Tensor, bias: Tensor | None) -> Tensor:
    """``a @ b + bias`` by oneDNN, for float32 matrices on the CPU that `is_dense`."""
    if not (is_dense(a) and is_dense(b)):  # as a compiler may have laid them out
        return torch.mm(a, b) if bias is None else torch.addmm(bias, a, b)
    return torch.ops.mkldnn._linear_pointwise(a, b.t(), bias, "none", [], "")


_library.impl("product", product, "CPU")


@register_fake("pyro_bvae::product")  # type: ignore[untyped-decorator]
def _shape(a: Tensor, b: Tensor, bias: Tensor | None) -> Tensor:  # noqa: ARG001
    return a.new_empty(a.shape[0], b.shape[1])


class Products(TorchDispatchMode):
    """A context in which float32 products and convolutions go to the fastest library, below autograd.

    Args:
        precision: "fp32", or "bf16" for operands of bfloat16.

    Raises:
        ValueError: The precision is unknown.

    >>> a = torch.full((64, 64), 1.001)
    >>> with Products("bf16"):
    ...     (a @ a)[0, 0]
    tensor(64.)
    """

    def __init__(self, precision: str) -> None:
        super().__init__()
        self.lowers = check("precision", precision, PRECISIONS) == "bf16"

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Compute an operation, by a faster way where there is one."""
        route = ROUTES.get(func)
        operands = [argument for argument in args if isinstance(argument, Tensor)]
        if route is None or kwargs or any(operand.dtype != torch.float32 for operand in operands):
            return func(*args, **(kwargs or {}))
        return route(func, args, self.lowers)


def _mm(func: Any, args: Sequence[Any], lowers: bool) -> Tensor:
    *bias, a, b = args
    if lowers:
        new = torch.mm(_rounded(a), _rounded(b)).float()
        return new + bias[0] if bias else new
    if not _pays(a, b) or (bias and bias[0].dim() != 1):
        return func(*args)
    # oneDNN would copy a transposed operand by itself; written here, the copy is part of the kernel that made it
    return torch.ops.pyro_bvae.product(a.contiguous(), b, bias[0] if bias else None)


def _rounded(matrix: Tensor) -> Tensor:
    """The matrix in bfloat16. Of a transposed one, what lies in memory is rounded: as it is where it stands upright."""
    is_transposed = matrix.t().is_contiguous() and not matrix.is_contiguous()
    return matrix.t().bfloat16().t() if is_transposed else matrix.bfloat16()


def _bmm(func: Any, args: Sequence[Any], lowers: bool) -> Tensor:
    return func(args[0].bfloat16(), args[1].bfloat16()).float() if lowers else func(*args)


def _convolution(func: Any, args: Sequence[Any], lowers: bool) -> Tensor:
    x, weight, bias, *rest = args
    way = patching(x, weight, rest)
    if way is None:
        x, weight = _innermost(x), _innermost(weight)
    if way is None and not lowers:
        return func(x, weight, bias, *rest)
    if lowers:
        x, weight = x.bfloat16(), weight.bfloat16()
    new = func(x, weight, None, *rest) if way is None else convolve(x, weight, rest[3], way, _multiply)
    return new.float() if bias is None else new.float() + bias.view(-1, *[1] * (new.dim() - 2))


def _convolution_backward(func: Any, args: Sequence[Any], lowers: bool) -> tuple[Tensor | None, ...]:
    gradient, x, weight, *rest, mask = args
    way = patching(x, weight, rest[1:])
    if way is None:
        gradient, x, weight = _innermost(gradient), _innermost(x), _innermost(weight)
    bias = gradient.sum([0, *range(2, gradient.dim())]) if mask[2] else None
    if lowers:
        gradient, x, weight = gradient.bfloat16(), x.bfloat16(), weight.bfloat16()
    if way is None:
        by_x, by_weight, _ = func(gradient, x, weight, *rest, [mask[0], mask[1], False])
    else:
        by_x, by_weight = differentiate(gradient, x, weight, rest[4], mask, way, _multiply)
    return *[None if part is None else part.float() for part in (by_x, by_weight)], bias


ROUTES: dict[Any, Callable[[Any, Sequence[Any], bool], Any]] = {
    aten.mm.default: _mm,
    aten.addmm.default: _mm,
    aten.bmm.default: _bmm,
    aten.convolution.default: _convolution,
    aten.convolution_backward.default: _convolution_backward,
}


def _multiply(a: Tensor, b: Tensor) -> Tensor:
    """The product of two matrices, or of as many as there are in two batches."""
    if a.dim() == 3 or a.dtype != torch.float32 or a.shape[0] > TALL * a.shape[1]:
        return a @ b
    return _mm(aten.mm.default, (a, b), lowers=False)


def is_dense(matrix: Tensor) -> bool:
    """Whether a matrix or its transpose lies in memory without gaps: no slice of a wider one, nothing expanded.

    With any other operand, oneDNN falls back to a reference kernel that takes thousands of times as long.
    """
    return matrix.is_contiguous() or matrix.t().is_contiguous()


@cache
def onednn_is_faster() -> bool:
    """Whether oneDNN is there, and its float32 products are faster than `aten.mm`: on x86, but on Intel's with MKL."""
    has_mkl = torch.backends.mkl.is_available() and "Intel" in torch.cpu.get_capabilities().get("cpu_name", "")
    is_x86 = platform.machine() in ("x86_64", "AMD64")
    return is_x86 and torch.backends.mkldnn.is_available() and not has_mkl


def _pays(a: Tensor, b: Tensor) -> bool:
    """Whether oneDNN is known to be the faster one: at large products of two matrices, none of them a vector.

    The left operand has to be contiguous or small enough to copy, and the right one dense.
    """
    return (
        a.device.type == "cpu"
        and onednn_is_faster()
        and prod((*a.shape, b.shape[1])) >= FEWEST_MULTIPLICATIONS
        and min(*a.shape, b.shape[1]) > 1
        and (a.is_contiguous() or a.numel() <= MOST_COPIED)
        and is_dense(b)
    )


def _innermost(x: Tensor) -> Tensor:
    """The same images or kernels, on a CPU with their channels innermost in memory.

    With one channel both orders look the same to cuDNN: its gradient has another than a compiler assumes.
    """
    return x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 and x.device.type == "cpu" else x
