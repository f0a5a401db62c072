"""Posteriors q(z | x): the distribution of the latents of a datum, given what the encoder makes of it.

A posterior is an `nn.Module` whose ``forward(loc, log_variance, *context)`` returns a Pyro distribution with batch
shape ``(B,)`` and event shape ``(K,)``. How many numbers of context it wants of the encoder is its ``context``.

To add one, write one class and one entry of `POSTERIORS`. Any module of this form can also be passed to `BetaVAE`
without being registered.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

from ..settings.names import POSTERIORS as NAMES
from ..settings.parsing import counted
from .diagonal import Diagonal
from .full import FullCovariance
from .iaf import InverseAutoregressive
from .planar import Planar
from .posterior import Posterior
from .spline import Spline

__all__ = [
    "POSTERIORS",
    "Diagonal",
    "FullCovariance",
    "InverseAutoregressive",
    "Planar",
    "Posterior",
    "Spline",
    "build",
]

POSTERIORS: dict[str, type[Posterior]] = {
    "diagonal": Diagonal,
    "full": FullCovariance,
    "iaf": InverseAutoregressive,
    "planar": Planar,
    "spline": Spline,
}


def build(text: str, latent_dim: int) -> Posterior:
    """The posterior of that name.

    Args:
        text: A key of `POSTERIORS`, with a number after a colon where it takes one, like "iaf:2".
        latent_dim: Number of latents, K.

    Raises:
        ValueError: The name is unknown, or a number is missing or one too many.
    """
    name, count = counted("posterior", text, NAMES)
    family: Callable[..., Posterior] = POSTERIORS[name]
    known = {"latent_dim": latent_dim, "count": count}
    return family(**{argument: known[argument] for argument in inspect.signature(family).parameters})
