"""Packed networks are plain JSON with the weights of the model, and what cannot be packed says why."""

from __future__ import annotations

import copy
import json
from base64 import b64decode
from collections.abc import Callable
from typing import Any

import numpy as np
import pyro.distributions as dist
import pytest
import torch
from torch import nn

from pyro_bvae import BetaVAE
from pyro_bvae.likelihoods import LIKELIHOODS, Bernoulli, Standardised, build
from pyro_bvae.networks import NETWORKS
from pyro_bvae.pages.packing import UnpackableError, pack_decoder, pack_encoder

NUMBERS = {"float16": np.float16, "float32": np.float32}


def weights(packed: dict[str, Any]) -> list[np.ndarray]:
    flat = [inner for layer in packed["layers"] for inner in layer.get("layers", [layer])]
    texts = [layer[name] for layer in flat for name in ("weight", "bias") if name in layer]
    return [np.frombuffer(b64decode(text), NUMBERS[packed["dtype"]]) for text in texts]


def both(vae: BetaVAE) -> tuple[dict[str, Any], dict[str, Any]]:
    return pack_decoder(vae), pack_encoder(vae)


def refused(pack: Callable[[BetaVAE], Any], vae: BetaVAE) -> str | None:
    """Why a model cannot be packed; None if it can."""
    try:
        pack(vae)
    except UnpackableError as reason:
        return str(reason)
    return None


@pytest.mark.parametrize("network", list(NETWORKS))
@pytest.mark.parametrize("name", list(LIKELIHOODS))
def test_every_network_and_likelihood_packs_into_json(network: str, name: str) -> None:
    vae = BetaVAE((1, 16, 17), 3, network=network, hidden=(5,), likelihood=name)
    for packed, module in zip(both(vae), (vae.decoder, vae.encoder), strict=True):
        assert json.loads(json.dumps(packed, allow_nan=False)) == packed
        assert sum(array.size for array in weights(packed)) == sum(each.numel() for each in module.parameters())
        assert sum(array.nbytes for array in weights(packed)) == packed["bytes"]
    assert pack_decoder(vae)["likelihood"]["name"] == name


def test_weights_are_the_models_rounded_to_half_precision(vae: BetaVAE) -> None:
    (first, bias, *_), (_, _, heads, _) = map(weights, both(vae))
    assert np.array_equal(first.reshape(3, 20), vae.decoder.layers[0].weight.detach().half().numpy().T)
    assert np.array_equal(bias, vae.decoder.layers[0].bias.detach().half().numpy())
    loc, log_variance = (head.weight.detach().half().numpy().T for head in (vae.encoder.loc, vae.encoder.log_variance))
    assert np.array_equal(heads.reshape(20, 6), np.hstack([loc, log_variance]))


@pytest.mark.parametrize(
    ("factor", "dtype"), [(1.0, "float16"), (1e-3, "float16"), (1e6, "float32"), (1e-7, "float32"), (0.0, "float16")]
)
def test_weights_are_single_where_half_precision_overflows_or_loses(vae: BetaVAE, factor: float, dtype: str) -> None:
    half = pack_decoder(vae)["bytes"]
    with torch.no_grad():
        vae.decoder.layers[0].weight *= factor
    packed = pack_decoder(vae)
    assert packed["dtype"] == dtype
    assert packed["bytes"] == half * (2 if dtype == "float32" else 1)
    assert all(np.isfinite(array).all() for array in weights(packed))


def test_a_model_in_double_precision_packs_the_same(vae: BetaVAE) -> None:
    assert both(copy.deepcopy(vae).double()) == both(vae)


def test_a_trained_scale_and_the_units_of_a_table_are_packed() -> None:
    learned = pack_decoder(BetaVAE((4,), 2, likelihood="gaussian-learned", scale=0.5))["likelihood"]
    assert (learned["scale"], learned["mean_link"]) == (pytest.approx(0.5), "identity")
    units = Standardised(build("laplace", (2,)), torch.tensor([1.0, 2.0]), 3.0)
    vae = BetaVAE((2,), 2, likelihood=units)
    packed = {name: b64decode(text) for name, text in pack_encoder(vae)["standardise"].items()}
    assert np.frombuffer(packed["loc"], np.float32).tolist() == [1, 2]
    assert np.frombuffer(packed["scale"], np.float32).tolist() == [3, 3]
    assert pack_decoder(vae)["likelihood"]["standardise"] == pack_encoder(vae)["standardise"]


class OwnDecode(BetaVAE):
    def decode(self, z: torch.Tensor) -> Any:
        return super().decode(z)


class OwnGuide(BetaVAE):
    def guide(self, x: torch.Tensor) -> torch.Tensor:
        return super().guide(x)


class OwnLikelihood(Bernoulli):
    pass


def with_gelu(vae: BetaVAE) -> BetaVAE:
    vae.decoder.layers[1] = nn.GELU()
    return vae


def with_hook(vae: BetaVAE) -> BetaVAE:
    vae.decoder.layers[1].register_forward_hook(lambda *passed: 2 * passed[-1])
    return vae


@pytest.mark.parametrize(
    ("vae", "decoder", "encoder"),
    [
        (OwnDecode((4,), 2), "the model has its own decode", None),
        (OwnGuide((4,), 2), None, "the model has its own guide"),
        (BetaVAE((4,), 2, decoder=nn.Linear(2, 4)), "the decoder is a custom module (Linear)", None),
        (BetaVAE((4,), 2, likelihood=OwnLikelihood((4,))), *2 * ["the likelihood is a custom module (OwnLikelihood)"]),
        (with_gelu(BetaVAE((4,), 2)), "the decoder has a layer of another kind (GELU)", None),
        (with_hook(BetaVAE((4,), 2)), "the decoder has hooks", None),
        (BetaVAE((4,), 2, prior=lambda: dist.Laplace(torch.zeros(2), 1.0).to_event(1)), None, None),
    ],
)
def test_what_is_not_the_packages_own_says_so(vae: BetaVAE, decoder: str | None, encoder: str | None) -> None:
    assert refused(pack_decoder, vae) == decoder
    assert refused(pack_encoder, vae) == encoder


def test_a_method_put_in_place_of_the_models_own_is_noticed(vae: BetaVAE) -> None:
    vae.decode = lambda z: dist.Normal(z, 1.0)  # type: ignore[method-assign]
    assert refused(pack_decoder, vae) == "the model has its own decode"
