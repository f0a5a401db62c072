"""Three likelihoods with one logit a pixel: the cross-entropy, and two proper distributions that are close to it."""

from __future__ import annotations

import torch
from pyro import distributions as dist
from torch import Generator, Tensor

from .continuous_bernoulli import ContinuousBernoulli
from .likelihood import Likelihood

__all__ = ["Bernoulli", "BinarizedBernoulli", "ContinuousBernoulliLikelihood"]

LOGIT_BOUND = 60.0  # of a continuous Bernoulli's logit


class Bernoulli(Likelihood):
    """Cross-entropy with the pixel taken as a probability: log p = x log m + (1 − x) log(1 − m), m = sigmoid(output).

    It is a mass on {0, 1}. The field also uses it on grey pixels, where it is no density, since it integrates to less
    than one. Its nats can then be compared with those of no other family.

    Source: Kingma and Welling, Auto-encoding variational Bayes, https://arxiv.org/abs/1312.6114
    """

    support = dist.constraints.unit_interval
    has_bits_per_dim = False  # its values are 0 and 1, not 256 levels

    def forward(self, parameters: Tensor) -> dist.TorchDistribution:
        """Bernoulli with the parameters as logits; grey pixels are let through on purpose."""
        return dist.Bernoulli(logits=parameters, validate_args=False).to_event(len(self.shape))

    def nats(self, is_binary: bool) -> str:
        """A mass on black and white pixels; no probability on grey ones."""
        return "mass of 2 levels" if is_binary else "no probability"


class BinarizedBernoulli(Likelihood):
    """Bernoulli on binarised pixels: a grey pixel is taken as the probability of drawing a white one.

    The pixels are drawn once a batch, before guide and model see the data.

    Source: Salakhutdinov and Murray, On the quantitative analysis of deep belief networks,
    https://dl.acm.org/doi/10.1145/1390156.1390266
    """

    support = dist.constraints.unit_interval
    has_bits_per_dim = False  # its values are 0 and 1, not 256 levels

    def forward(self, parameters: Tensor) -> dist.TorchDistribution:
        """Bernoulli with the parameters as logits."""
        return dist.Bernoulli(logits=parameters).to_event(len(self.shape))

    def nats(self, is_binary: bool) -> str:  # noqa: ARG002
        """A mass on black and white pixels."""
        return "mass of 2 levels"

    def prepare(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """Draws from the pixels, zeros and ones."""
        return (torch.rand(x.shape, generator=generator, dtype=x.dtype, device=x.device) < x).to(x.dtype)


class ContinuousBernoulliLikelihood(Likelihood):
    """The density on [0, 1] that is proportional to the Bernoulli's mass.

    Its logit is o/(1 + |o|/60) for an output o, and so bounded by ±60. Without a bound, the density of pixels that are
    always black, about |logit| at 0, would grow throughout training.

    Source: Loaiza-Ganem and Cunningham, The continuous Bernoulli, https://arxiv.org/abs/1907.06845
    """

    support = dist.constraints.unit_interval

    def forward(self, parameters: Tensor) -> dist.TorchDistribution:
        """Continuous Bernoulli with the bounded parameters as logits."""
        logits = parameters / (1 + parameters.abs() / LOGIT_BOUND)
        return ContinuousBernoulli(logits).to_event(len(self.shape))
