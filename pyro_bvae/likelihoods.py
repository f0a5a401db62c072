"""What a pixel is thought to be: p(x | z) given the decoder's output.

A likelihood is an `nn.Module` whose ``forward(parameters)`` returns a Pyro distribution over one datum, with values in
the data's own units and all constants in its log-probability. Decoders give unconstrained parameters; the likelihood
owns the link: the sigmoid for the mean of an image, whose pixels lie in [0, 1], and the identity for a vector.

To add a family, write one class and one entry of `LIKELIHOODS`. Any module of this form can also be passed to
`BetaVAE` without being registered.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import log

import pyro.distributions as dist
import torch
from torch import Tensor, nn

from .continuous_bernoulli import ContinuousBernoulli
from .names import check

__all__ = [
    "LIKELIHOODS",
    "Bernoulli",
    "ContinuousBernoulliLikelihood",
    "Gaussian",
    "GaussianLearned",
    "Likelihood",
    "build",
]

LINKS = {"sigmoid": torch.sigmoid, "identity": lambda mean: mean}


class Likelihood(nn.Module, ABC):
    """p(x | parameters), a distribution over one datum for each row of decoder output.

    Args:
        shape: Shape of one datum, ``(C, H, W)`` for images and ``(D,)`` for vectors.

    Attributes:
        outputs_per_value: Unconstrained parameters a pixel or feature; the decoder has so many times the channels.
        support: The values that have a density or mass, as a torch constraint.
    """

    outputs_per_value: int = 1
    support = dist.constraints.real

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.shape = tuple(shape)

    @abstractmethod
    def forward(self, parameters: Tensor) -> dist.TorchDistribution:
        """The distribution with batch shape ``(...)`` and event shape ``shape``, of parameters ``(..., P·C, H, W)``."""


class Bernoulli(Likelihood):
    """Cross-entropy with the pixel taken as a probability: log p = x log m + (1 − x) log(1 − m), m = sigmoid(output).

    A mass on {0, 1}. On grey pixels, where the field uses it all the same, it is no density (it integrates to less
    than one), so its nats compare with those of no other family; `ContinuousBernoulliLikelihood` is the honest one.

    Source: Kingma and Welling, Auto-encoding variational Bayes, https://arxiv.org/abs/1312.6114
    """

    support = dist.constraints.unit_interval

    def forward(self, parameters: Tensor) -> dist.TorchDistribution:
        """Bernoulli with the parameters as logits; grey pixels are let through on purpose."""
        return dist.Bernoulli(logits=parameters, validate_args=False).to_event(len(self.shape))


class ContinuousBernoulliLikelihood(Likelihood):
    """The density on [0, 1] that is proportional to the Bernoulli's mass, parameters as logits.

    Source: Loaiza-Ganem and Cunningham, The continuous Bernoulli, https://arxiv.org/abs/1907.06845
    """

    support = dist.constraints.unit_interval

    def forward(self, parameters: Tensor) -> dist.TorchDistribution:
        """Continuous Bernoulli with the parameters as logits."""
        return ContinuousBernoulli(parameters).to_event(len(self.shape))


class Gaussian(Likelihood):
    """Normal with mean link(output) and one fixed standard deviation.

    log p = −(x − m)²/2s² − log s − ½ log 2π a value; at s = 1 the loss is half the *sum* of squared errors, and at
    s² = ½ the plain sum. β means nothing without s.

    Args:
        shape: Shape of one datum.
        scale: Standard deviation s, in the data's units (pixels lie in [0, 1]).
        mean_link: "sigmoid" or "identity"; by default the sigmoid for images and the identity for vectors.

    Raises:
        ValueError: The scale is not positive, or the link is unknown.
    """

    scale: Tensor

    def __init__(self, shape: Sequence[int], scale: float = 1.0, mean_link: str | None = None) -> None:
        super().__init__(shape)
        if not 0 < scale < float("inf"):
            raise ValueError(f"scale is a standard deviation and must be positive, got {scale}")
        self.mean_link = _link(mean_link, self.shape)
        self.register_buffer("scale", torch.tensor(float(scale)), persistent=False)

    def forward(self, parameters: Tensor) -> dist.TorchDistribution:
        """Independent normals around the linked parameters."""
        return dist.Normal(LINKS[self.mean_link](parameters), self.scale).to_event(len(self.shape))


class GaussianLearned(Likelihood):
    """Normal with mean link(output) and one standard deviation for all values, learned with the networks.

    The scale is 0.001 + exp(log_scale), so that a constant pixel cannot drive it to 0.

    Source: Rybkin et al., Simple and effective VAE training with calibrated decoders, https://arxiv.org/abs/2006.13202

    Args:
        shape: Shape of one datum.
        scale: The standard deviation that training starts from; by default 0.1 for pixels and 1 for vectors.
        mean_link: "sigmoid" or "identity"; by default the sigmoid for images and the identity for vectors.

    Raises:
        ValueError: The scale is not above the floor, or the link is unknown.
    """

    floor = 1e-3

    def __init__(self, shape: Sequence[int], scale: float | None = None, mean_link: str | None = None) -> None:
        super().__init__(shape)
        self.mean_link = _link(mean_link, self.shape)
        start = (0.1 if self.mean_link == "sigmoid" else 1.0) if scale is None else scale
        if not self.floor < start < float("inf"):
            raise ValueError(f"scale is a standard deviation and must be above its floor {self.floor}, got {start}")
        self.log_scale = nn.Parameter(torch.tensor(log(start - self.floor)))

    @property
    def scale(self) -> Tensor:
        """The standard deviation, a scalar in the data's units."""
        return self.floor + self.log_scale.exp()

    def forward(self, parameters: Tensor) -> dist.TorchDistribution:
        """Independent normals around the linked parameters."""
        return dist.Normal(LINKS[self.mean_link](parameters), self.scale).to_event(len(self.shape))


LIKELIHOODS: dict[str, type[Likelihood]] = {
    "bernoulli": Bernoulli,
    "continuous-bernoulli": ContinuousBernoulliLikelihood,
    "gaussian": Gaussian,
    "gaussian-learned": GaussianLearned,
}


def build(name: str, shape: Sequence[int], *, scale: float | None = None, mean_link: str | None = None) -> Likelihood:
    """The likelihood of that name for data of that shape, with the family's own defaults where an option is None.

    Raises:
        ValueError: The name is unknown, or the family does not have an option that is given.
    """
    family = LIKELIHOODS[check("likelihood", name, LIKELIHOODS)]
    options = {"scale": scale, "mean_link": mean_link}
    given = {option: value for option, value in options.items() if value is not None}
    for option in given.keys() - inspect.signature(family).parameters.keys():
        flag = "--" + option.replace("_", "-")
        raise ValueError(f"the {name} likelihood has no {option}: leave {flag} out, or choose a gaussian")
    return family(shape, **given)


def _link(name: str | None, shape: tuple[int, ...]) -> str:
    default = "sigmoid" if len(shape) == 3 else "identity"
    return default if name is None else check("mean link", name, LINKS)
