"""The networks of programs: an encoder without its heads, and a decoder of what several sites have in common."""

from __future__ import annotations

from torch import Tensor, nn

from ..model import BetaVAE
from ..networks import ImageEncoder, MLPEncoder, network_of

__all__ = ["Features", "decoder_of"]


class Features(nn.Module):
    """The features h(x) of data: all layers of an encoder but the last, which would give mean and log-variance.

    Args:
        encoder: Of a network that has a name.

    Attributes:
        width: How many they are.

    Raises:
        ValueError: The encoder is a module of one's own.
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.layers: nn.Module
        if isinstance(encoder, MLPEncoder):
            self.layers, self.width = encoder.hidden, encoder.loc.in_features
        elif isinstance(encoder, ImageEncoder):
            *layers, head = encoder.layers
            assert isinstance(head, nn.Linear)
            self.layers, self.width = nn.Sequential(*layers), head.in_features
        else:
            kind = type(encoder).__name__
            raise ValueError(f"the program takes its features from `network`, and not from an encoder {kind}")

    def forward(self, x: Tensor) -> Tensor:
        """Features ``(B, width)`` of data ``(B, *shape)``."""
        features: Tensor = self.layers(x)
        return features


def decoder_of(vae: BetaVAE, width: int) -> nn.Module:
    """A new decoder of vectors of that width, of the network of a model; or the decoder that was given to it."""
    if "decoder" in vae.custom:
        return vae.decoder
    sizes = [vae.settings[name] for name in ("hidden", "decoder_hidden", "decoder_activation")]
    network = network_of(vae.settings["network"], vae.settings["decoder"])
    return network.sized(*sizes).decoder(width, vae.parameter_shape)
