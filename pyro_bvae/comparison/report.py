"""The figures of a comparison.

Nats of different kinds (densities, masses, and the cross-entropy of grey pixels, which is neither) cannot be compared
with each other; bits per dimension, errors and probe accuracies can.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .. import plots
from ..datasets import Rows
from ..generation import reconstruct, sample, with_conditions
from ..plots.bounds import MOST_LABELS, most_active
from ..runs.run import Run, load_run
from ..settings.words import slug
from ..terms import kl_of_site
from ..traversal import Traversal, base, traverse
from .differences import config_in
from .overviews import column_figures, few_held_out, learning
from .rows import RunRow

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["figures", "figures_without_data"]

SHOWN = 8  # data, and draws, of a run


def figures(
    rows: Sequence[RunRow],
    columns: Sequence[str] = (),
    **place: Any,
) -> dict[str, Figure]:
    """Pictures of a comparison.

    The pictures of a label are those of its first run; of many labels the first 30 have pictures. Runs on different
    data have pictures of their own, with the data in their names.

    Args:
        rows: Rows of runs. Those whose folders are gone are in no picture that needs more than their numbers.
        columns: Which columns are drawn against what was varied; by default one, see `overviews.column_of_choice`.
        place: Where the data and a file of programs lie now, as `load_run` takes them.

    Returns:
        ``rate_distortion``; ``learning``, where there are histories; ``column_NAME``, where something was varied; and
        for images ``gallery`` and ``traversals``.
    """
    return _of_each_data(rows, lambda some: _figures(some, columns, place))


def figures_without_data(rows: Sequence[RunRow], columns: Sequence[str] = ()) -> dict[str, Figure]:
    """Those pictures that need no data."""
    return _of_each_data(rows, lambda some: _plain(some, columns, None))


def _of_each_data(rows: Sequence[RunRow], draw: Callable[[Sequence[RunRow]], dict[str, Figure]]) -> dict[str, Figure]:
    by_data: dict[str, list[RunRow]] = {}
    for row in rows:
        by_data.setdefault(row.data, []).append(row)
    drawn = {data: draw(some) for data, some in by_data.items()}
    if len(drawn) == 1:
        return next(iter(drawn.values()))
    return {f"{name}-{slug(data)}": figure for data, some in drawn.items() for name, figure in some.items()}


def _plain(rows: Sequence[RunRow], columns: Sequence[str], place: Mapping[str, Any] | None) -> dict[str, Figure]:
    """Numbers of runs on the same data, with pictures in the cells of heat maps where their place is known."""
    points = [plots.Point(row.label, row.nats, row.rate, row.distortion, row.beta, row.curve) for row in rows]
    drawn = {"rate_distortion": plots.rate_distortion(points)}
    return drawn | learning(rows) | column_figures(rows, columns, place)


def _figures(rows: Sequence[RunRow], columns: Sequence[str], place: Mapping[str, Any]) -> dict[str, Figure]:
    """The pictures of runs on the same data."""
    drawn = _plain(rows, columns, place)
    folders: dict[str, str] = {}
    for row in rows:
        if config_in(row.run) is not None:
            folders.setdefault(row.label, row.run)
    runs = {label: load_run(folders[label], **place) for label in [*folders][:MOST_LABELS]}
    data = next(iter(runs.values())).dataset() if runs else None
    if data is None or not data.is_images:
        return drawn
    pairs, sweeps = {}, {}
    for name, run in runs.items():
        some = few_held_out(run, data, SHOWN)
        given = with_conditions(run.model, {}, some, SHOWN)
        pairs[name] = reconstruct(run.model, some)[1], sample(run.model, SHOWN, given=given)[1]
        sweeps[name] = _sweep(run, some)
    gallery = plots.gallery(data.images[data.held_out[:SHOWN]], pairs)
    return drawn | {"gallery": gallery, "traversals": plots.side_by_side(sweeps)}


def _sweep(run: Run, held_out: Rows) -> Traversal:
    start = base(run.model, held_out)
    kl = kl_of_site(start.site, run.units, run.history[-1]["held_out_kl_per_latent"]) if run.history else None
    latents = None if kl is None else most_active(kl)
    return traverse(run.model, start, latents=latents, columns=9, kl=kl)
