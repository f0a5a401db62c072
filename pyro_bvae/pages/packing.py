"""Encoders and decoders as plain layers, so that a page can run them without torch.

A packed network is plain JSON: a list of layers with their sizes, and their weights as base64. The weights are float16
where rounding costs none of them more than half the last of its 11 bits, as large as they are in the greatest weight of
the tensor, and float32 where it would. They are laid so that the outputs of one input are neighbours: a linear layer's
as ``[in][out]``, a convolution's as ``[y][x][in][out]``, a transposed one's as ``[y][in][x][out]``.

``static/network.js`` runs them: its mean of p(x | z), and its mean and scale of q(z | x), are those of `BetaVAE`.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Container, Sequence
from math import isfinite
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map_only

from ..likelihoods import LIKELIHOODS, BinarizedBernoulli, Standardised, family_of
from ..model import BetaVAE
from ..networks import (
    Broadcast,
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
from ..posteriors import Diagonal

__all__ = ["UnpackableError", "base64_of", "pack_decoder", "pack_encoder"]


class UnpackableError(ValueError):
    """A model cannot be run by a page; the message says why in a few words, for the page to show."""


def pack_decoder(vae: BetaVAE) -> dict[str, Any]:
    """The decoder, from latents to the parameters of the likelihood, and what the mean of p(x | z) is made of.

    Args:
        vae: The programs, of any dtype, on any device.

    Returns:
        ``layers``, ``dtype``, ``input`` and ``output`` shapes, ``bytes`` of the weights, and ``likelihood``: its name,
        number of ``outputs`` for each value, link, scale, and the units of a `Standardised`.

    Raises:
        UnpackableError: A part is not the package's own.

    >>> packed = pack_decoder(BetaVAE((4,), 2, hidden=(3,), likelihood="gaussian"))
    >>> [layer["kind"] for layer in packed["layers"]], packed["bytes"]
    (['linear', 'relu', 'linear', 'unflatten'], 50)
    """
    _check_own(vae, "decode", "model")
    layers = _layers(vae.decoder, "decoder", DECODERS)
    return {**_packed(layers, (vae.latent_dim,), vae.parameter_shape), "likelihood": _likelihood(vae.likelihood)}


def pack_encoder(vae: BetaVAE) -> dict[str, Any]:
    """The encoder, from a datum to the K means and K log-variances of q(z | x).

    Args:
        vae: The programs, of any dtype, on any device.

    Returns:
        As for `pack_decoder`, with ``standardise``, the units that the encoder sees data in, or None, and
        ``binarised``, whether it sees draws of zeros and ones, in place of ``likelihood``.

    Raises:
        UnpackableError: A part is not the package's own.
    """
    _check_own(vae, "encode", "guide", "standardise", "prepare")
    if type(vae.posterior) is not Diagonal:
        raise UnpackableError(f"the posterior {type(vae.posterior).__name__} has another mean than the encoder returns")
    layers = _layers(vae.encoder, "encoder", ENCODERS)
    seen = {"standardise": _likelihood(vae.likelihood)["standardise"]}
    seen |= {"binarised": type(vae.likelihood) is BinarizedBernoulli}
    return {**_packed(layers, vae.shape, (2 * vae.latent_dim,)), **seen}


def base64_of(array: Tensor | np.ndarray, kind: str = "<f4") -> str:
    """An array as base64 of its numbers, by default of 32 bits, little endian.

    >>> base64_of(torch.ones(1), "<f2")
    'ADw='
    """
    numbers = array.detach().cpu().numpy() if isinstance(array, Tensor) else array
    return b64encode(np.ascontiguousarray(numbers, kind).tobytes()).decode()


def _check_own(vae: BetaVAE, *methods: str) -> None:
    for method in methods:
        if getattr(getattr(vae, method), "__func__", None) is not getattr(BetaVAE, method):
            raise UnpackableError(f"the model has its own {method}")


def _likelihood(likelihood: nn.Module) -> dict[str, Any]:
    names = {kind: name for name, kind in LIKELIHOODS.items()}
    _check_known("likelihood", likelihood, {*names, Standardised})
    family: Any = family_of(likelihood)
    _check_known("likelihood", family, names)
    scale = torch.as_tensor(getattr(family, "scale", torch.nan)).detach().item()
    return {
        "name": names[type(family)],
        "outputs": family.outputs_per_value,
        "mean_link": getattr(family, "mean_link", None),
        "scale": scale if isfinite(scale) else None,
        "standardise": _units(likelihood) if isinstance(likelihood, Standardised) else None,
    }


def _units(likelihood: Standardised) -> dict[str, str]:
    return {"loc": base64_of(likelihood.loc), "scale": base64_of(likelihood.scale)}


def _layers(network: Any, part: str, known: Sequence[type[nn.Module]]) -> list[dict[str, Any]]:
    """The layers of an encoder or decoder, weights as tensors; the two heads of an encoder are one."""
    _check_known(part, network, known)
    if not isinstance(network, MLPEncoder):
        return [_described(layer, part) for layer in network.layers]
    loc, log_variance = (_described(head, part) for head in (network.loc, network.log_variance))
    joined = {name: torch.cat([loc[name], log_variance[name]], dim=-1) for name in ("weight", "bias")}
    return [*(_described(layer, part) for layer in network.hidden), {**loc, "out": 2 * loc["out"], **joined}]


def _described(layer: Any, part: str) -> dict[str, Any]:
    kind = type(layer)
    if kind not in LAYERS:
        raise UnpackableError(f"the {part} has a layer of another kind ({kind.__name__})")
    if not _is_plain(layer):
        raise UnpackableError(f"the {part} has a layer with settings of its own ({kind.__name__})")
    name, describe = LAYERS[kind]
    return {"kind": name, **describe(layer)}


def _check_known(part: str, module: nn.Module, known: Container[type]) -> None:
    if type(module) not in known:
        raise UnpackableError(f"the {part} is a custom module ({type(module).__name__})")
    if any(inner._forward_hooks or inner._forward_pre_hooks for inner in module.modules()):
        raise UnpackableError(f"the {part} has hooks")


def _packed(layers: list[dict[str, Any]], taken: Sequence[int], given: Sequence[int]) -> dict[str, Any]:
    """The layers with their weights as text, all of one dtype."""
    weights = [leaf for leaf in tree_leaves(layers) if isinstance(leaf, Tensor)]
    dtype = "float16" if all(map(_fits_half, weights)) else "float32"
    texts = tree_map_only(Tensor, lambda weight: base64_of(weight, KINDS[dtype]), layers)
    size = sum(weight.numel() for weight in weights) * (2 if dtype == "float16" else 4)
    return {"layers": texts, "dtype": dtype, "input": list(taken), "output": list(given), "bytes": size}


def _fits_half(weight: Tensor) -> bool:
    """Whether half precision keeps every weight to half its last bit of the greatest; numbers too great become inf."""
    weight = weight.detach()
    rounding = (weight - weight.half().to(weight)).abs().max()
    return bool(rounding <= weight.abs().max() * 2**-11)


def _linear(layer: nn.Linear) -> dict[str, Any]:
    return {"in": layer.in_features, "out": layer.out_features, "weight": layer.weight.T, "bias": layer.bias}


def _convolution(layer: nn.Conv2d | nn.ConvTranspose2d, *order: int) -> dict[str, Any]:
    """Sizes of two sides each, and the weight with its axes in that order."""
    names = {"kernel": "kernel_size", "stride": "stride", "padding": "padding", "output_padding": "output_padding"}
    sizes = {name: list(getattr(layer, attribute)) for name, attribute in names.items()}
    channels = {"in": layer.in_channels, "out": layer.out_channels}
    return {**channels, **sizes, "weight": layer.weight.permute(order), "bias": layer.bias}


def _normalisation(layer: nn.GroupNorm) -> dict[str, Any]:
    return {"groups": layer.num_groups, "eps": layer.eps, "weight": layer.weight, "bias": layer.bias}


def _residual(layer: ResidualBlock) -> dict[str, Any]:
    return {"layers": [_described(inner, "residual block") for inner in layer.layers]}


def _is_plain(layer: Any) -> bool:
    """Whether a layer has the settings that a page supposes."""
    has_bias, has_sizes = getattr(layer, "bias", 0) is not None, not isinstance(getattr(layer, "padding", 0), str)
    return has_bias and has_sizes and all(getattr(layer, name, value) == value for name, value in PLAIN.items())


DECODERS = (MLPDecoder, ConvDecoder, LocatelloDecoder, ResNetDecoder, BroadcastDecoder)
ENCODERS = (MLPEncoder, ConvEncoder, LocatelloEncoder, ResNetEncoder)
KINDS = {"float16": "<f2", "float32": "<f4"}
PLAIN = {"dilation": (1, 1), "groups": 1, "padding_mode": "zeros"}  # what a page supposes of a convolution
LAYERS: dict[type[nn.Module], tuple[str, Callable[[Any], dict[str, Any]]]] = {
    nn.Linear: ("linear", _linear),
    nn.ReLU: ("relu", lambda _: {}),
    nn.Tanh: ("tanh", lambda _: {}),
    nn.Flatten: ("flatten", lambda _: {}),
    nn.Unflatten: ("unflatten", lambda layer: {"shape": list(layer.unflattened_size)}),
    nn.GroupNorm: ("group_norm", _normalisation),
    ResidualBlock: ("residual", _residual),
    Broadcast: ("broadcast", lambda layer: {"sides": list(layer.coordinates.shape[1:])}),
    nn.Conv2d: ("conv", lambda layer: _convolution(layer, 2, 3, 1, 0)),  # of (out, in, y, x)
    nn.ConvTranspose2d: ("conv_transpose", lambda layer: _convolution(layer, 2, 0, 3, 1)),  # of (in, out, y, x)
}
