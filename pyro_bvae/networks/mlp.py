"""Fully connected encoder and decoder, for data of any shape."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from torch import Tensor, nn

from .layers import ACTIVATIONS, dense

__all__ = ["MLPDecoder", "MLPEncoder"]


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
        self.hidden = nn.Sequential(nn.Flatten(), *dense(widths))
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
        hidden_layers = dense(widths, ACTIVATIONS[activation])
        self.layers = nn.Sequential(*hidden_layers, nn.Linear(widths[-1], prod(shape)), nn.Unflatten(1, tuple(shape)))

    def forward(self, z: Tensor) -> Tensor:
        """Parameters ``(B, *shape)`` of latents ``(B, K)``."""
        return self.layers(z)
