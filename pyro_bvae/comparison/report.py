"""The figures of a comparison.

Nats of different kinds (densities, masses, and the cross-entropy of grey pixels, which is neither) cannot be compared
with each other; bits per dimension, errors and probe accuracies can.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

from .. import plots
from ..generation import reconstruct, sample
from ..plots.bounds import MOST_LABELS, most_active
from ..runs.run import Run, load_run
from ..settings.words import slug
from ..traversal import Traversal, base, traverse
from .rows import RunRow

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["figures", "rate_distortion"]


def figures(
    rows: Sequence[RunRow], *, dataset: str | None = None, data_root: str | os.PathLike[str] | None = None
) -> dict[str, Figure]:
    """Pictures of a comparison: ``rate_distortion``, and for images ``gallery`` and ``traversals``.

    The pictures of a label are those of its first run; of many labels the first 30 have pictures. Runs on different
    data have pictures of their own, with the data in their names.

    Args:
        rows: Rows of runs whose folders are there.
        dataset: The data of the runs, where they lie elsewhere now, see `load_run`.
        data_root: Where downloads lie now.
    """
    by_data: dict[str, list[RunRow]] = {}
    for row in rows:
        by_data.setdefault(row.data, []).append(row)
    place: dict[str, Any] = {"dataset": dataset, "data_root": data_root}
    drawn = {data: _figures(some, place) for data, some in by_data.items()}
    if len(drawn) == 1:
        return next(iter(drawn.values()))
    return {f"{name}-{slug(data)}": figure for data, some in drawn.items() for name, figure in some.items()}


def rate_distortion(rows: Sequence[RunRow]) -> dict[str, Figure]:
    """The one picture that needs no data: ``rate_distortion``."""
    points = [plots.Point(row.label, row.nats, row.rate, row.distortion, row.beta, row.curve) for row in rows]
    return {"rate_distortion": plots.rate_distortion(points)}


def _figures(rows: Sequence[RunRow], place: Mapping[str, Any]) -> dict[str, Figure]:
    """The pictures of runs on the same data."""
    drawn = rate_distortion(rows)
    folders: dict[str, str] = {}
    for row in rows:
        folders.setdefault(row.label, row.run)
    runs = {label: load_run(folders[label], **place) for label in [*folders][:MOST_LABELS]}
    data = next(iter(runs.values())).dataset()
    if not data.is_images:
        return drawn
    held_out = data.images[data.held_out]
    some = held_out[:8]
    pairs = {name: (reconstruct(run.model, some)[1], sample(run.model, 8)[1]) for name, run in runs.items()}
    sweeps = {name: _sweep(run, held_out) for name, run in runs.items()}
    return drawn | {"gallery": plots.gallery(some, pairs), "traversals": plots.side_by_side(sweeps)}


def _sweep(run: Run, held_out: Tensor) -> Traversal:
    kl = run.history[-1]["held_out_kl_per_latent"]
    latents = None if kl is None else most_active(kl)
    return traverse(run.model, base(run.model, held_out), latents=latents, columns=9, kl=kl)
