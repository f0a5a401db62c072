"""The base of all priors: a module without arguments that gives p(z)."""

from __future__ import annotations

from abc import ABC, abstractmethod

from pyro.distributions import TorchDistribution
from torch import nn

__all__ = ["Prior"]


class Prior(nn.Module, ABC):
    """p(z), a distribution over the K latents of one datum.

    What it learns are parameters, and what stays as it is are buffers, so that both go where the model goes.
    """

    @abstractmethod
    def forward(self) -> TorchDistribution:
        """The distribution, no batch shape and event shape ``(K,)``."""
