"""In a browser, packed networks give what torch gives with the same weights: means of p(x|z), moments of q(z|x)."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import opened_page
from torch import Tensor
from torch.testing import assert_close

import pyro_bvae
from pyro_bvae import BetaVAE, codes
from pyro_bvae.generation import images_of
from pyro_bvae.likelihoods import LIKELIHOODS, Standardised, build
from pyro_bvae.likelihoods.standardised import takes_standardised
from pyro_bvae.pages.packing import pack_decoder, pack_encoder

STATIC = Path(pyro_bvae.__file__).parent / "pages" / "static"
DRAWS = 20_000
NETWORKS: list[dict[str, Any]] = [
    *[{"shape": shape} for shape in [(1, 16, 16), (3, 5, 7), (12,), (1, 1, 1)]],
    *[{"shape": (2, 4, 3), "hidden": hidden} for hidden in [(), (7,), (9, 5)]],
    *[{"shape": (1, 5, 6), "hidden": (8,), "decoder_hidden": widths} for widths in [(), (6, 4)]],
    *[{"shape": shape, "network": "conv"} for shape in [(1, 16, 16), (1, 28, 28), (3, 17, 16), (2, 31, 45)]],
    *[{"shape": shape, "network": "conv"} for shape in [(3, 64, 64), (1, 100, 33)]],
    *[{"shape": shape, "network": "locatello"} for shape in [(1, 16, 16), (3, 28, 28), (2, 31, 45), (1, 64, 64)]],
    *[{"shape": shape, "network": "resnet"} for shape in [(1, 16, 16), (3, 19, 28), (1, 64, 64)]],
    *[{"shape": shape, "network": "mlp", "decoder": "broadcast"} for shape in [(1, 1, 1), (3, 5, 7), (1, 32, 32)]],
    {"shape": (1, 17, 16), "network": "broadcast", "decoder_hidden": (6,), "decoder_activation": "tanh"},
    {"shape": (1, 16, 17), "network": "locatello", "decoder": "mlp", "decoder_activation": "tanh"},
    {"shape": (1, 18, 16), "network": "mlp", "decoder": "resnet", "decoder_activation": "tanh", "decoder_hidden": ()},
    *[{"shape": (1, 20, 23), "network": "conv", "hidden": hidden} for hidden in [(), (7,), (9, 5)]],
    {"shape": (1, 19, 16), "network": "conv", "decoder_hidden": (8, 6), "decoder_activation": "tanh"},
    {"shape": (9,), "hidden": (6, 5), "decoder_activation": "tanh"},
]


@pytest.fixture(scope="module")
def scripts(browser: Any) -> Iterator[Any]:
    """A page that knows how to run packed networks."""
    with opened_page(browser) as page:
        for name in ("network", "distributions"):
            page.add_script_tag(path=STATIC / f"{name}.js")
        yield page


def with_half_weights(vae: BetaVAE) -> BetaVAE:
    vae = copy.deepcopy(vae)
    for parameter in [*vae.encoder.parameters(), *vae.decoder.parameters()]:
        parameter.data = parameter.data.half().float()
    return vae


def in_page(page: Any, function: str, packed: dict[str, Any], inputs: Tensor) -> Any:
    """What a function of packed network and numbers, in JavaScript, returns for each of the inputs."""
    script = f"""([text, inputs]) => {{
        const packed = JSON.parse(text);
        const plain = (key, value) => ArrayBuffer.isView(value) ? Array.from(value) : value;
        return JSON.stringify(inputs.map((values) => ({function})(packed, Float32Array.from(values))), plain);
    }}"""
    return json.loads(page.evaluate(script, [json.dumps(packed), inputs.flatten(1).tolist()]))


def decoded(page: Any, vae: BetaVAE, z: Tensor) -> Tensor:
    return torch.tensor(in_page(page, "decoded", pack_decoder(vae), z)).reshape(-1, *vae.shape)


def encoded(page: Any, vae: BetaVAE, x: Tensor) -> tuple[Tensor, Tensor]:
    rows = in_page(page, "encoded", pack_encoder(vae), x)
    return torch.tensor([row["mean"] for row in rows]), torch.tensor([row["scale"] for row in rows])


def agrees(page: Any, vae: BetaVAE, x: Tensor) -> None:
    """Both halves of a model give in the page what they give in torch, with the weights that the page has."""
    z = torch.cat([torch.zeros(1, vae.latent_dim), 2 * torch.randn(2, vae.latent_dim)])
    same = with_half_weights(vae) if pack_decoder(vae)["dtype"] == "float16" else vae
    assert_close(decoded(page, vae, z), images_of(same, z), atol=1e-5, rtol=1e-5)
    expected = codes.encode(same, x)
    loc, scale = encoded(page, vae, x)
    assert_close(loc, expected.loc, atol=1e-5, rtol=1e-5)
    assert_close(scale, expected.scale, atol=1e-5, rtol=1e-5)


def spread(vae: BetaVAE, factor: float = 20.0) -> BetaVAE:
    """A model whose decoder's outputs cover what a trained one's do."""
    with torch.no_grad():
        next(vae.decoder.parameters()).mul_(factor)
    return vae


@pytest.mark.parametrize("options", NETWORKS, ids=str)
def test_every_network_gives_what_torch_gives(scripts: Any, options: dict[str, Any]) -> None:
    agrees(scripts, BetaVAE(latent_dim=5, **options), torch.rand(2, *options["shape"]))


@pytest.mark.parametrize("shape", [(1, 3, 4), (3, 2, 2), (5,)])
@pytest.mark.parametrize("name", list(LIKELIHOODS))
def test_every_likelihood_has_the_mean_that_it_has_in_torch(scripts: Any, name: str, shape: tuple[int, ...]) -> None:
    vae = spread(BetaVAE(shape, 2, hidden=(), decoder_hidden=(), likelihood=name))
    agrees(scripts, vae, torch.rand(2, *shape).round())


@pytest.mark.parametrize("shape", [(1, 3, 4), (5,)])
@pytest.mark.parametrize("link", ["sigmoid", "identity"])
def test_every_link_is_followed(scripts: Any, link: str, shape: tuple[int, ...]) -> None:
    for name in ("gaussian", "gaussian-heteroscedastic", "laplace-learned"):
        vae = BetaVAE(shape, 2, hidden=(), decoder_hidden=(), likelihood=name, mean_link=link)
        agrees(scripts, spread(vae), torch.rand(2, *shape))


def test_standardised_families_are_in_the_datas_units(scripts: Any) -> None:
    loc, scale = torch.tensor([100.0, 0.0, -3.0]), torch.tensor([20.0, 1e-3, 1.0])
    families = [family for name in LIKELIHOODS if takes_standardised(family := build(name, (3,)))]
    assert len(families) > 3
    for family in families:
        vae = BetaVAE((3,), 2, hidden=(4,), likelihood=Standardised(family, loc, scale))
        agrees(scripts, vae, loc + scale * torch.randn(4, 3))


@pytest.mark.parametrize("network", ["mlp", "conv"])
def test_single_precision_replaces_half_where_weights_overflow(scripts: Any, network: str) -> None:
    vae = spread(BetaVAE((1, 16, 16), 2, network=network, hidden=(4,), likelihood="gaussian"), 1e6)
    assert pack_decoder(vae)["dtype"] == "float32"
    z = torch.randn(3, 2) / 1e6
    assert_close(decoded(scripts, vae, z), images_of(vae, z), atol=1e-5, rtol=1e-5)


def test_a_trained_scale_of_levels_is_followed_from_narrow_to_wide(scripts: Any) -> None:
    vae = BetaVAE((40,), 2, hidden=(), decoder_hidden=(), likelihood="discretized-logistic")
    places, widths = zip(*product((-0.6, -0.5, -0.1, 0.0137, 0.5), torch.linspace(-12, 8, 8).tolist()), strict=True)
    with torch.no_grad():
        vae.decoder.layers[0].bias.copy_(torch.tensor([*places, *widths]))
    agrees(scripts, vae, torch.rand(1, 40))


@pytest.mark.parametrize("name", list(LIKELIHOODS))
def test_draws_have_the_mean_and_deviation_of_the_family(scripts: Any, name: str) -> None:
    vae = with_half_weights(spread(BetaVAE((6,), 2, hidden=(), decoder_hidden=(), likelihood=name), 3.0)).eval()
    z = torch.randn(1, 2)
    moments = f"""(packed, z) => {{
        const [outputs, random] = [networkOf(packed).run(z), randomOf(3)];
        const draws = Array.from({{length: {DRAWS}}}, () => drawOf(outputs, packed.likelihood, random));
        const mean = (number) => Array.from(draws[0], (_, i) =>
            draws.reduce((total, draw) => total + number(draw[i]), 0) / draws.length);
        return [mean((value) => value), mean((value) => value ** 2)];
    }}"""
    mean, squares = torch.tensor(in_page(scripts, moments, pack_decoder(vae), z)[0], dtype=torch.float64)
    with torch.no_grad():
        p = vae.decode(z)
    deviation = p.variance[0].double().sqrt()
    assert ((mean - p.mean[0]).abs() <= 5 * deviation / DRAWS**0.5 + 1e-6).all()
    assert_close((squares - mean.square()).sqrt(), deviation, rtol=0.1, atol=1e-4)


def test_the_same_seed_gives_the_same_draw(scripts: Any, vae: BetaVAE) -> None:
    draw = "(packed, z) => [1, 1, 2].map((seed) => drawOf(networkOf(packed).run(z), packed.likelihood, randomOf(seed)))"
    ((one, same, other),) = in_page(scripts, draw, pack_decoder(vae), torch.zeros(1, 3))
    assert one == same != other
    assert set(one) <= {0, 1}


def test_a_picture_of_a_binarised_run_has_one_code(scripts: Any) -> None:
    vae = BetaVAE((1, 4, 4), 2, hidden=(5,), likelihood="binarized-bernoulli")
    grey = torch.full((1, 1, 4, 4), 0.5)
    (first, _), (second, _) = encoded(scripts, vae, grey), encoded(scripts, vae, grey)
    assert torch.equal(first, second)
    assert not torch.allclose(first, encoded(scripts, vae, torch.ones(1, 1, 4, 4))[0])


def test_means_stay_as_they_are_while_others_are_decoded(scripts: Any) -> None:
    vae = BetaVAE((1, 16, 16), 2, network="conv", hidden=(4,))
    kept = "(packed, z) => { const one = decoded(packed, z); decoded(packed, z.map((v) => v + 1)); return one; }"
    z = torch.randn(3, 2)
    once = torch.tensor(in_page(scripts, kept, pack_decoder(vae), z)).reshape(-1, *vae.shape)
    assert torch.equal(once, decoded(scripts, vae, z))


def test_all_halves_are_read_as_numpy_reads_them(scripts: Any) -> None:
    expected = np.arange(2**16, dtype=np.uint16).view(np.float16).astype(np.float32)
    np.testing.assert_array_equal(scripts.evaluate("Array.from(HALVES)"), expected)
