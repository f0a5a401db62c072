"""Families of standardised values, as densities of the data in their own units.

The columns of a table have units of their own, and networks and families want values near 1. Let u = (x − loc)/scale be
the standardised values, with the mean and the deviation of each. A family of u gives x the density

    log p(x | z) = log p_u((x − loc)/scale | z) − Σ log scale,

where the sum, over the values of a datum, is the Jacobian's. Samples and means are loc + scale · u.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from pyro import distributions as dist
from pyro.distributions import TorchDistribution, constraints
from torch import Tensor, nn
from torch.distributions import AffineTransform, Independent

from .likelihood import Likelihood

__all__ = ["Rescaled", "Standardised", "family_of", "moments", "takes_standardised"]

ROWS_AT_ONCE = 65_536  # in double precision


class Rescaled(dist.TransformedDistribution):
    """The distribution of loc + scale · u, made as ``Rescaled(that of u, [AffineTransform(loc, scale)])``."""

    @property
    def mean(self) -> Tensor:
        """The mean loc + scale · E u."""
        (affine,) = self.transforms
        return affine(self.base_dist.mean)

    @property
    def variance(self) -> Tensor:
        """The variance scale² · var u."""
        (affine,) = self.transforms
        return self.base_dist.variance * affine.scale**2


class Standardised(Likelihood):
    """A family of the standardised values u = (x − loc)/scale, with all its numbers in the data's own units.

    Log-densities, samples, means and reconstructions are of x; only what the family learns or is given, such as the
    standard deviation of a Gaussian, is in units of ``scale``. The encoder sees u: see `BetaVAE.standardise`.

    Args:
        family: The family of u: one that takes any real values, and has the identity link.
        loc: Mean of each value, or one for all; a number, or a tensor that broadcasts to the shape of a datum.
        scale: Its standard deviation, likewise.

    Attributes:
        family: As given.
        loc: A buffer with the shape of a datum, so that it is part of a checkpoint.
        scale: The same.

    Raises:
        TypeError: The family is no `Likelihood`.
        ValueError: The family does not take any real values, has another link or changes the data; or a scale is not
            positive, or a number not finite.

    >>> from pyro_bvae.likelihoods import Gaussian
    >>> lengths = Standardised(Gaussian((2,)), loc=torch.tensor([1.7, 0.2]), scale=0.1)
    >>> lengths(torch.zeros(2)).mean
    tensor([1.7000, 0.2000])
    """

    has_bits_per_dim = False  # which are of grey levels
    loc: Tensor
    scale: Tensor

    def __init__(self, family: Likelihood, loc: Tensor | float, scale: Tensor | float) -> None:
        if not isinstance(family, Likelihood):
            raise TypeError(f"family must be a Likelihood, got {type(family).__name__}")
        if not takes_standardised(family):
            raise ValueError(
                f"a {type(family).__name__} does not take standardised values: choose a family of any real values, "
                "with the identity link"
            )
        super().__init__(family.shape)
        self.outputs_per_value = family.outputs_per_value
        for name, value in (("loc", loc), ("scale", scale)):
            tensor = torch.as_tensor(value, dtype=torch.get_default_dtype())
            if not tensor.isfinite().all() or (name == "scale" and not (tensor > 0).all()):
                wanted = "positive and finite" if name == "scale" else "finite"
                raise ValueError(f"{name} must be {wanted}, got {tensor.tolist()}")
            self.register_buffer(name, tensor.expand(family.shape).clone())
        self.family = family

    @classmethod
    def of(cls, family: Likelihood, data: Tensor) -> Standardised:
        """The family with the mean and deviation of data ``(N, *shape)``, usually those of the training."""
        return cls(family, *moments(data))

    @property
    def mean_link(self) -> Any:
        """That of the family, where it has one."""
        return getattr(self.family, "mean_link", None)

    def forward(self, parameters: Tensor) -> TorchDistribution:
        """The family's distribution of u, rescaled to one of x."""
        p = self.family(parameters)
        events = 0
        while isinstance(p, Independent):  # so that the distribution of single values can be had, as of any family
            p, events = p.base_dist, events + p.reinterpreted_batch_ndims
        return Rescaled(p, [AffineTransform(self.loc, self.scale)]).to_event(events)

    def nats(self, is_binary: bool) -> str:
        """As those of the family."""
        return self.family.nats(is_binary)

    def standardise(self, x: Tensor) -> Tensor:
        """The values u = (x − loc)/scale of data ``(B, *shape)``."""
        return (x - self.loc) / self.scale


def takes_standardised(family: nn.Module) -> bool:
    """Whether a family takes any real values and has the identity link, so that `Standardised` can wrap it."""
    if not isinstance(family, Likelihood):
        return False
    has_identity = getattr(family, "mean_link", "identity") == "identity"
    is_plain = type(family).prepare is Likelihood.prepare and not isinstance(family, Standardised)
    return family.support is constraints.real and has_identity and is_plain


def family_of(likelihood: Any) -> Any:
    """The family that a `Standardised` wraps, or the likelihood itself."""
    return likelihood.family if isinstance(likelihood, Standardised) else likelihood


def moments(data: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each value of data ``(N, *shape)``, computed in double precision.

    The scale of a value that is constant, or varies less than single precision can divide by, is 1.

    >>> moments(torch.tensor([[1.0, 5.0], [3.0, 5.0]]))
    (tensor([2., 5.]), tensor([1., 1.]))
    """
    blocks: Sequence[Tensor] = data.split(ROWS_AT_ONCE)
    total = torch.stack([block.double().sum(0) for block in blocks]).sum(0)
    lowest, highest = data.amin(0), data.amax(0)
    is_constant = lowest == highest
    loc = torch.where(is_constant, lowest.double(), total / len(data))
    squares = torch.stack([(block.double() - loc).square().sum(0) for block in blocks]).sum(0)
    scale = (squares / len(data)).sqrt()
    scale = torch.where(is_constant | (scale < torch.finfo(torch.float32).tiny), 1.0, scale)
    return loc.to(torch.get_default_dtype()), scale.to(torch.get_default_dtype())
