"""Priors p(z): the distribution of the latents before any datum is seen.

A prior is an `nn.Module` whose ``forward()`` returns a Pyro distribution with event shape ``(K,)`` and no batch shape.

To add one, write one class and one entry of `PRIORS`. Any module or function of this form can also be passed to
`BetaVAE` without being registered.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence

import torch
from pyro.distributions import TorchDistribution

from ..settings.names import PRIORS as NAMES
from ..settings.parsing import counted
from .laplace import Laplace
from .mixture import Mixture
from .normal import StandardNormal
from .prior import Prior
from .vamp import Programs, VampPrior

__all__ = ["PRIORS", "Laplace", "Mixture", "Prior", "StandardNormal", "VampPrior", "build", "made"]

PRIORS: dict[str, type[Prior]] = {"normal": StandardNormal, "laplace": Laplace, "mixture": Mixture, "vamp": VampPrior}


def build(text: str, shape: Sequence[int], latent_dim: int) -> Prior:
    """The prior of that name.

    Args:
        text: A key of `PRIORS`, with a number after a colon where it takes one, like "mixture:10".
        shape: Shape of one datum.
        latent_dim: Number of latents, K.

    Raises:
        ValueError: The name is unknown, or a number is missing or one too many.

    >>> build("mixture:3", (5,), 2)().event_shape
    torch.Size([2])
    """
    name, count = counted("prior", text, NAMES)
    family: Callable[..., Prior] = PRIORS[name]
    known = {"shape": tuple(shape), "latent_dim": latent_dim, "count": count}
    return family(**{argument: known[argument] for argument in inspect.signature(family).parameters})


def made(prior: str | Callable[[], TorchDistribution] | None, programs: Programs) -> Callable[[], TorchDistribution]:
    """The prior of programs.

    Args:
        prior: A name, as for `build`; or a module or function without arguments. None is "normal".
        programs: What a `VampPrior` takes its posterior of, and what has ``shape`` and ``latent_dim``.

    Raises:
        TypeError: It is no module or function.
        ValueError: The name cannot be read, its event shape is not ``(K,)``, or a `VampPrior` is given a posterior that
            has no density elsewhere than at its own draws.
    """
    if prior is None or isinstance(prior, str):
        prior = build(prior or "normal", programs.shape, programs.latent_dim)
    elif not isinstance(prior, VampPrior):
        _check(prior, programs.latent_dim)
    if isinstance(prior, VampPrior):
        prior.bind(programs)
    return prior


def _check(prior: Callable[[], TorchDistribution], latent_dim: int) -> None:
    if isinstance(prior, torch.distributions.Distribution) or not callable(prior):
        kind = type(prior).__name__
        raise TypeError(f"prior is a module or function that returns a distribution, got {kind}; pass lambda: prior")
    with torch.no_grad():
        p = prior()
    if tuple(p.event_shape) != (latent_dim,) or p.batch_shape:
        raise ValueError(
            f"prior must have event shape ({latent_dim},) and no batch shape, got event {tuple(p.event_shape)} and "
            f"batch {tuple(p.batch_shape)}; .to_event(1) turns a batch into an event"
        )
