"""Encoders and decoders, sized from the data.

An encoder maps data ``x`` of shape ``(B, *shape)`` to the pair ``(loc, log_variance)`` of a diagonal Gaussian over the
latents, each ``(B, K)``; a posterior that wants context gets it as a third tensor, ``(B, context)``. A decoder maps
latents ``z`` of shape ``(B, K)`` to the unconstrained parameters of the likelihood, ``(B, *shape)`` for one parameter a
value; a family with P parameters asks for P times the channels (or features). ``shape`` is ``(C, H, W)`` for images and
``(D,)`` for vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from operator import index
from typing import Any

from torch import Tensor, nn

__all__ = [
    "ACTIVATIONS",
    "NETWORKS",
    "ConvDecoder",
    "ConvEncoder",
    "MLPDecoder",
    "MLPEncoder",
    "Network",
    "SizedNetwork",
]


ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh}


class MLPEncoder(nn.Module):
    """Fully connected layers with ReLU, then one linear head for the mean and one for the log-variance.

    Args:
        shape: Shape of one datum.
        latent_dim: Number of latents, K.
        hidden: Widths of the hidden layers; none makes the encoder linear.
        context: Numbers for the posterior beside mean and log-variance, from a head of their own.
    """

    def __init__(self, shape: Sequence[int], latent_dim: int, hidden: Sequence[int] = (400,), context: int = 0) -> None:
        super().__init__()
        widths = [prod(shape), *hidden]
        self.hidden = nn.Sequential(nn.Flatten(), *_dense(widths))
        self.loc = nn.Linear(widths[-1], latent_dim)
        self.log_variance = nn.Linear(widths[-1], latent_dim)
        self.context = nn.Linear(widths[-1], context) if context else None

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Mean and log-variance of q(z | x), each ``(B, K)``, of data ``(B, *shape)``; then context, if wanted."""
        h = self.hidden(x)
        heads = (self.loc, self.log_variance, self.context)
        return tuple(head(h) for head in heads if head is not None)


class MLPDecoder(nn.Module):
    """Fully connected layers, then one linear layer to the parameters.

    Args:
        latent_dim: Number of latents, K.
        shape: Shape of the parameters of one datum.
        hidden: Widths of the hidden layers, from the latents on.
        activation: A key of `ACTIVATIONS`.
    """

    def __init__(
        self, latent_dim: int, shape: Sequence[int], hidden: Sequence[int] = (400,), activation: str = "relu"
    ) -> None:
        super().__init__()
        widths = [latent_dim, *hidden]
        dense = _dense(widths, ACTIVATIONS[activation])
        self.layers = nn.Sequential(*dense, nn.Linear(widths[-1], prod(shape)), nn.Unflatten(1, tuple(shape)))

    def forward(self, z: Tensor) -> Tensor:
        """Parameters ``(B, *shape)`` of latents ``(B, K)``."""
        return self.layers(z)


