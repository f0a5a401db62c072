"""What the autoregressive flows share: networks in which latent k depends on the latents before it, and on context.

    z = f_N ∘ … ∘ f_1 (z_0),    log q(z | x) = log q_0(z_0 | x) − Σ_n log |det ∂f_n|

Every second transform goes through the latents in the reverse order. Draws and their densities take one pass of each
network, densities elsewhere K passes.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from math import prod
from typing import ClassVar

import torch
from pyro import distributions as dist
from pyro.nn import ConditionalAutoRegressiveNN
from torch import Size, Tensor, nn

from .posterior import Posterior

__all__ = ["Conditioned", "Flow", "Transformed"]

WIDTH = 128  # of the hidden layer of each network
ROWS_AT_ONCE = 2**14  # draws whose networks are run together


class Flow(Posterior):
    """A flow of N autoregressive transforms.

    Args:
        latent_dim: Number of latents, K.
        count: Number of transforms, N.

    Attributes:
        outputs: How many numbers a transform wants for each latent, in groups.
    """

    context = 64
    outputs: ClassVar[tuple[int, ...]]

    def __init__(self, latent_dim: int, count: int) -> None:
        super().__init__()
        self.orders = [list(range(latent_dim))[:: 1 if number % 2 == 0 else -1] for number in range(count)]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "ConditionalAutoRegressiveNN input_dim = 1")
            self.networks = nn.ModuleList(
                ConditionalAutoRegressiveNN(
                    latent_dim, self.context, [max(WIDTH, latent_dim)], list(self.outputs), torch.tensor(order)
                )
                for order in self.orders
            )

    def conditioned(self, context: Tensor) -> list[Conditioned]:
        """The networks of the transforms, with their context ``(B, context)``."""
        return [Conditioned(network, context, order) for network, order in zip(self.networks, self.orders, strict=True)]


class Conditioned:
    """A network with its context, as Pyro's transforms want one.

    Args:
        network: Of one transform.
        context: ``(B, context)``.
        permutation: The order of the latents as plain numbers, which an inverse goes through without waiting for a GPU.
    """

    def __init__(self, network: nn.Module, context: Tensor, permutation: Sequence[int]) -> None:
        self.network, self.context, self.permutation = network, context, permutation

    def __call__(self, z: Tensor) -> Sequence[Tensor]:
        """The outputs at latents ``(..., B, K)``, ``(..., B, K)`` each, or ``(..., B, group, K)``."""
        outputs: Sequence[Tensor] = self.network(z, context=self.context)
        return outputs


class Transformed(dist.TransformedDistribution):
    """A transformed distribution for many draws and for values that broadcast, as a mixture asks for."""

    @torch.no_grad()
    def sample(self, sample_shape: Size = Size()) -> Tensor:  # noqa: B008
        """Draws, ``(*sample_shape, *batch_shape, K)``; many are made a few at a time, to save memory."""
        at_once = max(1, ROWS_AT_ONCE // max(1, prod([*sample_shape[1:], *self.batch_shape])))
        if not sample_shape or sample_shape[0] <= at_once:
            draws: Tensor = super().sample(sample_shape)
            return draws
        sizes = [min(at_once, sample_shape[0] - start) for start in range(0, sample_shape[0], at_once)]
        return torch.cat([super(Transformed, self).sample(Size([size, *sample_shape[1:]])) for size in sizes])

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density; at a draw of its own, which is known by its identity, without an inverse."""
        batch = torch.broadcast_shapes(value.shape[:-1], self.batch_shape)
        whole = value if batch == value.shape[:-1] else value.expand(*batch, -1)
        log_density: Tensor = super().log_prob(whole)
        return log_density
