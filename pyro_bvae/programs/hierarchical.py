"""Two layers of latents.

    model:  z2 ~ p(z2),  z1 ~ p(z1 | z2),  x ~ p(x | z1)          guide:  z2 ~ q(z2 | x),  z1 ~ q(z1 | x, z2)

The guide goes down as the model does, so that both rates are in closed form: KL(q(z2 | x) ‖ p(z2)), and the mean of
KL(q(z1 | x, z2) ‖ p(z1 | z2)) over draws of z2.

Source: Sønderby et al., Ladder variational autoencoders, https://arxiv.org/abs/1602.02282, whose guide shares more
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyro
import pyro.distributions as dist
from torch import Tensor

from ..model import BetaVAE
from .networks import Features, decoder_of
from .parts import GaussianOf, heads_of, positive

__all__ = ["Hierarchical"]


class Hierarchical(BetaVAE):
    """z2 above z1 above x. β weighs the rates of both layers; prior and posterior family are those of z2.

    Args:
        shape: See `BetaVAE`.
        latent_dim: Of z2.
        lower: Latents in z1; by default twice as many as in z2.
        options: See `BetaVAE`. A decoder of one's own takes z1.
    """

    def __init__(self, shape: Sequence[int], latent_dim: int = 10, *, lower: int | None = None, **options: Any) -> None:
        super().__init__(shape, latent_dim, **options)
        (self.lower,) = positive(lower=2 * self.latent_dim if lower is None else lower)
        self.encoder = Features(self.encoder)
        self.of_z2 = heads_of(self, self.encoder.width)
        self.of_z1 = GaussianOf(self.encoder.width, self.latent_dim, latent_dim=self.lower)
        self.given_z2 = GaussianOf(self.latent_dim, latent_dim=self.lower)
        self.decoder = decoder_of(self, self.lower)

    def model(self, x: Tensor | None = None, size: int = 1) -> Tensor:
        """The program p(x, z1, z2)."""
        self.register()
        with pyro.plate("batch", size if x is None else x.shape[0], dim=-1):
            with self.weighted():
                z2 = pyro.sample("z2", self.prior())
                z1 = pyro.sample("z1", self.given_z2(z2))
            return pyro.sample("x", self.decode(z1), obs=x)

    def guide(self, x: Tensor) -> Tensor:
        """The program q(z1, z2 | x)."""
        self.register()
        h = self.encoder(self.standardise(x))
        with pyro.plate("batch", x.shape[0], dim=-1), self.weighted():
            z2 = pyro.sample("z2", self.posterior(*self.of_z2(h)))
            pyro.sample("z1", self.of_z1(h, z2))
            return z2

    def encode(self, x: Tensor) -> dist.TorchDistribution:
        """q(z2 | x)."""
        return self.posterior(*self.of_z2(self.encoder(self.standardise(x))))
