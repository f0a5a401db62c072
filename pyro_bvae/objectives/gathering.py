"""The terms of the whole batch, where several ranks have a slice of it each; see `ranks.sharing`.

A distribution is gathered by its parameters, so that objectives ask it for moments and densities as ever.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NoReturn

from pyro.distributions import TorchDistribution
from torch import Tensor
from torch.distributions import Independent

from .. import ranks
from .sites import Sites

__all__ = ["whole"]


def whole(sites: Sites) -> Sites:
    """The sites of the whole batch, on every rank; the same sites where there is one rank."""
    if ranks.the_share() is None:
        return sites
    kl = () if sites.kl is None else (sites.kl,)
    q, p = (_parameters(distribution) for distribution in (sites.q, sites.p))
    terms = (sites.distortion, sites.rate, sites.z, *kl)
    gathered = ranks.gather(*terms, *(q or {}).values(), *(p or {}).values())
    distortion, rate, z, *rest = gathered
    of_q, of_p = rest[len(kl) :][: len(q or {})], rest[len(kl) :][len(q or {}) :]
    return replace(
        sites,
        distortion=distortion,
        rate=rate,
        kl=rest[0] if kl else None,
        q=_with_parameters(sites.q, q, of_q),
        p=_with_parameters(sites.p, p, of_p),
        z=z,
    )


def _parameters(distribution: TorchDistribution) -> dict[str, Tensor] | None:
    """The tensors that a distribution was made of; None where they are not known, as those of a flow."""
    while isinstance(distribution, Independent):
        distribution = distribution.base_dist
    names = distribution.arg_constraints
    given = {name: value for name, value in vars(distribution).items() if name in names and isinstance(value, Tensor)}
    return given or None


def _with_parameters(distribution: TorchDistribution, names: Any, values: list[Tensor]) -> Any:
    """The same distribution with other parameters."""
    if names is None:
        return _Scattered(type(distribution).__name__)
    if isinstance(distribution, Independent):
        base = _with_parameters(distribution.base_dist, names, values)
        return base.to_event(distribution.reinterpreted_batch_ndims)
    return type(distribution)(**dict(zip(names, values, strict=True)), validate_args=False)


class _Scattered:
    """In place of a distribution that cannot be gathered: an objective that asks it for anything is refused."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, _: str) -> NoReturn:
        raise ValueError(
            f"several ranks cannot take this objective with a {self._name}, whose parameters for the whole batch they "
            "cannot gather: fit with one process, or with another objective"
        )
