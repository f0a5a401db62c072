"""Objectives, what a fit minimises: that of the β-VAE and those of its successors, each a Pyro ELBO.

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

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

import torch

from ..schedules import end_of, start_of
from ..settings.parsing import Specification
from .ada import Ada, Averaged
from .beta import Beta
from .capacity import Capacity, suggest_capacity
from .controlled import Controlled, RateController
from .dip import DipI, DipII
from .factor import Factor
from .gathering import whole
from .info import Info
from .qlae import Qlae
from .regularised import NUMBER, WEIGHT, WHOLE_NUMBER, WORD, Option, PerImage, Regularised, Sites, read
from .sizes import Sizes
from .total_correlation import TotalCorrelation

__all__ = [
    "NUMBER",
    "OBJECTIVES",
    "WEIGHT",
    "WHOLE_NUMBER",
    "WORD",
    "Ada",
    "Averaged",
    "Beta",
    "Capacity",
    "Controlled",
    "DipI",
    "DipII",
    "Factor",
    "Info",
    "Option",
    "PerImage",
    "Qlae",
    "RateController",
    "Regularised",
    "Sites",
    "Sizes",
    "TotalCorrelation",
    "build_objective",
    "read",
    "suggest_capacity",
    "whole",
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
    "ada": Ada,
    "qlae": Qlae,
}
ONE_OF_EACH = Sizes()


def build_objective(wanted: Specification, sizes: Sizes = ONE_OF_EACH) -> Regularised:
    """The objective that a specification describes; coefficients with a schedule start at its first value.

    Args:
        wanted: The objective's name and coefficients, read from a text by `specified`.
        sizes: Of the data and the programs, for the objectives that need them.

    Raises:
        ValueError: A coefficient that the objective does not have or that is missing, or its value is of another kind
            or out of range, or that of a schedule at one of its ends is.
    """
    first, last = ({name: end(schedule) for name, schedule in wanted.schedules.items()} for end in (start_of, end_of))
    for name in wanted.schedules:
        option = OBJECTIVES[wanted.name].OPTIONS.get(name)
        if option is not None and not option.may_be_scheduled:
            raise ValueError(f"{name} of the objective {wanted.name} cannot have a schedule")
    objective = _built(wanted.name, {**wanted.options, **first}, sizes)
    if last != first:
        with torch.random.fork_rng(devices=[]):
            _built(wanted.name, {**wanted.options, **last}, sizes)
    return objective


def _built(objective: str, options: Mapping[str, float | str], sizes: Sizes) -> Regularised:
    """The objective of that name with these coefficients."""
    kind = OBJECTIVES[objective]
    make: Callable[..., Regularised] = kind
    supplied = {name: getattr(sizes, name) for name in kind.NEEDS}
    given = {name: _checked(objective, name, value) for name, value in options.items()}
    for name, option in kind.OPTIONS.items():
        if option.is_required and name not in given:
            raise ValueError(f"the objective {objective} wants {name}, like {objective}:{name}=20")
    return make(**supplied, **given)


def _checked(objective: str, name: str, value: float | str) -> Any:
    """A coefficient's value, checked against what the objective declares: a float, an int or a word."""
    options = OBJECTIVES[objective].OPTIONS
    if name not in options:
        raise ValueError(f"the objective {objective} has no coefficient {name!r}; it has {', '.join(options)}")
    kind = options[name].kind
    if isinstance(value, str) != (kind == "word"):
        raise ValueError(f"{name} of the objective {objective} is a {kind.split()[-1]}, got {value!r}")
    if isinstance(value, str):
        return value
    if not (isfinite(value) and value >= 0):
        raise ValueError(f"{name} of the objective {objective} must be finite and at least 0, got {value:g}")
    if kind == "number":
        return value
    if value < 1 or value % 1:
        raise ValueError(f"{name} of the objective {objective} is a number of at least 1, got {value:g}")
    return int(value)
