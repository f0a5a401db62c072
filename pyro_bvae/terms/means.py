"""The terms of a data set: their means over images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from ..datasets import Progress
from ..model import BetaVAE
from .batches import check_data, evaluation_mode, of_batches, recorded_for_many
from .terms import terms

__all__ = ["ACTIVE_ABOVE", "MeanTerms", "count_active", "mean_terms"]

ACTIVE_ABOVE = 0.01  # nats of mean KL above which a latent is active, everywhere in this package


@dataclass(frozen=True)
class MeanTerms:
    """Means over images, in nats an image, as plain numbers."""

    distortion: float
    rate: float
    kl_per_latent: list[float] | None

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
    vae: BetaVAE, data: Tensor, *, batch_size: int = 1000, seed: int = 0, progress: Progress | None = None
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

    def sums(_: Tensor, x: Tensor) -> list[Tensor]:
        of_batch = terms(vae, x)
        kl = () if of_batch.kl is None else (of_batch.kl,)
        return [each.double().sum(0) for each in (of_batch.distortion, of_batch.rate, *kl)]

    check_data(vae, data)
    in_graph = recorded_for_many(vae, sums, data.numel())

    def work(original: Tensor, x: Tensor) -> list[Tensor]:
        return [each.cpu() for each in in_graph(original, x)]

    with evaluation_mode(vae, seed):
        parts = of_batches(vae, data, batch_size, work, progress=progress, what="distortion and rate")
    size = len(data)
    distortion, rate, *kl = (sum(each[1:], start=each[0]) / size for each in zip(*parts, strict=True))
    return MeanTerms(distortion.item(), rate.item(), kl[0].tolist() if kl else None)
