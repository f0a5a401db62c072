"""What stands for a distribution: mean and deviation of a continuous one, the probabilities of one of classes.

A site of classes draws one of C values: numbers (`Categorical`, `Bernoulli`), one-hot rows (`OneHotCategorical`), or a
relaxation of these. Its code has the probabilities of the classes in place of means, and its centre is the most
probable of them, in the form in which the site draws it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from pyro.distributions import TorchDistribution
from torch import Tensor
from torch.distributions import (
    Categorical,
    Cauchy,
    HalfCauchy,
    RelaxedBernoulli,
    RelaxedOneHotCategorical,
    StudentT,
)

from ..terms import per_value

__all__ = ["centre", "class_values", "moments", "probabilities", "width"]

MAY_LACK_A_MEAN = (Cauchy, HalfCauchy, StudentT)  # their mode stands for it, which is it where there is one
DRAWS_FOR_MOMENTS = 256  # of a distribution without a mean in closed form, such as a flow


def class_values(p: TorchDistribution) -> Tensor | None:
    """The values of a site of classes in the form in which it draws them, ``(C, *event_shape)``; None for any other.

    >>> import pyro.distributions as dist
    >>> class_values(dist.OneHotCategorical(torch.ones(5, 2)))
    tensor([[1., 0.],
            [0., 1.]])
    >>> class_values(dist.Normal(0.0, 1.0)) is None
    True
    """
    if isinstance(p, RelaxedOneHotCategorical):
        return torch.eye(p.event_shape[0]).to(p.logits)
    if isinstance(p, RelaxedBernoulli):
        return torch.arange(2).to(p.logits)
    if not p.has_enumerate_support or per_value(p) is not p:
        return None
    values = p.enumerate_support(expand=False)  # (C, 1, ..., *event_shape)
    return values.reshape(-1, *p.event_shape)


def width(p: TorchDistribution) -> int:
    """How many numbers a code of the site has: its elements, or its classes."""
    values = class_values(p)
    return p.event_shape.numel() if values is None else len(values)


def probabilities(p: TorchDistribution, values: Tensor) -> Tensor:
    """The probability of each value of a site of classes, ``(*batch_shape, C)``.

    Args:
        p: Its distribution.
        values: See `class_values`.
    """
    if isinstance(p, RelaxedOneHotCategorical):
        of_classes: Tensor = p.probs
        return of_classes
    if isinstance(p, RelaxedBernoulli):
        return torch.stack([1 - p.probs, p.probs], -1)
    each = values.reshape(-1, *(1 for _ in p.batch_shape), *p.event_shape)
    return p.log_prob(each).exp().movedim(0, -1)


def moments(p: TorchDistribution) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of a site's elements, ``(*batch_shape, K)`` each; of classes, those of one-hot rows.

    They are estimated from draws where the distribution has no closed form.

    Raises:
        ValueError: The site draws several classes, which have no mean.
    """
    values = class_values(p)
    if values is not None:
        loc = probabilities(p, values)
        return loc, (loc * (1 - loc)).clamp(min=0).sqrt()
    if isinstance(per_value(p), Categorical):
        raise ValueError(f"a code has no place for {p.event_shape.numel()} classes at one site: draw each at its own")
    loc, scale = _moments(p)
    batch = loc.shape[: loc.dim() - len(p.event_shape)]
    return loc.reshape(*batch, -1), scale.reshape(*batch, -1)


def centre(p: TorchDistribution, draw: Callable[[], Tensor]) -> Tensor:
    """The value that stands for a distribution: its mean, or the most probable of discrete values.

    Args:
        p: The distribution.
        draw: Gives a draw of it, which stands for a discrete one whose mode is not known.
    """
    values = class_values(p)
    if values is not None:
        return values[probabilities(p, values).argmax(-1)]
    return _mode(p, draw) if _is_discrete(p) else _moments(p)[0]


def _is_discrete(p: TorchDistribution) -> bool:
    try:
        return bool(p.support.is_discrete)
    except NotImplementedError:
        return False


def _mode(p: TorchDistribution, draw: Callable[[], Tensor]) -> Tensor:
    try:
        return p.mode.nan_to_num()  # that of Bernoulli(1/2) is NaN
    except NotImplementedError:
        return draw()


def _moments(p: TorchDistribution) -> tuple[Tensor, Tensor]:
    try:
        return (p.mode if isinstance(per_value(p), MAY_LACK_A_MEAN) else p.mean), p.stddev
    except NotImplementedError:
        draws = p.sample((DRAWS_FOR_MOMENTS,))
        return draws.mean(0), draws.std(0)
