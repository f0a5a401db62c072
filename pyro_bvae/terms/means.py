"""The terms of a data set: their means over images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_map

from ..datasets import Progress, Rows
from ..model import BetaVAE
from .batches import batches, check_data, evaluation_mode, of_batches, recorded_for_many
from .terms import terms, traces, units_of

__all__ = ["ACTIVE_ABOVE", "MeanTerms", "count_active", "kl_of_site", "mean_terms"]

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
        units: What each KL is of, see `terms.units_of`.
    """

    distortion: float
    rate: float
    kl_per_latent: list[float] | None
    distortions: dict[str, float] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)
    units: list[str] = field(default_factory=list)

    def kl_of(self, site: str = "z") -> list[float] | None:
        """The KL of the units of one site; None where the site does not factorise."""
        return kl_of_site(site, self.units, self.kl_per_latent)

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


def kl_of_site(site: str, units: Sequence[str], kl: Sequence[float] | None) -> list[float] | None:
    """The KL of the units of one site.

    Args:
        site: Its label.
        units: What each KL is of, see `terms.units_of`.
        kl: Nats, in the same order.

    Returns:
        In the order of its elements; None where the site does not factorise over them.

    >>> kl_of_site("z", ["y", "z[0]", "z[1]"], [0.5, 1.0, 2.0])
    [1.0, 2.0]
    """
    mine = [value for unit, value in zip(units, kl or (), strict=bool(kl)) if unit.startswith(f"{site}[")]
    return mine or None


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
        return tree_map(_numbers, in_graph(x, **given))

    with evaluation_mode(vae, seed):
        parts = of_batches(vae, rows, batch_size, work, progress=progress, what="distortion and rate")
        means = tree_map(lambda *sums: sum(sums) / len(rows), *parts)
        kl = means.pop("kl", None)
        is_vector = list(means["rates"]) == ["z"] and len(kl or ()) > 1
        units = [f"z[{number}]" for number in range(len(kl))] if is_vector else _units(vae, rows)
    return MeanTerms(kl_per_latent=kl, **means, units=units)


def _numbers(sums: Tensor) -> Any:
    """A sum, or sums ``(M,)``, as numbers of Python; why no tensors is said at `rows_of_batches`."""
    sums = sums.cpu()
    return [each.item() for each in sums] if sums.dim() else sums.item()


def _units(vae: BetaVAE, rows: Rows) -> list[str]:
    """What each KL is of, from a look at one datum."""
    _, x, given = next(batches(vae, rows[:1], 1))
    return units_of(*traces(vae.model, vae.guide, x, **given))
