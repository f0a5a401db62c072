"""The codes of a data set: the mean and standard deviation of q(z | x) for each datum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from ..datasets import Progress, Rows, rows_of
from ..model import BetaVAE
from ..terms import batches, check_data, evaluation_mode, recorded_for_many, rows_of_batches, suitable_size
from .moments import moments
from .sites import posterior, posteriors

__all__ = ["Codes", "encode", "encode_sites"]

AT_ONCE = 100  # data that are encoded together: images of 64×64 stay in a CPU's cache, where 1,000 do not
FEW = 7  # data of which the largest tensor is looked at


@dataclass(frozen=True)
class Codes:
    """Posterior means ``loc`` and standard deviations ``scale`` of a latent site, each ``(N, K)``, on the CPU.

    Of a site of C classes, ``loc`` has their probabilities ``(N, C)``, and ``scale`` the deviations of one-hot rows.
    """

    loc: Tensor
    scale: Tensor


def encode(
    vae: BetaVAE,
    data: Tensor | Rows,
    *,
    site: str | None = None,
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> Codes:
    """The codes of a data set.

    Many data are encoded by way of a graph, see `terms.recorded_for_many`, which changes codes by rounding alone.

    Args:
        vae: The programs; its device is used.
        data: Images or vectors ``(N, *shape)``, uint8 or float, on any device; or rows, with what stands beside them.
        site: The latent site, see `codes.code_site`; the others stand at their mean or mode.
        batch_size: How many are encoded at once; by default 100, and in a graph `terms.suitable_size`.
        progress: Called after each batch.

    Returns:
        Posterior means and standard deviations, K latents of N data.
    """
    return _of_data(vae, data, lambda x, **given: [moments(posterior(vae, x, site, **given))], batch_size, progress)[0]


def encode_sites(
    vae: BetaVAE, data: Tensor | Rows, *, batch_size: int | None = None, progress: Progress | None = None
) -> dict[str, Codes]:
    """The codes of a data set at each latent site of the guide, in its order; see `encode`."""
    few = next(batches(vae, rows_of(data)[:FEW], FEW))
    with evaluation_mode(vae, seed=0):
        names = list(posteriors(vae, few[1], "z", **few[2]))

    def work(x: Tensor, **given: Tensor) -> list[tuple[Tensor, Tensor]]:
        return [moments(q) for q in posteriors(vae, x, "z", **given).values()]

    return dict(zip(names, _of_data(vae, data, work, batch_size, progress), strict=True))


def _of_data(
    vae: BetaVAE,
    data: Tensor | Rows,
    work: Callable[..., list[tuple[Tensor, Tensor]]],
    batch_size: int | None,
    progress: Progress | None,
) -> list[Codes]:
    """The codes that ``work`` makes of a batch, of all data."""
    rows = check_data(vae, data)
    in_graph = recorded_for_many(vae, work, rows.images.numel())

    def in_a_row(_: Tensor, x: Tensor, **given: Tensor) -> list[Tensor]:
        return [moment for both in in_graph(x, **given) for moment in both]

    with evaluation_mode(vae, seed=0):
        if batch_size is None:
            _, few, beside = next(batches(vae, rows[:FEW], FEW))
            batch_size = suitable_size(in_graph, few, **beside) or AT_ONCE
        whole = rows_of_batches(vae, data, batch_size, in_a_row, progress=progress, what="codes")
    return [Codes(*both) for both in zip(whole[::2], whole[1::2], strict=True)]
