"""Normal and Laplace densities around a mean, with a scale that is fixed, learned, or predicted for each value.

The mean is link(output): the sigmoid for pixels, the identity for the features of a vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import torch
from pyro import distributions as dist
from torch import Tensor, nn

from .likelihood import LEAST_SCALE, LINKS, Likelihood, link, parts
from .optimal_normal import OptimalNormal

__all__ = ["Gaussian", "GaussianHeteroscedastic", "GaussianLearned", "GaussianOptimal", "Laplace", "LaplaceLearned"]


class Fixed(Likelihood):
    """A symmetric density around link(output) with one fixed scale.

    Args:
        shape: Shape of one datum.
        scale: In the data's units (pixels lie in [0, 1]).
        mean_link: "sigmoid" or "identity"; by default the sigmoid for images and the identity for vectors.

    Raises:
        ValueError: The scale is not positive, or the link is unknown.
    """

    density: type[dist.TorchDistribution]
    scale: Tensor

    def __init__(self, shape: Sequence[int], scale: float = 1.0, mean_link: str | None = None) -> None:
        super().__init__(shape)
        if not 0 < scale < float("inf"):
            raise ValueError(f"scale must be positive, got {scale}")
        self.mean_link = link(mean_link, shape)
        self.register_buffer("scale", torch.tensor(float(scale)), persistent=False)

    def forward(self, parameters: Tensor) -> dist.TorchDistribution:
        """Independent values around the linked parameters."""
        return self.density(LINKS[self.mean_link](parameters), self.scale).to_event(len(self.shape))


class Learned(Likelihood):
    """A symmetric density around link(output) with one scale for all values, learned with the networks.

    The scale is 1/510 + exp(log_scale), so that it cannot go to 0 where pixels are constant.

    Args:
        shape: Shape of one datum.
        scale: The scale that training starts from; by default 0.1 for pixels and 1 for features.
        mean_link: "sigmoid" or "identity"; by default the sigmoid for images and the identity for vectors.

    Raises:
        ValueError: The scale is not above the floor, or the link is unknown.
    """

    density: type[dist.TorchDistribution]

    def __init__(self, shape: Sequence[int], scale: float | None = None, mean_link: str | None = None) -> None:
        super().__init__(shape)
        self.mean_link = link(mean_link, shape)
        start = (0.1 if self.mean_link == "sigmoid" else 1.0) if scale is None else scale
        if not LEAST_SCALE < start < float("inf"):
            raise ValueError(f"scale must be above its floor {LEAST_SCALE:.4f}, got {start}")
        self.log_scale = nn.Parameter(torch.tensor(log(start - LEAST_SCALE)))

    @property
    def scale(self) -> Tensor:
        """The scale, a scalar in the data's units."""
        return LEAST_SCALE + self.log_scale.exp()

    def forward(self, parameters: Tensor) -> dist.TorchDistribution:
        """Independent values around the linked parameters."""
        return self.density(LINKS[self.mean_link](parameters), self.scale).to_event(len(self.shape))


class Gaussian(Fixed):
    """Normal with one fixed standard deviation s: −log p = (x − m)²/2s² + log s + ½ log 2π a value.

    At s = 1 the loss is half the *sum* of squared errors, at s² = ½ the plain sum. Where
    its minimum lies depends on β s² alone.
    """

    density = dist.Normal


class GaussianLearned(Learned):
    """Normal with one standard deviation for all values, learned with the networks."""

    density = dist.Normal


class Laplace(Fixed):
    """Laplace with one fixed scale s: −log p = |x − m|/s + log 2s a value; the L1 loss at s = 1."""

    density = dist.Laplace


class LaplaceLearned(Learned):
    """Laplace with one scale for all values, learned with the networks."""

    density = dist.Laplace


class GaussianOptimal(Likelihood):
    """σ-VAE: normal whose variance is, in training, the mean squared error of the batch itself.

    This variance minimises the loss, so that none has to be learned. Evaluation, traversal and sampling use a moving
    average over about the last hundred training batches, which is a buffer.

    Source: Rybkin et al., Simple and effective VAE training with calibrated decoders, https://arxiv.org/abs/2006.13202

    Args:
        shape: Shape of one datum.
        mean_link: "sigmoid" or "identity"; by default the sigmoid for images and the identity for vectors.

    Raises:
        ValueError: The link is unknown.
    """

    variance: Tensor

    def __init__(self, shape: Sequence[int], mean_link: str | None = None) -> None:
        super().__init__(shape)
        self.mean_link = link(mean_link, shape)
        self.register_buffer("variance", torch.tensor(float("nan")))

    @property
    def scale(self) -> Tensor:
        """The standard deviation that evaluation uses, in the data's units; 1 before any training."""
        return self.variance.nan_to_num(1.0).clamp(min=LEAST_SCALE**2).sqrt()

    def forward(self, parameters: Tensor) -> dist.TorchDistribution:
        """Independent normals around the linked parameters."""
        mean = LINKS[self.mean_link](parameters)
        if not self.training:
            return dist.Normal(mean, self.scale).to_event(len(self.shape))
        return OptimalNormal(mean, self.scale, LEAST_SCALE**2, self._note).to_event(len(self.shape))

    def _note(self, variance: Tensor) -> None:
        """Update the moving average with the variance of a batch."""
        self.variance.copy_(torch.where(self.variance.isnan(), variance, self.variance.lerp(variance, 0.01)))


class GaussianHeteroscedastic(Likelihood):
    """Normal with a mean and a standard deviation for each value, both from the decoder.

    The scale is 1/510 + exp(output), bounded at 100 above.

    Args:
        shape: Shape of one datum.
        mean_link: "sigmoid" or "identity"; by default the sigmoid for images and the identity for vectors.

    Raises:
        ValueError: The link is unknown.
    """

    outputs_per_value = 2

    def __init__(self, shape: Sequence[int], mean_link: str | None = None) -> None:
        super().__init__(shape)
        self.mean_link = link(mean_link, shape)

    def forward(self, parameters: Tensor) -> dist.TorchDistribution:
        """Independent normals: the first half of the parameters gives the means, the second the scales."""
        mean, log_scale = parts(parameters, self)
        scale = LEAST_SCALE + log_scale.clamp(max=log(100)).exp()
        return dist.Normal(LINKS[self.mean_link](mean), scale).to_event(len(self.shape))
