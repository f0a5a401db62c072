"""The base of all likelihoods: a module from decoder output to a distribution over one datum."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from pyro.distributions import TorchDistribution, constraints
from torch import Generator, Tensor, nn

from ..settings.names import check

__all__ = ["LEAST_SCALE", "LINKS", "Likelihood", "link", "parts"]

LINKS: dict[str, Callable[[Tensor], Tensor]] = {"sigmoid": torch.sigmoid, "identity": lambda mean: mean}
LEAST_SCALE = 1 / 510  # of a learned scale, half a grey level: else the density of a constant pixel diverges


class Likelihood(nn.Module, ABC):
    """p(x | parameters), a distribution over one datum for each row of decoder output.

    Args:
        shape: Shape of one datum, ``(C, H, W)`` for images and ``(D,)`` for vectors.

    Attributes:
        outputs_per_value: Unconstrained parameters for each pixel or feature, P; the decoder has P times the channels.
        support: The values that a datum may have, as a torch constraint.
        has_bits_per_dim: Whether its distribution gives the probabilities of grey levels, and so images bits per
            dimension; see `grey_levels`.
    """

    outputs_per_value: int = 1
    support = constraints.real
    has_bits_per_dim: bool = True

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.shape = tuple(shape)

    @abstractmethod
    def forward(self, parameters: Tensor) -> TorchDistribution:
        """The distribution, batch shape ``(...)`` and event shape ``shape``, of parameters ``(..., P·C, H, W)``."""

    def nats(self, is_binary: bool) -> str:  # noqa: ARG002
        """The kind of its log-probabilities, a density or a mass; nats can be compared within one kind only.

        Args:
            is_binary: Whether the data are zeros and ones only.
        """
        return "density"

    def prepare(self, x: Tensor, generator: Generator | None = None) -> Tensor:  # noqa: ARG002
        """The data ``(B, *shape)`` as the programs see them: unchanged, unless a family quantises them."""
        return x


def link(name: str | None, shape: Sequence[int]) -> str:
    """The name of a mean's link: as given, or by default the sigmoid for images and the identity for vectors."""
    default = "sigmoid" if len(shape) == 3 else "identity"
    return default if name is None else check("mean link", name, LINKS)


def parts(parameters: Tensor, likelihood: Likelihood) -> tuple[Tensor, ...]:
    """The P parameters of each value, ``(..., *shape)`` each, from decoder output ``(..., P·C, H, W)``."""
    return parameters.chunk(likelihood.outputs_per_value, dim=-len(likelihood.shape))
