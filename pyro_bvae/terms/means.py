"""The terms of a data set: their means over images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_map

from ..datasets import Progress, Rows
from ..model import BetaVAE
from .batches import check_data, evaluation_mode, of_batches, recorded_for_many
from .terms import terms

__all__ = ["ACTIVE_ABOVE", "MeanTerms", "count_active", "mean_terms"]

ACTIVE_ABOVE = 0.01  # nats of mean KL above which a latent is active, everywhere in this package


@dataclass(frozen=True)
class MeanTerms:
    """Means over images, in nats an image, as plain numbers.

    Attributes:
        distortion: D.
        rate: R.
        kl_per_latent: Of each unit, see `terms.units_of`; None where no site factorises.
        distortions: The parts of D, by the labels of observed sites.
        rates: The parts of R, by the labels of latent sites.
    """

    distortion: float
    rate: float
    kl_per_latent: list[float] | None
    distortions: dict[str, float] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)

    @property
    def elbo(self) -> float:
        """−(distortion + rate)."""
        return -(self.distortion + self.rate)

    @property
    def active_units(self) -> int | None:
        """How many latents have a mean KL above 0.01 nats."""
        return count_active(self.kl_per_latent)


def count_active(kl_per_latent: Sequence[float] | None) -> int | None:
    """How many latents have a mean KL above 0.01 nats; None where it is not defined."""
    return None if kl_per_latent is None else sum(kl > ACTIVE_ABOVE for kl in kl_per_latent)


def mean_terms(
    vae: BetaVAE, data: Tensor | Rows, *, batch_size: int = 1000, seed: int = 0, progress: Progress | None = None
) -> MeanTerms:
    """The terms of a data set: means over all images, with one draw of z each, the same at every call.

    Args:
        vae: The programs; its device is used.
        data: Images or vectors ``(N, *shape)``, uint8 or float, on any device.
        batch_size: How many are evaluated at once.
        seed: Seed of the draws.
        progress: Called after each batch.

    Returns:
        Means in nats an image.
    """

    def sums(x: Tensor, **given: Tensor) -> dict[str, Any]:
        one = terms(vae, x, **given)
        parts = {"distortion": one.distortion, "rate": one.rate, "distortions": one.distortions, "rates": one.rates}
        return tree_map(lambda each: each.double().sum(0), parts | ({} if one.kl is None else {"kl": one.kl}))

    rows = check_data(vae, data)
    in_graph = recorded_for_many(vae, sums, rows.images.numel())

    def work(_: Tensor, x: Tensor, **given: Tensor) -> dict[str, Any]:
        return tree_map(Tensor.cpu, in_graph(x, **given))

    with evaluation_mode(vae, seed):
        parts = of_batches(vae, rows, batch_size, work, progress=progress, what="distortion and rate")
    means = tree_map(lambda first, *others: (sum(others, start=first) / len(rows)).tolist(), *parts)
    return MeanTerms(kl_per_latent=means.pop("kl", None), **means)
