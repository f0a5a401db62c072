"""Products and convolutions that take another way arrive at the same place."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from pyro_bvae.compiled.matmul import Products


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
    "transposed from a point": (lambda: nn.ConvTranspose2d(12, 8, 4), (5, 12, 1, 1)),
}


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


def test_other_types_are_left_alone() -> None:
    a = torch.randn(80, 80, dtype=torch.float64)
    with Products("bf16"):
        assert torch.equal(a @ a, (a @ a).clone())
    assert (a @ a).dtype == torch.float64


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown precision 'fp16'"):
        Products("fp16")
