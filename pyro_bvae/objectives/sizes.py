"""What objectives need to know of the data and of the programs."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from ..datasets import Dataset
from ..model import BetaVAE

__all__ = ["Sizes"]


@dataclass(frozen=True)
class Sizes:
    """The numbers that `Regularised.NEEDS` names; those of the default are enough to check coefficients.

    Attributes:
        size: Number of training data, N.
        latent_dim: Number of latents, K.
        data_dim: Number of values of a datum, M.
    """

    size: int = 1
    latent_dim: int = 1
    data_dim: int = 1

    @classmethod
    def of(cls, vae: BetaVAE, data: Dataset) -> Sizes:
        """Those of a fit of programs to data."""
        return cls(len(data.train), vae.latent_dim, prod(data.shape))
