"""Data given a condition: a class, a vector, or both.

    model:  z ~ p(z),  x ~ p(x | z, c)          guide:  z ~ q(z | x, c)

c is a class as zeros and a one, with what else is observed after it. A condition that is missing is all zeros, of which
the programs learn as of any other; without a condition they draw from it.

Source: Sohn et al., Learning structured output representation using deep conditional generative models, NeurIPS 2015
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyro
import pyro.distributions as dist
from torch import Tensor

from ..datasets import Dataset
from ..model import BetaVAE
from .networks import Features, decoder_of
from .parts import classes_of, filled, heads_of, joined, one_hot

__all__ = ["Conditional"]


class Conditional(BetaVAE):
    """What z holds is what the condition leaves open.

    Args:
        shape, latent_dim, options: See `BetaVAE`; a decoder of one's own takes z and then the condition.
        classes: Of the labels; by default those of the data, and 0 where they have none.
        width: Of the vector ``c`` beside the data; by default that of the data.
    """

    def __init__(
        self, shape: Sequence[int], latent_dim: int = 10, *, classes: int = 0, width: int = 0, **options: Any
    ) -> None:
        super().__init__(shape, latent_dim, **options)
        if classes + width < 1:
            raise ValueError("the program conditional wants data with labels, or with vectors c beside them")
        self.classes, self.width = classes, width
        self.encoder = Features(self.encoder)
        self.of_z = heads_of(self, self.encoder.width, classes + width)
        self.decoder = decoder_of(self, self.latent_dim + classes + width)

    @classmethod
    def options_for(cls, data: Dataset) -> dict[str, Any]:
        """The options that follow from data: the number of classes, and the width of ``c``."""
        c = data.beside.get("c")
        return {**classes_of(data), **({} if c is None else {"width": c[:1].numel()})}

    def model(
        self, x: Tensor | None = None, size: int = 1, labels: Tensor | None = None, c: Tensor | None = None
    ) -> Tensor:
        """The program p(x, z | c), of classes ``labels`` ``(B,)`` and vectors ``c`` ``(B, width)``."""
        self.register()
        with pyro.plate("batch", size if x is None else x.shape[0], dim=-1):
            with self.weighted():
                z = pyro.sample("z", self.prior())
            return pyro.sample("x", self.decode(joined(z, self.condition(labels, c))), obs=x)

    def guide(self, x: Tensor, labels: Tensor | None = None, c: Tensor | None = None) -> Tensor:
        """The program q(z | x, c)."""
        self.register()
        h = self.encoder(self.standardise(x))
        with pyro.plate("batch", x.shape[0], dim=-1), self.weighted():
            return pyro.sample("z", self.posterior(*self.of_z(h, self.condition(labels, c))))

    def encode(self, x: Tensor) -> dist.TorchDistribution:
        """q(z | x) without a condition, for a VampPrior."""
        return self.posterior(*self.of_z(self.encoder(self.standardise(x)), self.condition(None, None)))

    def condition(self, labels: Tensor | None, c: Tensor | None) -> Tensor:
        """Both as one vector ``(..., classes + width)``, of zeros for what there is not."""
        none = self.beta.new_zeros(1, self.classes + self.width)
        of_class = none[:, : self.classes] if labels is None else one_hot(labels, none, self.classes)
        of_vector = none[:, self.classes :] if c is None else filled(c).to(none).reshape(-1, self.width)
        return joined(of_class, of_vector)
