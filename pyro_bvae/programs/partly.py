"""Sites that are observed in some rows of a batch, and latent in the others.

    model:  y = observed_where_known("y", p, labels)          guide:  y = enumerated_where_missing("y", q, labels)

Pyro calls the two parts of such a site "y_observed" and "y_unobserved". The guide has the latent one.
"""

from __future__ import annotations

from contextlib import suppress

import pyro
import torch
from pyro import poutine
from pyro.distributions import TorchDistribution
from torch import Tensor
from torch.distributions import transform_to

from .parts import is_known

__all__ = ["enumerated_where_missing", "observed_where_known"]


def observed_where_known(name: str, p: TorchDistribution, values: Tensor | None) -> Tensor:
    """A site of a model, inside the plate of the batch: observed in the rows whose value is known.

    Args:
        name: Of the site.
        p: Its distribution.
        values: Data ``(B, ...)``, see `is_known`; None where none are given, and the site is latent as a whole.

    Returns:
        Its values.
    """
    if values is None:
        return pyro.sample(name, p)
    known = is_known(values)
    return pyro.sample(name, p, obs=torch.where(_of_events(known, p), values, _possible(p, values)), obs_mask=known)


def enumerated_where_missing(name: str, q: TorchDistribution, values: Tensor | None) -> Tensor:
    """The site of the guide that goes with it: a discrete one, summed over in the rows whose value is missing.

    Args:
        name: Of the site in the model.
        q: Its distribution.
        values: Data ``(B, ...)``, or None.

    Returns:
        What is known, and all values of the others: ``(C, B)``, or ``(C, 1)`` where none are given.
    """
    if values is None:
        return pyro.sample(name, q, infer={"enumerate": "parallel"})
    known = is_known(values)
    with poutine.mask(mask=~known):
        drawn = pyro.sample(f"{name}_unobserved", q, infer={"enumerate": "parallel"})
    return torch.where(_of_events(known, q), values, drawn)


def _of_events(known: Tensor, p: TorchDistribution) -> Tensor:
    """Which rows are known, to stand beside values ``(B, *event_shape)``."""
    return known[(..., *(None for _ in p.event_shape))]


def _possible(p: TorchDistribution, like: Tensor) -> Tensor:
    """A value that a distribution can have, for rows where nobody reads it; 0 where its support does not say."""
    if p.has_enumerate_support:
        return p.enumerate_support(expand=False)[0].reshape(p.event_shape)
    with suppress(NotImplementedError):
        return transform_to(p.support)(like.new_zeros(p.event_shape))
    return like.new_zeros(())
