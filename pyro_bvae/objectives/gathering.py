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
    if sites.weighted:
        return _of_several(sites)
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


def _of_several(sites: Sites) -> Sites:
    """The terms of the whole batch, of programs with several latent sites, whose codes no objective reads."""
    distortion, rate, *weighted = ranks.gather(sites.distortion, sites.rate, *sites.weighted.values())
    by_site = dict(zip(sites.weighted, weighted, strict=True))
    return replace(sites, distortion=distortion, rate=rate, kl=None, weighted=by_site)


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
        return _Parts(distribution)
    if isinstance(distribution, Independent):
        base = _with_parameters(distribution.base_dist, names, values)
        return base.to_event(distribution.reinterpreted_batch_ndims)
    return type(distribution)(**dict(zip(names, values, strict=True)), validate_args=False)


class _Parts:
    """In place of a distribution whose parameters cannot be gathered: what it says of each datum is gathered."""

    def __init__(self, part: TorchDistribution) -> None:
        self._part = part

    @property
    def mean(self) -> Tensor:
        """The means, ``(B, K)``."""
        return ranks.gather(self._part.mean)[0]

    @property
    def variance(self) -> Tensor:
        """The variances, ``(B, K)``."""
        return ranks.gather(self._part.variance)[0]

    def sample(self) -> Tensor:
        """A draw for each datum, ``(B, K)``."""
        return ranks.gather(self._part.sample())[0]

    def log_prob(self, value: Tensor) -> Tensor:
        """The log density of a value for each datum, ``(B,)``."""
        share = ranks.the_share()
        if share is None or value.dim() != 2:
            raise self._refusal()
        return ranks.gather(self._part.log_prob(value[share.rows]))[0]

    def __getattr__(self, _: str) -> NoReturn:
        raise self._refusal()

    def _refusal(self) -> ValueError:
        return ValueError(
            f"several ranks cannot take this objective with a {type(self._part).__name__}, whose parameters for the "
            "whole batch they cannot gather: fit with one process, or with another objective"
        )
