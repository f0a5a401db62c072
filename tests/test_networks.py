"""The networks are the published tables, and fit any size."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pyro_bvae.networks import NETWORKS, ConvDecoder, ConvEncoder, MLPDecoder, MLPEncoder


def table(module: nn.Module) -> list[str]:
    """The layers with weights, in order: type and sizes."""
    rows = []
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            rows.append(f"fc {layer.in_features}-{layer.out_features}")
        elif isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            kind = "conv" if isinstance(layer, nn.Conv2d) else "deconv"
            where = f"k{layer.kernel_size[0]}s{layer.stride[0]}p{layer.padding[0]}"
            rows.append(f"{kind} {layer.in_channels}-{layer.out_channels} {where}")
    return rows


def test_mlp_is_the_table_of_the_lab() -> None:
    assert table(MLPEncoder((1, 28, 28), 10)) == ["fc 784-400", "fc 400-10", "fc 400-10"]
    assert table(MLPDecoder(10, (1, 28, 28))) == ["fc 10-400", "fc 400-784"]


def test_conv_at_64_is_the_pair_of_the_report() -> None:
    convolutions = ["conv 3-32 k4s2p1", "conv 32-32 k4s2p1", "conv 32-32 k4s2p1", "conv 32-32 k4s2p1"]
    assert table(ConvEncoder((3, 64, 64), 7)) == [*convolutions, "fc 512-256", "fc 256-256", "fc 256-14"]
    assert table(ConvDecoder(7, (3, 64, 64))) == [
        "fc 7-256",
        "deconv 256-64 k4s1p0",
        "deconv 64-64 k4s2p1",
        "deconv 64-32 k4s2p1",
        "deconv 32-32 k4s2p1",
        "deconv 32-3 k4s2p1",
    ]


@pytest.mark.parametrize("hidden", [(), (7,), (9, 5)])
def test_mlp_follows_hidden(hidden: tuple[int, ...]) -> None:
    assert len(table(MLPEncoder((12,), 2, hidden))) == len(hidden) + 2
    assert table(MLPDecoder(2, (12,), hidden))[-1] == f"fc {hidden[-1] if hidden else 2}-12"


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
@pytest.mark.parametrize("sides", [(16, 16), (17, 16), (28, 28), (32, 32), (31, 45), (64, 64), (16, 70), (100, 33)])
def test_conv_fits_any_size(sides: tuple[int, int], channels: int) -> None:
    x = torch.rand(2, channels, *sides)
    loc, log_variance = ConvEncoder(x.shape[1:], 4)(x)
    assert loc.shape == log_variance.shape == (2, 4)
    assert ConvDecoder(4, x.shape[1:])(loc).shape == x.shape


@pytest.mark.parametrize("shape", [(1, 15, 16), (1, 64, 8), (100,)])
def test_conv_says_what_it_wants(shape: tuple[int, ...]) -> None:
    for make in (lambda: ConvEncoder(shape, 4), lambda: ConvDecoder(4, shape)):
        with pytest.raises(ValueError, match="conv wants images .* at least 16.* use `network='mlp'`"):
            make()


@pytest.mark.parametrize("name", list(NETWORKS))
def test_every_parameter_of_every_network_gets_a_gradient(name: str) -> None:
    pair = NETWORKS[name]
    encoder = pair.encoder((1, 28, 28), 3, pair.hidden)
    decoder = pair.decoder(3, (1, 28, 28), pair.hidden)
    loc, log_variance = encoder(torch.rand(4, 1, 28, 28))
    (decoder(loc + log_variance).sum()).backward()
    for module in (encoder, decoder):
        assert all(parameter.grad is not None for parameter in module.parameters())


def test_the_weights_of_the_conv_encoder_are_drawn_layer_by_layer() -> None:
    torch.manual_seed(0)
    encoder = ConvEncoder((1, 16, 16), 3, hidden=(8,))
    torch.manual_seed(0)
    convolutions = [nn.Conv2d(1, 32, 4, stride=2, padding=1), nn.Conv2d(32, 32, 4, stride=2, padding=1)]
    drawn = [*convolutions, nn.Linear(512, 8), nn.Linear(8, 6)]
    of_encoder = [layer for layer in encoder.layers if hasattr(layer, "weight")]
    assert all(torch.equal(one.weight, other.weight) for one, other in zip(drawn, of_encoder, strict=True))
