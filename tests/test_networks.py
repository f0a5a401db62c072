"""The networks are the published tables, and fit any size."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Cli
from torch import Tensor, nn

from pyro_bvae import BetaVAE, fit, load_run
from pyro_bvae.datasets import Dataset
from pyro_bvae.networks import (
    NETWORKS,
    BroadcastDecoder,
    ConvDecoder,
    ConvEncoder,
    LocatelloDecoder,
    LocatelloEncoder,
    MLPDecoder,
    MLPEncoder,
    ResidualBlock,
    ResNetDecoder,
    ResNetEncoder,
)
from pyro_bvae.networks.broadcast import Broadcast
from pyro_bvae.programs import Joint

OF_IMAGES = [name for name in NETWORKS if name != "mlp"]


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


def pair(name: str, shape: tuple[int, ...], latent_dim: int = 4) -> tuple[nn.Module, nn.Module]:
    """An encoder and a decoder with their own widths."""
    sized = NETWORKS[name].sized(None, None, "relu")
    return sized.encoder(shape, latent_dim), sized.decoder(latent_dim, shape)


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


def test_locatello_at_64_is_the_pair_of_disentanglement_lib() -> None:
    convolutions = ["conv 1-32 k4s2p1", "conv 32-32 k4s2p1", "conv 32-64 k2s2p0", "conv 64-64 k2s2p0"]
    assert table(LocatelloEncoder((1, 64, 64), 10)) == [*convolutions, "fc 1024-256", "fc 256-20"]
    assert table(LocatelloDecoder(10, (1, 64, 64))) == [
        "fc 10-256",
        "fc 256-1024",
        "deconv 64-64 k4s2p1",
        "deconv 64-32 k4s2p1",
        "deconv 32-32 k4s2p1",
        "deconv 32-1 k4s2p1",
    ]


def test_broadcast_has_three_convolutions_of_stride_1() -> None:
    assert table(BroadcastDecoder(10, (3, 64, 64))) == ["conv 12-64 k3s1p1", "conv 64-64 k3s1p1", "conv 64-3 k3s1p1"]
    assert table(BroadcastDecoder(10, (1, 2, 3), hidden=(5,)))[:2] == ["fc 10-5", "conv 7-64 k3s1p1"]


@pytest.mark.parametrize(("side", "channels"), [(64, [16, 32, 64, 128]), (256, [16, 16, 16, 32, 64, 128])])
def test_resnet_has_more_channels_the_narrower_a_map(side: int, channels: list[int]) -> None:
    encoder, decoder = pair("resnet", (3, side, side))
    blocks = [layer.layers[-1].out_channels for layer in encoder.layers if isinstance(layer, ResidualBlock)]
    mirrored = [layer.layers[-1].out_channels for layer in decoder.layers if isinstance(layer, ResidualBlock)]
    assert blocks == mirrored[::-1] == channels
    assert table(ResNetEncoder((3, 64, 64), 7))[-2:] == ["fc 2048-256", "fc 256-14"]
    assert table(ResNetDecoder(7, (3, 64, 64)))[:2] == ["fc 7-256", "fc 256-2048"]


@pytest.mark.parametrize("hidden", [(), (7,), (9, 5)])
def test_mlp_follows_hidden(hidden: tuple[int, ...]) -> None:
    assert len(table(MLPEncoder((12,), 2, hidden))) == len(hidden) + 2
    assert table(MLPDecoder(2, (12,), hidden))[-1] == f"fc {hidden[-1] if hidden else 2}-12"


SIDES = [(16, 16), (17, 16), (28, 28), (32, 32), (31, 45), (64, 64), (16, 70), (100, 33), (128, 128), (256, 256)]


@pytest.mark.parametrize("name", OF_IMAGES)
@pytest.mark.parametrize("sides", SIDES)
def test_every_network_fits_any_size(sides: tuple[int, int], name: str) -> None:
    for channels in (1, 3):
        x = torch.rand(2, channels, *sides)
        encoder, decoder = pair(name, tuple(x.shape[1:]))
        loc, log_variance = encoder(x)
        assert loc.shape == log_variance.shape == (2, 4)
        assert decoder(loc).shape == x.shape


@pytest.mark.parametrize("name", ["conv", "locatello", "resnet"])
@pytest.mark.parametrize("shape", [(1, 15, 16), (1, 64, 8), (100,)])
def test_networks_of_images_say_what_they_want(shape: tuple[int, ...], name: str) -> None:
    network = NETWORKS[name]
    for make in (lambda: network.encoder(shape, 4, (8,), 0), lambda: network.decoder(4, shape, (8,), "relu")):
        with pytest.raises(ValueError, match=rf"^{name} wants images .* at least 16.* use `network='mlp'`$"):
            make()


def test_broadcast_takes_images_of_any_size_and_no_vectors() -> None:
    assert BroadcastDecoder(2, (3, 1, 2))(torch.zeros(5, 2)).shape == (5, 3, 1, 2)
    with pytest.raises(ValueError, match=r"^the broadcast decoder wants images \(C, H, W\), got shape \(7,\); use"):
        BroadcastDecoder(2, (7,))


def test_what_is_broadcast_is_z_and_where_a_pixel_is() -> None:
    z = torch.randn(2, 3)
    maps = Broadcast(4, 5)(z)
    for row, column in product(range(4), range(5)):
        place = torch.tensor([2 * row / 3 - 1, 2 * column / 4 - 1])
        torch.testing.assert_close(maps[:, :, row, column], torch.cat([z, place.expand(2, 2)], dim=1))


def test_a_residual_block_adds_what_two_convolutions_make() -> None:
    block, x = ResidualBlock(16), torch.randn(3, 16, 5, 4)

    def half(h: Tensor, norm: Any, convolution: nn.Module) -> Tensor:
        groups = h.reshape(3, 8, -1)
        deviation = (groups.var(2, unbiased=False, keepdim=True) + 1e-5).sqrt()
        return convolution(((groups - groups.mean(2, keepdim=True)) / deviation).reshape(h.shape).relu())

    layers = block.layers
    expected = x + half(half(x, layers[0], layers[2]), layers[3], layers[5])
    torch.testing.assert_close(block(x), expected, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        layers[5].weight.zero_()
        layers[5].bias.zero_()
    assert torch.equal(block(x), x)


@pytest.mark.parametrize("name", list(NETWORKS))
def test_a_datum_has_the_same_code_and_picture_in_any_batch_and_mode(name: str) -> None:
    encoder, decoder = pair(name, (1, 28, 28))
    x = torch.rand(5, 1, 28, 28)
    together, alone = encoder(x)[0], torch.cat([encoder(one[None])[0] for one in x])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(decoder(together)[:1], decoder(together[:1]), rtol=1e-4, atol=1e-5)
    assert torch.equal(encoder.eval()(x)[0], together)


@pytest.mark.parametrize("name", list(NETWORKS))
def test_every_parameter_of_every_network_gets_a_gradient(name: str) -> None:
    encoder, decoder = pair(name, (1, 28, 28), 3)
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


@pytest.mark.parametrize(("network", "decoder"), list(product(NETWORKS, NETWORKS)))
def test_an_encoder_and_a_decoder_are_chosen_apart(network: str, decoder: str) -> None:
    vae = BetaVAE((1, 16, 16), 3, network=network, decoder=decoder)
    of_one, of_other = pair(network, (1, 16, 16))[0], pair(decoder, (1, 16, 16))[1]
    assert (type(vae.encoder), type(vae.decoder)) == (type(of_one), type(of_other))
    assert vae.settings["decoder"] == decoder
    assert vae.decode(vae.encode(torch.rand(2, 1, 16, 16)).mean).mean.shape == (2, 1, 16, 16)
    again = BetaVAE(**vae.settings)
    assert table(again) == table(vae)


@pytest.mark.parametrize("network", list(NETWORKS))
def test_programs_take_their_features_and_decoder_from_any_network(network: str) -> None:
    vae = Joint((1, 16, 16), 3, network=network, decoder="broadcast", classes=4)
    assert vae.encoder(torch.rand(2, 1, 16, 16)).shape == (2, vae.encoder.width)
    assert isinstance(vae.decoder, BroadcastDecoder)
    assert vae.decoder(torch.randn(2, 3 + 4)).shape == (2, 1, 16, 16)


def test_a_network_with_its_own_decoder_named_is_the_network() -> None:
    plain, named = BetaVAE((1, 16, 16), network="conv"), BetaVAE((1, 16, 16), network="conv", decoder="conv")
    assert table(plain) == table(named)
    assert plain.settings["decoder"] is None
    assert BetaVAE((4,), decoder=nn.Linear(10, 4)).settings["decoder"] is None


def test_an_unknown_decoder_is_answered_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="unknown decoder 'brodcast': did you mean 'broadcast'"):
        BetaVAE((1, 16, 16), decoder="brodcast")


def test_a_run_keeps_its_decoder(images: Dataset, tmp_path: Path) -> None:
    vae = BetaVAE(images.shape, 2, network="conv", decoder="broadcast", hidden=(8,))
    fit(vae, images, steps=2, out=tmp_path / "run", compile=False)
    loaded = load_run(tmp_path / "run")
    assert isinstance(loaded.model.decoder, BroadcastDecoder)
    z = torch.randn(3, 2)
    torch.testing.assert_close(loaded.model.decode(z).mean, vae.decode(z).mean)


def test_a_decoder_is_an_option_of_fit(cli: Cli, here: Path) -> None:
    options = ["--network", "conv", "--decoder", "mlp", "--hidden", 8, "--no-figures", "--out", "run"]
    fitted = cli("fit", *options, "--steps", 1)
    assert (fitted.exit_code, "conv 784-8-10, decoder mlp" in fitted.output) == (0, True), fitted.output
    config = json.loads(Path("run/config.json").read_text())
    assert (config["network"], config["decoder"], config["custom"]) == ("conv", "mlp", {})
    assert cli("fit", "--resume", "--out", "run", "--steps", 2).exit_code == 0
    other = cli("fit", "--resume", "--out", "run", "--steps", 3, "--decoder", "conv")
    assert (other.exit_code, "decoder is 'mlp' in the run and 'conv' here" in other.stderr) == (2, True), other.output
    options = ["--network", "mlp", "--no-figures", "--out", "other"]
    typed = cli("fit", "--config", "run/config.json", *options, "--steps", 1)
    assert typed.exit_code == 0, typed.output
    assert json.loads(Path("other/config.json").read_text())["decoder"] is None


def test_a_config_without_a_decoder_is_that_of_an_older_run(images: Dataset, tmp_path: Path) -> None:
    fit(BetaVAE(images.shape, 2, network="conv", hidden=(8,)), images, steps=1, out=tmp_path / "run", compile=False)
    file = tmp_path / "run" / "config.json"
    config = json.loads(file.read_text())
    del config["decoder"]
    file.write_text(json.dumps(config))
    assert isinstance(load_run(tmp_path / "run").model.decoder, ConvDecoder)
