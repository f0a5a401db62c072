"""A continuous and a discrete latent side by side.

    model:  z ~ p(z),  y ~ Categorical(1/C),  x ~ p(x | z, y)          guide:  z ~ q(z | x),  y ~ q(y | x)

y is summed over, where the paper relaxes it.

Source: Dupont, Learning disentangled joint continuous and discrete representations, https://arxiv.org/abs/1804.00104
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import pyro
import pyro.distributions as dist
from pyro import poutine
from torch import Tensor, nn

from ..model import BetaVAE
from .networks import Features, decoder_of
from .parts import heads_of, joined, one_hot, positive

__all__ = ["Joint"]


class Joint(BetaVAE):
    """A class that nobody has labelled, beside z.

    Args:
        shape, latent_dim, options: See `BetaVAE`; a decoder of one's own takes z, and y as zeros and a one.
        classes: Values of y, C.
        gamma: Weight of the rate of y; by default β, as of z. A smaller one makes y the cheaper place for what
            comes in kinds.
    """

    def __init__(self, shape: Sequence[int], latent_dim: int = 10, *, classes: int = 10, gamma: float | None = None,
                 **options: Any) -> None:  # fmt: skip
        super().__init__(shape, latent_dim, **options)
        self.classes, self.gamma = positive(classes=classes, gamma=gamma)
        self.encoder = Features(self.encoder)
        self.of_kind = nn.Linear(self.encoder.width, classes)
        self.of_style = heads_of(self, self.encoder.width)
        self.decoder = decoder_of(self, self.latent_dim + classes)

    def model(self, x: Tensor | None = None, size: int = 1) -> Tensor:
        """The program p(x, y, z)."""
        self.register()
        with pyro.plate("batch", size if x is None else x.shape[0], dim=-1):
            with self.weighted():
                z = pyro.sample("z", self.prior())
            with self.discrete():
                y = pyro.sample("y", dist.Categorical(logits=self.beta.new_zeros(self.classes)))
            return pyro.sample("x", self.decode(joined(z, one_hot(y, z, self.classes))), obs=x)

    def guide(self, x: Tensor) -> Tensor:
        """The program q(y, z | x)."""
        self.register()
        h = self.encoder(self.standardise(x))
        with pyro.plate("batch", x.shape[0], dim=-1):
            with self.weighted():
                z = pyro.sample("z", self.posterior(*self.of_style(h)))
            with self.discrete():
                pyro.sample("y", dist.Categorical(logits=self.of_kind(h)), infer={"enumerate": "parallel"})
            return z

    def encode(self, x: Tensor) -> dist.TorchDistribution:
        """q(z | x)."""
        return self.posterior(*self.of_style(self.encoder(self.standardise(x))))

    def discrete(self) -> AbstractContextManager[Any]:
        """The weight of the discrete latent."""
        return self.weighted() if self.gamma is None else poutine.scale(scale=self.gamma)
