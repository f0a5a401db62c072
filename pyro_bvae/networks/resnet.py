"""Residual networks for larger pictures: the narrower a map, the more channels, and a residual block on each.

Each map has half the sides of the one before and up to twice its channels, so that all cost about as much. A block adds
to a map what two convolutions make of it, and a deep network trains as a shallow one does. What is normalised is each
image by itself, in groups of channels: results do not depend on what else is in a batch, be it of one image, and a code
is the same in training and after it, as with batch normalisation it is not.

Source: He et al., Identity mappings in deep residual networks, https://arxiv.org/abs/1603.05027
Source: Wu and He, Group normalization, https://arxiv.org/abs/1803.08494
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod

from torch import Tensor, nn

from .layers import ACTIVATIONS, ImageEncoder, dense, doublings, halvings

__all__ = ["ResNetDecoder", "ResNetEncoder", "ResidualBlock"]

GROUPS = 8  # of channels that are normalised together
FEWEST, MOST = 16, 256  # channels of a map
CHANNELS_TIMES_SIDE = 512  # 16 channels at a side of 32, 128 at 4


class ResidualBlock(nn.Module):
    """x + f(x), where f is twice a normalisation, an activation and a convolution of kernel 3.

    Args:
        channels: Of the map, a multiple of 8.
        activation: Of the two.
    """

    def __init__(self, channels: int, activation: type[nn.Module] = nn.ReLU) -> None:
        super().__init__()
        halves = [
            (nn.GroupNorm(GROUPS, channels), activation(), nn.Conv2d(channels, channels, 3, padding=1))
            for _ in range(2)
        ]
        self.layers = nn.Sequential(*halves[0], *halves[1])

    def forward(self, x: Tensor) -> Tensor:
        """A map of the same shape, ``(B, channels, H, W)``."""
        return x + self.layers(x)


class ResNetEncoder(ImageEncoder):
    """Convolutions of kernel 4 and stride 2, each with a residual block, until the shorter side is at most 4; dense.

    At 64×64: 16 channels at 32×32, 32 at 16×16, 64 at 8×8, 128 at 4×4, a normalisation, a dense layer of 256, one
    linear layer to 2K. Images of 256×256 begin with 16 channels at 128×128 and at 64×64.

    Args:
        shape: ``(C, H, W)``, both sides at least 16.
        latent_dim: Number of latents, K.
        hidden: Widths of the dense layers.
        context: Numbers for the posterior beside mean and log-variance, of the same last layer.

    Raises:
        ValueError: The data are vectors, or a side is below 16.
    """

    def __init__(self, shape: Sequence[int], latent_dim: int, hidden: Sequence[int] = (256,), context: int = 0) -> None:
        maps = halvings(shape, "resnet")[1:]
        channels = [shape[0], *map(channels_at, maps)]
        layers: list[nn.Module] = []
        for pair in pairwise(channels):
            layers += [nn.Conv2d(*pair, 4, stride=2, padding=1), ResidualBlock(pair[1])]
        layers += [nn.GroupNorm(GROUPS, channels[-1]), nn.ReLU(), nn.Flatten()]
        widths = [channels[-1] * prod(maps[-1]), *hidden]
        super().__init__([*layers, *dense(widths)], widths[-1], latent_dim, context)


class ResNetDecoder(nn.Module):
    """The encoder mirrored: dense layers to the smallest map, then a residual block and a transposed convolution each.

    The transposed convolutions have kernel 4 and stride 2; the output padding restores odd sides.

    Args:
        latent_dim: Number of latents, K.
        shape: Shape of the parameters of one image.
        hidden: Widths of the dense layers before that of the map, from the latents on.
        activation: A key of `ACTIVATIONS`, for all layers.

    Raises:
        ValueError: The data are vectors, or a side is below 16.
    """

    def __init__(
        self, latent_dim: int, shape: Sequence[int], hidden: Sequence[int] = (256,), activation: str = "relu"
    ) -> None:
        super().__init__()
        activate = ACTIVATIONS[activation]
        image, *maps = halvings(shape, "resnet")
        sides, channels = [*maps[::-1], image], [*map(channels_at, maps[::-1]), shape[0]]
        widths = [latent_dim, *hidden]
        layers = dense(widths, activate)
        layers += [nn.Linear(widths[-1], channels[0] * prod(sides[0])), nn.Unflatten(1, (channels[0], *sides[0]))]

        def before(width: int) -> list[nn.Module]:
            return [ResidualBlock(width, activate), nn.GroupNorm(GROUPS, width), activate()]

        self.layers = nn.Sequential(*layers, *doublings(channels, sides, before))

    def forward(self, z: Tensor) -> Tensor:
        """Parameters ``(B, C, H, W)`` of latents ``(B, K)``."""
        return self.layers(z)


def channels_at(sides: tuple[int, int]) -> int:
    """Channels of a map with these sides: 512 over the shorter one, in eights, from 16 to 256.

    >>> [channels_at((side, side)) for side in (128, 32, 16, 8, 7, 4, 2)]
    [16, 16, 32, 64, 72, 128, 256]
    """
    wanted = CHANNELS_TIMES_SIDE // min(sides) // GROUPS * GROUPS
    return min(max(wanted, FEWEST), MOST)
