"""The base of all posteriors: a module from what the encoder gives to q(z | x)."""

from __future__ import annotations

from abc import ABC, abstractmethod

from pyro.distributions import TorchDistribution
from torch import Tensor, nn

__all__ = ["Posterior"]


class Posterior(nn.Module, ABC):
    """q(z | x), a distribution over the K latents of each datum.

    Attributes:
        context: How many numbers it wants of the encoder beside mean and log-variance.
        has_density: Whether its density can be evaluated anywhere, and not only at its own draws.
    """

    context: int = 0
    has_density: bool = True

    @abstractmethod
    def forward(self, loc: Tensor, log_variance: Tensor, *context: Tensor) -> TorchDistribution:
        """The distribution, batch shape ``(B,)`` and event shape ``(K,)``.

        Args:
            loc: ``(B, K)``.
            log_variance: ``(B, K)``.
            context: One tensor ``(B, context)``, where any is wanted.
        """
