"""What is known of data beside their images, by name: arguments of the programs, and sites that are held."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..codes import latents, rows_of_value
from ..model import BetaVAE
from ..terms import arguments_of

__all__ = ["Given", "as_tensor", "given_for"]


@dataclass(frozen=True)
class Given:
    """What is known of N data, on the model's device.

    Attributes:
        arguments: What the programs are called with, by name, ``(N, ...)`` each.
        held: Where sites stand, by their labels, likewise.
    """

    arguments: dict[str, Tensor] = field(default_factory=dict)
    held: dict[str, Tensor] = field(default_factory=dict)

    def __getitem__(self, rows: slice) -> Given:
        """Of some of the data."""
        return self._each(lambda value: value[rows])

    def repeated(self, times: int) -> Given:
        """Of data each of which there is so many times, one after the other."""
        return self._each(lambda value: value.repeat_interleave(times, 0))

    def without(self, sites: Collection[str]) -> Given:
        """The same, but for sites that are not to be held."""
        return Given(self.arguments, {name: value for name, value in self.held.items() if name not in sites})

    def _each(self, change: Callable[[Tensor], Tensor]) -> Given:
        return Given(*({name: change(value) for name, value in part.items()} for part in (self.arguments, self.held)))


def given_for(vae: BetaVAE, given: Mapping[str, Any] | Given | None, size: int) -> Given:
    """What is given by name, taken apart into arguments and sites; a name of both is that of the site.

    Args:
        vae: The programs.
        given: Numbers or tensors, one for all data, ``()`` or ``(1, ...)``, or one a datum, ``(size, ...)``. What has
            been taken apart already stays so.
        size: The number of data.

    Raises:
        ValueError: A value is for another number of data.
    """
    if not isinstance(given, Given):
        given = given or {}
        arguments = {name: value for name, value in given.items() if name in arguments_of(vae)}
        if arguments:  # such as a class that is known of some data, and a latent site
            first = {name: rows_of_value(name, as_tensor(vae, value), size)[:1] for name, value in arguments.items()}
            sites = _latents(vae, first)
            arguments = {name: value for name, value in arguments.items() if name not in sites}
        given = Given(arguments, {name: value for name, value in given.items() if name not in arguments})

    def of_all(part: Mapping[str, Any]) -> dict[str, Tensor]:
        return {name: rows_of_value(name, as_tensor(vae, value), size) for name, value in part.items()}

    return Given(of_all(given.arguments), of_all(given.held))


def as_tensor(vae: BetaVAE, value: Any) -> Tensor:
    """A number or tensor on the model's device: whole numbers as int64, floats in the model's precision."""
    tensor = torch.as_tensor(value)
    if tensor.is_floating_point():
        return tensor.to(vae.beta)
    return tensor.to(vae.beta.device, None if tensor.dtype is torch.bool else torch.int64)


def _latents(vae: BetaVAE, arguments: Mapping[str, Tensor]) -> Collection[str]:
    """The latent sites of the guide where nothing else is known; with the arguments where it does not run without."""
    try:
        return latents(vae)
    except (AttributeError, RuntimeError, TypeError, ValueError):
        return latents(vae, **arguments)