class ConvEncoder(nn.Module):
    """Convolutions of 32 channels, kernel 4, stride 2, padding 1, until the shorter side is at most 4; dense layers.

    At 64×64: four convolutions to 32×4×4, two dense layers of 256, one linear layer to 2K.

    Source: Burgess et al., Understanding disentangling in β-VAE, https://arxiv.org/abs/1804.03599

    Args:
        shape: ``(C, H, W)``, both sides at least 16.
        latent_dim: Number of latents, K.
        hidden: Widths of the dense layers.
        context: Numbers for the posterior beside mean and log-variance, of the same last layer.

    Raises:
        ValueError: The data are vectors, or a side is below 16.
    """

    def __init__(
        self, shape: Sequence[int], latent_dim: int, hidden: Sequence[int] = (256, 256), context: int = 0
    ) -> None:
        super().__init__()
        self.parts = [latent_dim, latent_dim, context] if context else [latent_dim, latent_dim]
        sides = _halvings(shape)
        channels = [shape[0], *[32] * (len(sides) - 1)]
        convolutions = [
            layer for pair in pairwise(channels) for layer in (nn.Conv2d(*pair, 4, stride=2, padding=1), nn.ReLU())
        ]
        widths = [32 * prod(sides[-1]), *hidden]
        dense = _dense(widths)
        self.layers = nn.Sequential(*convolutions, nn.Flatten(), *dense, nn.Linear(widths[-1], sum(self.parts)))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Mean and log-variance of q(z | x), each ``(B, K)``, of images ``(B, C, H, W)``; then context, if wanted."""
        return self.layers(x).split(self.parts, dim=-1)


class ConvDecoder(nn.Module):
    """Dense layers, a transposed convolution to the smallest map, then one a doubling: 64, 64, 32, ..., C channels.

    At 64×64: dense 256, 64 channels at 4×4 (kernel 4), 64 at 8×8, 32 at 16×16, 32 at 32×32, C at 64×64 (kernel 4,
    stride 2, padding 1). The output padding restores odd sides.

    Args:
        latent_dim: Number of latents, K.
        shape: Shape of the parameters of one image.
        hidden: Widths of the dense layers, at least one, from the latents on.
        activation: A key of `ACTIVATIONS`, for all layers.

    Raises:
        ValueError: The data are vectors, a side is below 16, or there is no dense layer.
    """

    def __init__(
        self, latent_dim: int, shape: Sequence[int], hidden: Sequence[int] = (256,), activation: str = "relu"
    ) -> None:
        super().__init__()
        if not hidden:
            raise ValueError("the conv decoder wants at least one dense layer: give `decoder_hidden` a width")
        sides = _halvings(shape)[::-1]
        activate = ACTIVATIONS[activation]
        layers = [*_dense([latent_dim, *hidden], activate), nn.Unflatten(1, (hidden[-1], 1, 1))]
        layers += [nn.ConvTranspose2d(hidden[-1], 64, sides[0])]
        channels = [64, 64, *[32] * (len(sides) - 3), shape[0]]
        for pair, (small, large) in zip(pairwise(channels), pairwise(sides), strict=True):
            odd = (large[0] - 2 * small[0], large[1] - 2 * small[1])
            layers += [activate(), nn.ConvTranspose2d(*pair, 4, stride=2, padding=1, output_padding=odd)]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        """Parameters ``(B, C, H, W)`` of latents ``(B, K)``."""
        return self.layers(z)


@dataclass(frozen=True)
class Network:
    """An encoder and a decoder, and the widths of their dense layers by default.

    Attributes:
        encoder: A function that makes the encoder from shape, K, widths and numbers of context.
        decoder: A function that makes the decoder from K, shape, widths and activation.
        hidden: The encoder's default widths.
        mirrored: A function from the encoder's widths to the decoder's default ones.
    """

    encoder: Callable[[Sequence[int], int, Sequence[int], int], nn.Module]
    decoder: Callable[[int, Sequence[int], Sequence[int], str], nn.Module]
    hidden: tuple[int, ...]
    mirrored: Callable[[tuple[int, ...]], tuple[int, ...]]

    def sized(
        self, hidden: Sequence[int] | None, decoder_hidden: Sequence[int] | None, decoder_activation: str
    ) -> SizedNetwork:
        """The network with these widths. For None the encoder has the default ones, and the decoder the encoder's.

        Raises:
            ValueError: A width is below 1.
        """
        widths = self.hidden if hidden is None else _checked_widths(hidden)
        decoder_widths = self.mirrored(widths) if decoder_hidden is None else _checked_widths(decoder_hidden)
        return SizedNetwork(self, widths, decoder_widths, decoder_activation)


@dataclass(frozen=True)
class SizedNetwork:
    """A network with its widths, which makes encoders and decoders for data of any shape."""

    network: Network
    hidden: tuple[int, ...]
    decoder_hidden: tuple[int, ...]
    decoder_activation: str

    def encoder(self, shape: Sequence[int], latent_dim: int, context: int = 0) -> nn.Module:
        """A new encoder of data of that shape."""
        return self.network.encoder(shape, latent_dim, self.hidden, context)

    def decoder(self, latent_dim: int, shape: Sequence[int]) -> nn.Module:
        """A new decoder to parameters of that shape."""
        return self.network.decoder(latent_dim, shape, self.decoder_hidden, self.decoder_activation)

    @property
    def settings(self) -> dict[str, Any]:
        """The widths and the activation, as a config.json has them."""
        widths = {"hidden": list(self.hidden), "decoder_hidden": list(self.decoder_hidden)}
        return {**widths, "decoder_activation": self.decoder_activation}


NETWORKS = {
    "mlp": Network(MLPEncoder, MLPDecoder, (400,), mirrored=lambda hidden: hidden[::-1]),
    "conv": Network(ConvEncoder, ConvDecoder, (256, 256), mirrored=lambda hidden: hidden[:1] or (256,)),
}


def _checked_widths(hidden: Sequence[int]) -> tuple[int, ...]:
    widths = tuple(index(width) for width in hidden)
    if any(width < 1 for width in widths):
        raise ValueError(f"hidden widths must be at least 1, got {widths}")
    return widths


def _dense(widths: Sequence[int], activation: type[nn.Module] = nn.ReLU) -> list[nn.Module]:
    return [layer for pair in pairwise(widths) for layer in (nn.Linear(*pair), activation())]


def _halvings(shape: Sequence[int]) -> list[tuple[int, int]]:
    """Heights and widths from the image down to the smallest map, whose shorter side is at most 4."""
    if len(shape) != 3 or min(shape[1:]) < 16:
        raise ValueError(
            f"conv wants images (C, H, W) with sides of at least 16, got shape {tuple(shape)}; use `network='mlp'`"
        )
    sides = [(shape[1], shape[2])]
    while min(sides[-1]) > 4:
        sides.append((sides[-1][0] // 2, sides[-1][1] // 2))
    return sides
