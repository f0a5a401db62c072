"""The pair of networks of disentanglement_lib, on which the field has compared its objectives since 2019.

Source: Locatello et al., Challenging common assumptions in the unsupervised learning of disentangled representations,
https://arxiv.org/abs/1811.12359
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod

from torch import Tensor, nn

from .layers import ACTIVATIONS, ImageEncoder, dense, doublings, halvings

__all__ = ["LocatelloDecoder", "LocatelloEncoder"]

WITH_OVERLAP = 2  # convolutions of kernel 4 and 32 channels; the others have kernel 2 and 64 channels


class LocatelloEncoder(ImageEncoder):
    """Convolutions of stride 2 until the shorter side is at most 4; a dense layer.

    At 64×64: 32, 32, 64 and 64 channels, with kernels 4, 4, 2 and 2, to 64×4×4; a dense layer of 256, one linear layer
    to 2K. Larger images have more layers like the last, smaller ones fewer.

    Args:
        shape: ``(C, H, W)``, both sides at least 16.
        latent_dim: Number of latents, K.
        hidden: Widths of the dense layers.
        context: Numbers for the posterior beside mean and log-variance, of the same last layer.

    Raises:
        ValueError: The data are vectors, or a side is below 16.
    """

    def __init__(self, shape: Sequence[int], latent_dim: int, hidden: Sequence[int] = (256,), context: int = 0) -> None:
        sides = halvings(shape, "locatello")
        channels = [shape[0], *[32] * WITH_OVERLAP, *[64] * (len(sides) - 1 - WITH_OVERLAP)]
        convolutions: list[nn.Module] = []
        for number, pair in enumerate(pairwise(channels)):
            kernel, padding = (4, 1) if number < WITH_OVERLAP else (2, 0)
            convolutions += [nn.Conv2d(*pair, kernel, stride=2, padding=padding), nn.ReLU()]
        widths = [channels[-1] * prod(sides[-1]), *hidden]
        super().__init__([*convolutions, nn.Flatten(), *dense(widths)], widths[-1], latent_dim, context)


class LocatelloDecoder(nn.Module):
    """Dense layers to the smallest map, of 64 channels, then transposed convolutions: 64, 32, 32, ..., C channels.

    At 64×64: dense 256, dense 1024 as 64×4×4, 64 channels at 8×8, 32 at 16×16, 32 at 32×32, C at 64×64, with kernel 4
    and stride 2. The output padding restores odd sides.

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
        sides = halvings(shape, "locatello")[::-1]
        activate = ACTIVATIONS[activation]
        channels = [64, 64, *[32] * (len(sides) - 3), shape[0]]
        widths = [latent_dim, *hidden]
        to_map = [nn.Linear(widths[-1], 64 * prod(sides[0])), nn.Unflatten(1, (64, *sides[0]))]
        self.layers = nn.Sequential(
            *dense(widths, activate), *to_map, *doublings(channels, sides, lambda _: [activate()])
        )

    def forward(self, z: Tensor) -> Tensor:
        """Parameters ``(B, C, H, W)`` of latents ``(B, K)``."""
        return self.layers(z)
