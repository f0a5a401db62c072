"""Products and convolutions that take another way arrive at the same place."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import product
from time import thread_time

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from pyro_bvae.compiled import matmul
from pyro_bvae.compiled.matmul import Products, onednn_is_faster
from pyro_bvae.compiled.recording import record


@pytest.fixture(params=[True, False], ids=["oneDNN", "MKL"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Products by either library, whatever the processor of this machine."""
    monkeypatch.setattr(matmul, "onednn_is_faster", lambda: request.param)


def values_and_gradients(layer: nn.Module, x: Tensor) -> list[Tensor]:
    x = x.clone().requires_grad_()
    out = layer(x)
    return [out, *torch.autograd.grad((out * torch.linspace(0.5, 1.5, out.shape[-1])).sum(), [x, *layer.parameters()])]


LAYERS = {
    "linear": (lambda: nn.Linear(60, 70), (50, 60)),
    "linear without bias": (lambda: nn.Linear(60, 70, bias=False), (50, 60)),
    "convolution": (lambda: nn.Conv2d(8, 12, 4, 2, 1), (5, 8, 10, 12)),
    "convolution of one channel": (lambda: nn.Conv2d(1, 12, 4, 2, 1), (5, 1, 10, 12)),
    "convolution of three": (lambda: nn.Conv2d(3, 12, 4, 2, 1, bias=False), (5, 3, 8, 6)),
    "convolution of an odd side": (lambda: nn.Conv2d(1, 12, 4, 2, 1), (5, 1, 9, 12)),
    "transposed": (lambda: nn.ConvTranspose2d(12, 8, 4, 2, 1), (5, 12, 5, 6)),
    "transposed to one channel": (lambda: nn.ConvTranspose2d(12, 1, 4, 2, 1), (5, 12, 5, 6)),
    "transposed to three": (lambda: nn.ConvTranspose2d(12, 3, 4, 2, 1), (5, 12, 4, 6)),
    "transposed with a padding": (lambda: nn.ConvTranspose2d(12, 3, 4, 2, 1, output_padding=1), (5, 12, 4, 6)),
    "transposed of an odd side to one channel": (lambda: nn.ConvTranspose2d(12, 1, 4, 2, 1), (5, 12, 5, 7)),
    "transposed to many parts": (lambda: nn.ConvTranspose2d(12, 2, 4, 2, 1), (32, 12, 4, 4)),
    "transposed from a point": (lambda: nn.ConvTranspose2d(12, 8, 4), (5, 12, 1, 1)),
    "transposed from a point, strided": (lambda: nn.ConvTranspose2d(12, 8, (3, 5), 2), (5, 12, 1, 1)),
    "transposed from a point, padded": (lambda: nn.ConvTranspose2d(12, 8, 4, 1, 1), (5, 12, 1, 1)),
    "transposed from a point, in groups": (lambda: nn.ConvTranspose2d(12, 8, 4, groups=2), (5, 12, 1, 1)),
    "transposed from a point, dilated": (lambda: nn.ConvTranspose2d(12, 8, 3, dilation=2), (5, 12, 1, 1)),
    "convolution to a point": (lambda: nn.Conv2d(8, 12, (3, 4)), (5, 8, 3, 4)),
    "convolution to a point, in groups": (lambda: nn.Conv2d(8, 12, (3, 4), groups=4), (5, 8, 3, 4)),
    "convolution of 4 × 4 to 2 × 2": (lambda: nn.Conv2d(2, 12, 4, 2, 1), (5, 2, 4, 4)),
    "convolution in groups": (lambda: nn.Conv2d(8, 12, 4, 2, 1, groups=4), (5, 8, 10, 12)),
    "convolution, dilated": (lambda: nn.Conv2d(8, 12, 3, dilation=2), (5, 8, 10, 12)),
    "convolution of 1 × 1": (lambda: nn.Conv2d(8, 12, 1), (5, 8, 10, 12)),
    "convolution of sequences": (lambda: nn.Conv1d(3, 12, 4, 2, 1), (5, 3, 12)),
    "convolution of volumes": (lambda: nn.Conv3d(3, 12, 4, 2, 1), (5, 3, 8, 8, 8)),
}


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("name", list(LAYERS))
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-5), ("bf16", 0.03)])
def test_layers_and_their_gradients_are_the_same(name: str, precision: str, tolerance: float) -> None:
    make, shape = LAYERS[name]
    layer, x = make(), torch.randn(shape)
    expected = values_and_gradients(layer, x)
    with Products(precision):
        found = values_and_gradients(layer, x)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance * other.abs().max().item())


