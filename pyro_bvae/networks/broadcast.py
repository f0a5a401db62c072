"""The spatial broadcast decoder: latents laid out over the image, beside the coordinates of each pixel.

The convolutions have stride 1, so that each pixel is a function of z, of where it is, and of its neighbours. A position
is then a threshold on a coordinate, which one latent can move.

Source: Watters et al., Spatial broadcast decoder, https://arxiv.org/abs/1901.07017; numbers of layers, channels and
kernels are those of a public copy that an author helped with, https://github.com/dfdazac/vaesbd
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .layers import ACTIVATIONS, check_sides, dense

__all__ = ["Broadcast", "BroadcastDecoder"]

CHANNELS = (64, 64)


class Broadcast(nn.Module):
    """Vectors ``(B, K)`` at each pixel, with its two coordinates from −1 to 1: ``(B, K + 2, H, W)``.

    Args:
        height: H.
        width: W.

    >>> Broadcast(2, 3)(torch.tensor([[5.0]]))[0]
    tensor([[[ 5.,  5.,  5.],
             [ 5.,  5.,  5.]],
    <BLANKLINE>
            [[-1., -1., -1.],
             [ 1.,  1.,  1.]],
    <BLANKLINE>
            [[-1.,  0.,  1.],
             [-1.,  0.,  1.]]])
    """

    coordinates: Tensor

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        axes = (torch.linspace(-1, 1, height), torch.linspace(-1, 1, width))
        coordinates = torch.stack(torch.meshgrid(*axes, indexing="ij"))  # (2, H, W)
        self.register_buffer("coordinates", coordinates, persistent=False)

    def forward(self, z: Tensor) -> Tensor:
        """Maps ``(B, K + 2, H, W)`` of vectors ``(B, K)``."""
        laid_out = z[:, :, None, None].expand(-1, -1, *self.coordinates.shape[1:])
        return torch.cat([laid_out, self.coordinates.expand(z.shape[0], -1, -1, -1)], dim=1)

    def extra_repr(self) -> str:
        """The sides, H×W."""
        return "×".join(map(str, self.coordinates.shape[1:]))


class BroadcastDecoder(nn.Module):
    """Latents at each pixel, then convolutions of kernel 3, stride 1, padding 1: 64, 64 and C channels.

    Args:
        latent_dim: Number of latents, K.
        shape: Shape of the parameters of one image.
        hidden: Widths of dense layers between the latents and what is laid out; none in the paper.
        activation: A key of `ACTIVATIONS`, for all layers.

    Raises:
        ValueError: The data are vectors.
    """

    def __init__(
        self, latent_dim: int, shape: Sequence[int], hidden: Sequence[int] = (), activation: str = "relu"
    ) -> None:
        super().__init__()
        check_sides(shape, "the broadcast decoder", least=1)
        activate = ACTIVATIONS[activation]
        widths = [latent_dim, *hidden]
        layers = [*dense(widths, activate), Broadcast(*shape[1:])]
        channels = widths[-1] + 2
        for wider in CHANNELS:
            layers += [nn.Conv2d(channels, wider, 3, padding=1), activate()]
            channels = wider
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels, shape[0], 3, padding=1))

    def forward(self, z: Tensor) -> Tensor:
        """Parameters ``(B, C, H, W)`` of latents ``(B, K)``."""
        return self.layers(z)
