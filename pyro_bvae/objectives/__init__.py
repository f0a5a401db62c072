"""What is minimised: the β-VAE's own objective and those of its successors, each a Pyro ELBO.

>>> from pyro.infer import SVI
>>> from pyro.optim import Adam
>>> import torch
>>> from pyro_bvae import BetaVAE
>>> vae = BetaVAE((1, 8, 8), latent_dim=2)
>>> svi = SVI(vae.model, vae.guide, Adam({"lr": 1e-3}), Capacity(gamma=100.0, capacity=5.0))
>>> svi.step(torch.rand(4, 1, 8, 8)) > 0
True
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, signature
from math import isfinite
from typing import Any

from ..settings.parsing import Specification
from .beta import Beta
from .capacity import Capacity, suggest_capacity
from .controlled import Controlled, RateController
from .dip import DipI, DipII
from .factor import Factor
from .info import Info
from .regularised import PerImage, Regularised, Sites, read
from .total_correlation import TotalCorrelation

__all__ = [
    "OBJECTIVES",
    "Beta",
    "Capacity",
    "Controlled",
    "DipI",
    "DipII",
    "Factor",
    "Info",
    "PerImage",
    "RateController",
    "Regularised",
    "Sites",
    "TotalCorrelation",
    "build_objective",
    "read",
    "suggest_capacity",
]

OBJECTIVES: dict[str, type[Regularised]] = {
    "beta": Beta,
    "capacity": Capacity,
    "tc": TotalCorrelation,
    "factor": Factor,
    "dip-i": DipI,
    "dip-ii": DipII,
    "info": Info,
    "controlled": Controlled,
}


def build_objective(wanted: Specification, *, size: int, latent_dim: int) -> Regularised:
    """The objective that a specification describes, its coefficients at their first values.

    Args:
        wanted: What was read.
        size: Number of training data, for the objectives that ask for it.
        latent_dim: Number of latents, likewise.

    Raises:
        ValueError: A coefficient that the objective does not have or that is missing, or its value is of another kind.
    """
    kind: Callable[..., Regularised] = OBJECTIVES[wanted.name]
    known = signature(kind, eval_str=True).parameters
    facts = {name: value for name, value in {"size": size, "latent_dim": latent_dim}.items() if name in known}
    given: dict[str, Any] = {**wanted.options, **{name: schedule(0) for name, schedule in wanted.schedules.items()}}
    for name, value in given.items():
        if name not in known or name in facts:
            there = ", ".join(other for other in known if other not in facts)
            raise ValueError(f"the objective {wanted.name} has no coefficient {name!r}; it has {there}")
        if isinstance(value, str) != (known[name].annotation is str):
            expected = "a word" if known[name].annotation is str else "a number"
            raise ValueError(f"{name} of the objective {wanted.name} is {expected}, got {value!r}")
        if isinstance(value, float) and not (isfinite(value) and value >= 0):
            raise ValueError(f"{name} of the objective {wanted.name} must be finite and at least 0, got {value:g}")
        if known[name].annotation is int:
            if value < 1 or value % 1:
                raise ValueError(f"{name} of the objective {wanted.name} is a number of at least 1, got {value:g}")
            given[name] = int(value)
    for name, parameter in known.items():
        if parameter.default is Parameter.empty and name not in {*given, *facts}:
            raise ValueError(f"the objective {wanted.name} wants {name}, like {wanted.name}:{name}=20")
    found = kind(**facts, **given)
    for name in wanted.schedules.keys() - found.coefficients.keys():
        raise ValueError(f"{name} of the objective {wanted.name} cannot have a schedule")
    return found
