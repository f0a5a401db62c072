"""Programs some of whose sites stand still, so that one can be looked at.

`Held` lets sites stand at values that are given, latent or observed, as Pyro's ``poutine.condition`` does. `Centred`
lets all others stand at the mean of their distribution, or the most probable of discrete values, once they have drawn:
a program with one latent site draws as if nobody looked.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from pyro.distributions import TorchDistribution
from pyro.poutine.messenger import Messenger
from pyro.poutine.runtime import Message
from pyro.poutine.util import site_is_subsample
from torch import Tensor

from ..terms import label_of
from .moments import centre, class_values

__all__ = ["Centred", "Held", "UnfitError", "rows_of_value"]


class UnfitError(ValueError):
    """A value that a site cannot stand at. Pyro adds the shapes of a program's sites to it, line by line."""

    def __str__(self) -> str:
        return super().__str__().partition("\n")[0].strip()


class Held(Messenger):
    """Let sites stand at given values.

    Args:
        values: By the label of the site. A whole number is a class, of a site that draws classes; other values are in
            the form in which the site draws, for all data or one a datum.
        dtype: That of the programs, for a whole number at a site that draws no classes.
        latent_only: Whether a site that the program observes is left alone.

    Attributes:
        unused: The labels that no site had so far.
    """

    def __init__(self, values: Mapping[str, Tensor], dtype: torch.dtype, *, latent_only: bool = False) -> None:
        super().__init__()
        self.values, self.dtype, self.latent_only, self.unused = values, dtype, latent_only, set(values)

    def _pyro_sample(self, msg: Message) -> None:
        label = label_of(str(msg["name"]))
        if label not in self.values or site_is_subsample(msg) or msg["infer"].get("_deterministic"):
            return
        self.unused.discard(label)
        if self.latent_only and msg["is_observed"]:
            return
        msg["value"] = _drawn(label, self.values[label], msg["fn"], self.dtype)  # type: ignore[arg-type]
        msg["is_observed"] = True


class Centred(Messenger):
    """Let latent sites stand at their centre.

    Args:
        without: Labels of sites that are left alone.
    """

    def __init__(self, without: Collection[str] = ()) -> None:
        super().__init__()
        self.without = without

    def _pyro_post_sample(self, msg: Message) -> None:
        is_fixed = msg["is_observed"] or site_is_subsample(msg) or label_of(str(msg["name"])) in self.without
        if not is_fixed:
            drawn = msg["value"]
            msg["value"] = centre(msg["fn"], lambda: drawn)  # type: ignore[arg-type, return-value]


def rows_of_value(name: str, value: Tensor, size: int) -> Tensor:
    """A value for each of ``size`` data: one for all, ``()`` or ``(1, ...)``, or one a datum, ``(size, ...)``.

    Raises:
        UnfitError: It is of another length.
    """
    if value.dim() and len(value) not in (1, size):
        raise UnfitError(f"{name!r} has {len(value)} values for {size} data: give one for all, or one a datum")
    return value.expand(size, *value.shape[1:])


def _drawn(label: str, value: Tensor, p: TorchDistribution, dtype: torch.dtype) -> Tensor:
    """A value in the form in which a site draws it, ``(*batch_shape, *event_shape)``."""
    values = class_values(p)
    if values is None:
        value = value.to(dtype)
    elif not value.is_floating_point():
        if value.min() < 0 or value.max() >= len(values):
            raise UnfitError(f"the site {label!r} has the classes 0 to {len(values) - 1}, got {_said(value)}")
        value = values[value.long()]
    elif p.has_enumerate_support and not p.event_shape and not torch.isin(value, values.to(value)).all():
        raise UnfitError(f"the site {label!r} draws {_said(values)}, got {_said(value)}")
    value = value.expand(p.event_shape) if value.dim() == 0 else value
    if value.numel() % p.event_shape.numel():
        event = tuple(p.event_shape)
        raise UnfitError(f"the site {label!r} draws values of shape {event}, got one of shape {tuple(value.shape)}")
    (size,) = p.batch_shape
    return rows_of_value(label, value.reshape(-1, *p.event_shape), size)


def _said(value: Tensor) -> str:
    return ", ".join(map(str, value.unique().tolist()[:5]))
