"""What several networks are made of: dense layers, transposed convolutions, sides of maps, an encoder's last layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import Tensor, nn

__all__ = ["ACTIVATIONS", "ImageEncoder", "check_sides", "dense", "doublings", "halvings"]

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh}


class ImageEncoder(nn.Module):
    """Layers from images to features, then one linear layer to mean, log-variance and context.

    Args:
        body: The layers, which end in vectors.
        width: Length of these vectors.
        latent_dim: Number of latents, K.
        context: Numbers for the posterior beside mean and log-variance.
    """

    def __init__(self, body: Sequence[nn.Module], width: int, latent_dim: int, context: int = 0) -> None:
        super().__init__()
        self.parts = [latent_dim, latent_dim, context] if context else [latent_dim, latent_dim]
        self.layers = nn.Sequential(*body, nn.Linear(width, sum(self.parts)))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Mean and log-variance of q(z | x), each ``(B, K)``, of images ``(B, C, H, W)``; then context, if wanted."""
        return self.layers(x).split(self.parts, dim=-1)


def dense(widths: Sequence[int], activation: type[nn.Module] = nn.ReLU) -> list[nn.Module]:
    """Linear layers from each width to the next, each with its activation."""
    return [layer for pair in pairwise(widths) for layer in (nn.Linear(*pair), activation())]


def doublings(
    channels: Sequence[int], sides: Sequence[tuple[int, int]], before: Callable[[int], Sequence[nn.Module]]
) -> list[nn.Module]:
    """Transposed convolutions, kernel 4, stride 2, padding 1, from each map to the next, other layers before each.

    The output padding restores odd sides.

    Args:
        channels: Of each map.
        sides: Height and width of each map, from the smallest to the image.
        before: A function from the channels of a map to the layers between it and its transposed convolution.
    """
    layers: list[nn.Module] = []
    for pair, (small, large) in zip(pairwise(channels), pairwise(sides), strict=True):
        odd = (large[0] - 2 * small[0], large[1] - 2 * small[1])
        layers += [*before(pair[0]), nn.ConvTranspose2d(*pair, 4, stride=2, padding=1, output_padding=odd)]
    return layers


def halvings(shape: Sequence[int], name: str) -> list[tuple[int, int]]:
    """Heights and widths from the image down to the smallest map, whose shorter side is at most 4.

    Args:
        shape: Of an image, ``(C, H, W)``.
        name: Of the network, for the message.

    Raises:
        ValueError: The data are vectors, or a side is below 16.
    """
    check_sides(shape, name, least=16)
    sides = [(shape[1], shape[2])]
    while min(sides[-1]) > 4:
        sides.append((sides[-1][0] // 2, sides[-1][1] // 2))
    return sides


def check_sides(shape: Sequence[int], name: str, least: int) -> None:
    """Refuse vectors, and images with a side below ``least``.

    Raises:
        ValueError: The data are vectors, or a side is too short.
    """
    if len(shape) != 3 or min(shape[1:]) < least:
        sides = f" with sides of at least {least}" if least > 1 else ""
        raise ValueError(f"{name} wants images (C, H, W){sides}, got shape {tuple(shape)}; use `network='mlp'`")
