"""The pair of convolutional networks of the β-VAE's later papers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod

from torch import Tensor, nn

from .layers import ACTIVATIONS, ImageEncoder, dense, doublings, halvings

__all__ = ["ConvDecoder", "ConvEncoder"]


class ConvEncoder(ImageEncoder):
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
        sides = halvings(shape, "conv")
        channels = [shape[0], *[32] * (len(sides) - 1)]
        convolutions = [
            layer for pair in pairwise(channels) for layer in (nn.Conv2d(*pair, 4, stride=2, padding=1), nn.ReLU())
        ]
        widths = [32 * prod(sides[-1]), *hidden]
        super().__init__([*convolutions, nn.Flatten(), *dense(widths)], widths[-1], latent_dim, context)


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
        sides = halvings(shape, "conv")[::-1]
        activate = ACTIVATIONS[activation]
        layers = [*dense([latent_dim, *hidden], activate), nn.Unflatten(1, (hidden[-1], 1, 1))]
        layers += [nn.ConvTranspose2d(hidden[-1], 64, sides[0])]
        channels = [64, 64, *[32] * (len(sides) - 3), shape[0]]
        self.layers = nn.Sequential(*layers, *doublings(channels, sides, lambda _: [activate()]))

    def forward(self, z: Tensor) -> Tensor:
        """Parameters ``(B, C, H, W)`` of latents ``(B, K)``."""
        return self.layers(z)
