"""What an objective is computed of: terms, draw and distributions of the latents of a batch."""

from __future__ import annotations

from dataclasses import dataclass

from pyro import poutine
from pyro.distributions import TorchDistribution
from torch import Tensor

from ..terms import terms_of_traces

__all__ = ["Sites", "read"]


@dataclass(frozen=True)
class Sites:
    """The terms of a batch, and the distributions and the draw of its latents.

    Attributes:
        distortion: −log p(x | z), ``(B,)``, in nats.
        rate: KL(q ‖ p), ``(B,)``, in nats.
        kl: The rate's parts, ``(B, K)``; None where q or p does not factorise.
        q: The posterior, batch shape ``(B,)``.
        p: The prior, batch shape ``(B,)``.
        z: A draw from the posterior, ``(B, K)``.
        beta: The weight that the guide puts on its latent site.
    """

    distortion: Tensor
    rate: Tensor
    kl: Tensor | None
    q: TorchDistribution
    p: TorchDistribution
    z: Tensor
    beta: Tensor | float


def read(model: poutine.Trace, guide: poutine.Trace) -> Sites:
    """The sites of a model trace and of the guide trace that it replays; vectorised particles are not supported."""
    terms, z = terms_of_traces(model, guide), guide.nodes["z"]
    mask = 1.0 if z["mask"] is None else z["mask"]
    beta = z["scale"] * mask
    return Sites(terms.distortion, terms.rate, terms.kl, z["fn"], model.nodes["z"]["fn"], z["value"], beta)
