"""An encoder and a decoder that go together, without and with their widths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import index
from typing import Any

from torch import nn

from ..settings.names import check
from .layers import ACTIVATIONS

__all__ = ["Network", "SizedNetwork"]


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
            ValueError: A width is below 1, or the activation unknown.
        """
        widths = self.hidden if hidden is None else _checked_widths(hidden)
        decoder_widths = self.mirrored(widths) if decoder_hidden is None else _checked_widths(decoder_hidden)
        return SizedNetwork(self, widths, decoder_widths, check("activation", decoder_activation, ACTIVATIONS))


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


def _checked_widths(hidden: Sequence[int]) -> tuple[int, ...]:
    widths = tuple(index(width) for width in hidden)
    if any(width < 1 for width in widths):
        raise ValueError(f"hidden widths must be at least 1, got {widths}")
    return widths
