"""Encoders and decoders, sized from the data.

An encoder maps data ``x`` of shape ``(B, *shape)`` to the pair ``(loc, log_variance)`` of a diagonal Gaussian over the
latents, each ``(B, K)``; a posterior that wants context gets it as a third tensor, ``(B, context)``. A decoder maps
latents ``z`` of shape ``(B, K)`` to the unconstrained parameters of the likelihood, ``(B, *shape)`` for one parameter a
value; a family with P parameters asks for P times the channels (or features). ``shape`` is ``(C, H, W)`` for images and
``(D,)`` for vectors.

To add a network, write an encoder, a decoder, or both, and one entry of `NETWORKS`.
"""

from __future__ import annotations

from .conv import ConvDecoder, ConvEncoder
from .layers import ACTIVATIONS, ImageEncoder
from .mlp import MLPDecoder, MLPEncoder
from .network import Network, SizedNetwork

__all__ = [
    "ACTIVATIONS",
    "NETWORKS",
    "ConvDecoder",
    "ConvEncoder",
    "ImageEncoder",
    "MLPDecoder",
    "MLPEncoder",
    "Network",
    "SizedNetwork",
]

NETWORKS = {
    "mlp": Network(MLPEncoder, MLPDecoder, (400,), mirrored=lambda hidden: hidden[::-1]),
    "conv": Network(ConvEncoder, ConvDecoder, (256, 256), mirrored=lambda hidden: hidden[:1] or (256,)),
}