# ways in which a matrix of so many rows and columns may lie in memory
LAYOUTS: dict[str, Callable[[int, int], Tensor]] = {
    "contiguous": torch.randn,
    "transposed": lambda rows, columns: torch.randn(columns, rows).t(),
    "columns of a wider one": lambda rows, columns: torch.randn(rows, columns + 10)[:, :columns],
    "later columns of a wider one": lambda rows, columns: torch.randn(rows, columns + 10)[:, 10:],
    "rows of a transposed one": lambda rows, columns: torch.randn(columns, rows + 3).t()[3:],
    "rows of a taller one": lambda rows, columns: torch.randn(rows + 3, columns)[3:],
    "off the start of its memory": lambda rows, columns: torch.randn(rows * columns + 1)[1:].view(rows, columns),
    "every second column": lambda rows, columns: torch.randn(rows, 2 * columns)[:, ::2],
    "one row expanded": lambda rows, columns: torch.randn(1, columns).expand(rows, columns),
    "one column expanded": lambda rows, columns: torch.randn(rows, 1).expand(rows, columns),
    "one number expanded": lambda rows, columns: torch.randn(1, 1).expand(rows, columns),
}
SIDES = [(96, 200, 80), (1, 1100, 1000), (1100, 1, 1000), (1100, 1000, 1), (64, 1000, 64)]


@cache
def matrix(layout: str, rows: int, columns: int) -> Tensor:
    return LAYOUTS[layout](rows, columns)


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(("left", "right"), [*product(LAYOUTS, LAYOUTS)])
def test_products_of_every_layout_are_plain_ones_and_as_fast(left: str, right: str) -> None:
    """In oneDNN's reference kernel the last of these takes .4 s of a processor, and .2 ms elsewhere."""
    for rows, inner, columns in SIDES:
        a, b, bias = matrix(left, rows, inner), matrix(right, inner, columns), torch.ones(columns)
        expected, most = torch.addmm(bias, a, b), a.abs().max() * b.abs().max() * inner + 1
        for precision, tolerance in (("fp32", 1e-6), ("bf16", 2**-7)):
            with Products(precision):
                seconds = []
                for _ in range(3):
                    start = thread_time()  # of this thread: others of the process may have work of their own
                    sums, products = torch.addmm(bias, a, b), a @ b
                    seconds.append(thread_time() - start)
                    if seconds[-1] < 0.1:
                        break
            torch.testing.assert_close(sums, expected, rtol=0, atol=tolerance * most.item())
            torch.testing.assert_close(products, expected - bias, rtol=0, atol=tolerance * most.item())
            assert min(seconds) < 0.1


@pytest.mark.parametrize(("name", "has_mkl", "expected"), [
    ("Intel Xeon", True, False), ("Intel Xeon", False, True), ("AMD EPYC 7763", True, True), ("", True, True)
])  # fmt: skip
def test_the_library_follows_from_the_make_of_the_processor(
    name: str, has_mkl: bool, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {"cpu_name": name} if name else {})
    monkeypatch.setattr("torch.backends.mkl.is_available", lambda: has_mkl)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert onednn_is_faster.__wrapped__() is expected


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_gpu_has_its_convolutions_in_the_order_that_they_have_in_an_eager_step(precision: str) -> None:
    """Neither images nor kernels are laid out anew: on an H200, inductor's kernels failed where they were."""
    how = [2, 2], [1, 1], [1, 1], True, [0, 0], 1
    with FakeTensorMode(), Products(precision):
        x, gradient = torch.empty(16, 32, 16, 16, device="cuda"), torch.empty(16, 1, 32, 32, device="cuda")
        weight = torch.empty(32, 1, 4, 4, device="cuda")
        y = torch.ops.aten.convolution(x, weight, None, *how)
        by_x, by_weight, _ = torch.ops.aten.convolution_backward(gradient, x, weight, None, *how, [True, True, False])
        assert all(part.is_contiguous() and part.dtype == torch.float32 for part in (y, by_x, by_weight))


def test_other_types_are_left_alone() -> None:
    a = torch.randn(80, 80, dtype=torch.float64)
    with Products("bf16"):
        assert torch.equal(a @ a, (a @ a).clone())
    assert (a @ a).dtype == torch.float64


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown precision 'fp16'"):
        Products("fp16")


def test_a_weight_that_is_read_both_ways_is_rounded_once() -> None:
    def both_ways(x: Tensor, weight: Tensor) -> Tensor:
        with Products("bf16"):
            return (x @ weight.t()) @ weight

    nodes = record(both_ways, [torch.randn(4, 6), torch.randn(5, 6)]).graph.nodes
    rounded = [node.args[0] for node in nodes if node.kwargs.get("dtype") == torch.bfloat16]
    assert len(rounded) - len(set(rounded)) == 1
