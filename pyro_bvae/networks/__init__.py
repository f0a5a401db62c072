"""Encoders and decoders, sized from the data.

An encoder maps data ``x`` of shape ``(B, *shape)`` to the pair ``(loc, log_variance)`` of a diagonal Gaussian over the
latents, each ``(B, K)``; a posterior that wants context gets it as a third tensor, ``(B, context)``. A decoder maps
latents ``z`` of shape ``(B, K)`` to the unconstrained parameters of the likelihood, ``(B, *shape)`` for one parameter a
value; a family with P parameters asks for P times the channels (or features). ``shape`` is ``(C, H, W)`` for images and
``(D,)`` for vectors.

To add a network, write an encoder, a decoder, or both, and one entry of `NETWORKS`.

>>> network_of("conv", decoder="broadcast").decoder is BroadcastDecoder
True
"""

from __future__ import annotations

from dataclasses import replace

from ..settings.names import check
from .broadcast import Broadcast, BroadcastDecoder
from .conv import ConvDecoder, ConvEncoder
from .layers import ACTIVATIONS, ImageEncoder
from .locatello import LocatelloDecoder, LocatelloEncoder
from .mlp import MLPDecoder, MLPEncoder
from .network import Network, SizedNetwork
from .resnet import ResidualBlock, ResNetDecoder, ResNetEncoder

__all__ = [
    "ACTIVATIONS",
    "NETWORKS",
    "Broadcast",
    "BroadcastDecoder",
    "ConvDecoder",
    "ConvEncoder",
    "ImageEncoder",
    "LocatelloDecoder",
    "LocatelloEncoder",
    "MLPDecoder",
    "MLPEncoder",
    "Network",
    "ResNetDecoder",
    "ResNetEncoder",
    "ResidualBlock",
    "SizedNetwork",
    "network_of",
]

NETWORKS = {
    "mlp": Network(MLPEncoder, MLPDecoder, (400,), mirrored=lambda hidden: hidden[::-1]),
    "conv": Network(ConvEncoder, ConvDecoder, (256, 256), mirrored=lambda hidden: hidden[:1] or (256,)),
    "locatello": Network(LocatelloEncoder, LocatelloDecoder, (256,), mirrored=lambda hidden: hidden[::-1]),
    "resnet": Network(ResNetEncoder, ResNetDecoder, (256,), mirrored=lambda hidden: hidden[::-1]),
    "broadcast": Network(ConvEncoder, BroadcastDecoder, (256, 256), mirrored=lambda _: ()),
}


def network_of(name: str, decoder: str | None = None) -> Network:
    """The network of that name; with a second name, its encoder and the decoder of the other one.

    Args:
        name: A key of `NETWORKS`.
        decoder: Likewise; None for the network's own decoder.

    Raises:
        ValueError: A name is unknown.
    """
    network = NETWORKS[check("network", name, NETWORKS)]
    other = network if decoder is None else NETWORKS[check("decoder", decoder, NETWORKS)]
    return replace(network, decoder=other.decoder, mirrored=other.mirrored)
