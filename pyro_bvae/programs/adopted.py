"""An object with `model` and `guide` in a `BetaVAE`'s place.

β weighs its latent sites, as if each stood under `BetaVAE.weighted`. Its parameters are those of a module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from inspect import signature
from typing import Any

import pyro
import torch
from pyro import poutine
from pyro.poutine.messenger import Messenger
from pyro.poutine.runtime import Message
from pyro.poutine.util import site_is_subsample
from torch import Tensor, nn

from ..model import BetaVAE
from ..settings.declared import class_name

__all__ = ["Adopted", "adopted"]


def adopted(
    programs: object, shape: Sequence[int], beside: Mapping[str, Tensor] | None = None, latent_dim: int | None = None
) -> BetaVAE:
    """The programs of an object as those of a `BetaVAE`; one that is a `BetaVAE` already is left as it is.

    Args:
        programs: A module with ``model(x=None, size=1)`` and ``guide(x)``, and in both what else they take.
        shape: Of a datum, ``(channels, height, width)`` or ``(features,)``.
        beside: What stands beside the data, by name.
        latent_dim: Number of latents, K; by default those that the site "z" of the guide has, or the first one.

    Raises:
        TypeError: It has no such methods, or is no module.
    """
    if isinstance(programs, BetaVAE):
        return programs
    kind = type(programs).__name__
    if not (callable(getattr(programs, "model", None)) and callable(getattr(programs, "guide", None))):
        wanted = "a BetaVAE, or a module with `model(x=None, size=1)` and `guide(x)`"
        raise TypeError(f"a {kind} has no programs: give {wanted}")
    if not isinstance(programs, nn.Module):
        raise TypeError(f"a {kind} with `model` and `guide` has to be a torch.nn.Module, whose parameters are fitted")
    return Adopted(programs, shape, latent_dim or _width(programs, shape, beside or {}))


class Adopted(BetaVAE):
    """The programs of a module.

    Args:
        programs: The module.
        shape: Of a datum.
        latent_dim: Number of latents, K.
    """

    programs: Any

    def __init__(self, programs: nn.Module, shape: Sequence[int], latent_dim: int) -> None:
        none = nn.Identity()
        super().__init__(shape, latent_dim, likelihood=none, encoder=none, decoder=none)
        self.programs = programs
        self.custom = dict.fromkeys(("likelihood", "model"), class_name(programs))

    @property
    def model(self) -> Callable[..., Any]:  # type: ignore[override]
        """The model of the module, its latent sites weighed by β."""
        return _weighted(self.programs.model, self)

    @property
    def guide(self) -> Callable[..., Any]:  # type: ignore[override]
        """Its guide, likewise."""
        return _weighted(self.programs.guide, self)


class _Latents(Messenger):
    """Multiplies the scale of latent sites by β."""

    def __init__(self, vae: BetaVAE) -> None:
        super().__init__()
        self.vae = vae

    def _pyro_sample(self, msg: Message) -> None:
        if not msg["is_observed"]:
            msg["scale"] = self.vae.beta * msg["scale"]


def _weighted(program: Callable[..., Any], vae: BetaVAE) -> Callable[..., Any]:
    @wraps(program)
    def weighted(*values: Any, **given: Any) -> Any:
        with _Latents(vae):
            return program(*values, **given)

    return weighted


def _width(programs: Any, shape: Sequence[int], beside: Mapping[str, Tensor]) -> int:
    """How many numbers the latent site "z" of a guide has, or else its first one."""
    taken = signature(programs.guide).parameters
    given = {name: values[:1] for name, values in beside.items() if name in taken}
    with torch.no_grad(), pyro.get_param_store().scope():
        trace = poutine.trace(programs.guide).get_trace(torch.zeros(1, *shape), **given)
    sites = {
        name: trace.nodes[name]["fn"] for name in trace.stochastic_nodes if not site_is_subsample(trace.nodes[name])
    }
    if not sites:
        raise TypeError(
            f"the guide of a {type(programs).__name__} has no latent site: it samples one at least, such as 'z'"
        )
    return max(1, sites.get("z", next(iter(sites.values()))).event_shape.numel())
