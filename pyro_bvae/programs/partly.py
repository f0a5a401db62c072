"""Sites that are observed in some rows of a batch, and latent in the others.

    model:  y = observed_where_known("y", p, labels)          guide:  y = enumerated_where_missing("y", q, labels)

Pyro calls the two parts of such a site "y_observed" and "y_unobserved". The guide has the latent one.
"""

from __future__ import annotations

import pyro
import torch
from pyro import poutine
from pyro.distributions import TorchDistribution
from torch import Tensor

from .parts import filled, is_known

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
    return pyro.sample(name, p, obs=filled(values), obs_mask=is_known(values))


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
    return torch.where(known, filled(values), drawn)
