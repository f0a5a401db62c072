"""What a GPU's convolutions are recorded as equals the convolutions; here cuDNN's part is the CPU's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from conftest import new_vae
from pyro.infer import Trace_ELBO
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from pyro_bvae.compiled import cudnn
from pyro_bvae.compiled.matmul import Products
from pyro_bvae.compiled.step import CompiledStep, inductor
from pyro_bvae.objectives import PerImage


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cudnn, "is_for_cudnn", lambda x: x.dim() == 4)


LAYERS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "one channel": (nn.Conv2d(1, 32, 4, 2, 1), (3, 1, 12, 8)),
    "to one channel": (nn.ConvTranspose2d(32, 1, 4, 2, 1), (3, 32, 6, 5)),
    "three channels": (nn.Conv2d(3, 8, 4, 2, 1), (2, 3, 8, 8)),
    "to three channels": (nn.ConvTranspose2d(8, 3, 4, 2, 1), (2, 8, 4, 4)),
    "many channels": (nn.Conv2d(8, 6, 4, 2, 1), (2, 8, 8, 8)),
    "to many channels": (nn.ConvTranspose2d(8, 6, 4, 2, 1), (2, 8, 4, 4)),
    "odd sides": (nn.Conv2d(1, 8, 4, 2, 1), (2, 1, 7, 9)),
    "another kernel": (nn.Conv2d(1, 8, 3, padding=1, bias=False), (2, 1, 7, 9)),
    "groups": (nn.Conv2d(4, 8, 4, 2, 1, groups=2), (2, 4, 8, 8)),
    "a whole image": (nn.ConvTranspose2d(5, 8, 4), (2, 5, 1, 1)),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("is_trained", [True, False])
@pytest.mark.usefixtures("as_on_a_gpu")
def test_a_convolution_and_its_derivatives_are_the_same(name: str, is_trained: bool) -> None:
    layer, shape = LAYERS[name]
    x = torch.randn(shape, requires_grad=is_trained)
    inputs = [*([x] if is_trained else []), *layer.parameters()]

    def derivatives() -> tuple[torch.Tensor, ...]:
        y = layer(x)
        return y, *torch.autograd.grad((y * torch.arange(y.numel()).view_as(y).cos()).sum(), inputs)

    plain = derivatives()
    with Products("fp32"):
        routed = derivatives()
    with Products("bf16"):
        rounded = derivatives()
    for one, other, low in zip(plain, routed, rounded, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
        assert 0 < (one - low).norm() / one.norm() < 0.02 or "bias" in name or one.dim() == 1


@pytest.mark.usefixtures("as_on_a_gpu")
def test_a_compiler_is_told_the_right_layouts() -> None:
    vae = new_vae(network="conv")
    x = torch.rand(4, 1, 16, 16)
    adam = torch.optim.Adam(vae.parameters())
    step = CompiledStep(vae.model, vae.guide, PerImage(Trace_ELBO()), vae, adam, compiler=inductor)
    step(x)
    assert step.reason is None


def test_fakes_have_the_shapes_of_the_results() -> None:
    with FakeTensorMode(allow_non_fake_inputs=True):
        for layer, shape in LAYERS.values():
            x = torch.empty(shape, device="cuda")
            how = [layer.stride, layer.padding, layer.dilation, layer.transposed, layer.output_padding, layer.groups]
            weight = torch.empty(layer.weight.shape, device="cuda")
            y = cudnn.convolve(x, weight, None, how, False)
            by_x, by_weight, _ = cudnn.differentiate(y, x, weight, how, [True, True, False], False)
            assert by_x is not None
            assert by_weight is not None
            assert (by_x.shape, by_weight.shape) == (x.shape, weight.shape)
