"""M2 of Kingma et al.: a class y and a style z, with y known of some of the data.

    model:  y ~ Categorical(1/C),  z ~ p(z),  x ~ p(x | z, y)          guide:  y ~ q(y | x),  z ~ q(z | x, y)

Where y is not known the guide sums over its values. Where it is, it is observed, and the classifier q(y | x) learns
from it: the loss has α N/L · (−log q(y | x)) there, for L labels of N training data.

Source: Kingma et al., Semi-supervised learning with deep generative models, https://arxiv.org/abs/1406.5298
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyro
import pyro.distributions as dist
from pyro import poutine
from torch import Tensor, nn

from ..model import BetaVAE
from .networks import Features, decoder_of
from .partly import enumerated_where_missing, observed_where_known
from .parts import filled, heads_of, is_known, joined, one_hot, options_of_labels, positive

__all__ = ["SemiSupervised"]


class SemiSupervised(BetaVAE):
    """A class beside z. β weighs the rate of z, and not that of y.

    The site "classified" counts among the distortions with −log q(y | x) where labels are given, without its weight:
    under ``labelled`` held-out data have none, and `evaluate` reports the ELBO of x alone.

    Args:
        shape, latent_dim, options: See `BetaVAE`; a decoder of one's own takes z, and y as zeros and a one.
        classes: C; by default those of the data.
        alpha: α; the paper's is 0.1, with which short fits leave y idle.
        share: L/N, of labels among the training data; by default that of the data.
    """

    options_for = staticmethod(options_of_labels)

    def __init__(self, shape: Sequence[int], latent_dim: int = 10, *, classes: int = 10, alpha: float = 10.0,
                 share: float = 1.0, **options: Any) -> None:  # fmt: skip
        super().__init__(shape, latent_dim, **options)
        self.classes, self.alpha, self.share = positive(classes=classes, alpha=alpha, share=share)
        self.encoder = Features(self.encoder)
        self.of_class = nn.Linear(self.encoder.width, classes)
        self.of_style = heads_of(self, self.encoder.width, classes)
        self.decoder = decoder_of(self, self.latent_dim + classes)

    def model(self, x: Tensor | None = None, size: int = 1, labels: Tensor | None = None) -> Tensor:
        """The program p(x, y, z); labels are −1 where they are missing."""
        self.register()
        with pyro.plate("batch", size if x is None else x.shape[0], dim=-1):
            y = observed_where_known("y", dist.Categorical(logits=self.beta.new_zeros(self.classes)), labels)
            with self.weighted():
                z = pyro.sample("z", self.prior())
            if x is not None and labels is not None:
                q = dist.Categorical(logits=self.of_class(self.encoder(self.standardise(x))))
                with poutine.scale(scale=self.alpha / self.share), poutine.mask(mask=is_known(labels)):
                    pyro.sample("classified", q, obs=filled(labels))
            return pyro.sample("x", self.decode(joined(z, one_hot(y, self.beta, self.classes))), obs=x)

    def guide(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """The program q(y, z | x)."""
        self.register()
        h = self.encoder(self.standardise(x))
        q = dist.Categorical(logits=self.of_class(h))
        with pyro.plate("batch", x.shape[0], dim=-1):
            y = enumerated_where_missing("y", q, labels)
            with self.weighted():
                return pyro.sample("z", self.posterior(*self.of_style(h, one_hot(y, h, self.classes))))

    def encode(self, x: Tensor) -> dist.TorchDistribution:
        """q(z | x) with the mean of y in its place, for a VampPrior."""
        h = self.encoder(self.standardise(x))
        return self.posterior(*self.of_style(h, self.of_class(h).softmax(dim=-1)))
