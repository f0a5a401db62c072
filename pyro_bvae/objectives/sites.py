"""What an objective is computed of: terms, draw and distributions of the latents of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pyro import poutine
from pyro.distributions import TorchDistribution
from torch import Tensor

from ..terms import label_of, latent_sites, observed_sites, terms_of_traces, total

__all__ = ["Sites", "read"]


@dataclass(frozen=True)
class Sites:
    """The terms of a batch, and the distributions and the draw of its latents.

    Attributes:
        distortion: −log p(x | z), ``(B,)``, in nats; of several observed sites the sum, each times its scale.
        rate: KL(q ‖ p), ``(B,)``, in nats; of several latent sites the sum.
        kl: The rate's parts, ``(B, K)``; None where q or p does not factorise.
        q: The posterior, batch shape ``(B,)``; of several latent sites that of the last one in the model.
        p: The prior of the same site, batch shape ``(B,)``.
        z: A draw from the posterior, ``(B, K)``.
        beta: The weight that the guide puts on that site.
        weighted: The rate of each latent site times its weight, where there are several.
    """

    distortion: Tensor
    rate: Tensor
    kl: Tensor | None
    q: TorchDistribution
    p: TorchDistribution
    z: Tensor
    beta: Tensor | float
    weighted: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def weighted_rate(self) -> Tensor:
        """The rate with the weights that the programs put on their latent sites, ``(B,)``."""
        return self.beta * self.rate if not self.weighted else total(self.weighted)


def read(model: poutine.Trace, guide: poutine.Trace) -> Sites:
    """The sites of a model trace and of the guide trace that it replays; vectorised particles are not supported."""
    terms, latents = terms_of_traces(model, guide), latent_sites(model)
    last = latents[-1]
    q = guide.nodes[last]
    distortions = _weighted(terms.distortions, {name: model.nodes[name] for name in observed_sites(model)})
    weighted = _weighted(terms.rates, {name: guide.nodes[name] for name in latents}) if len(latents) > 1 else {}
    return Sites(
        total(distortions), terms.rate, terms.kl, q["fn"], model.nodes[last]["fn"], q["value"], q["scale"], weighted
    )


def _weighted(terms: Mapping[str, Tensor], sites: Mapping[str, Mapping[str, Any]]) -> dict[str, Tensor]:
    """Terms by label, times the scale of their sites."""
    scales = {label_of(name): site["scale"] for name, site in sites.items()}
    return {label: term if _is_one(scales[label]) else scales[label] * term for label, term in terms.items()}


def _is_one(scale: Tensor | float) -> bool:
    """Whether a site is under no handler that scales it."""
    return not isinstance(scale, Tensor) and scale == 1
