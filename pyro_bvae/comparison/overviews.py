"""Pictures of many runs at once: a column against what was varied, and how the fits went.

One setting that varies makes a curve, two make a heat map. Where more vary, the two with the most values span the maps,
and each combination of the others has a map of its own: a mean over other likelihoods or objectives would mix what does
not compare.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import nan, prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .. import plots
from ..codes import is_plain
from ..datasets import Dataset, Rows
from ..generation import reconstruct
from ..plots.bounds import MOST_CURVES, most_active, spread
from ..plots.maps import MapCell, fits_pictures
from ..runs.bundle import stored_run
from ..runs.run import Run, load_run
from ..scoring import METRICS, score_columns
from ..settings.names import check
from ..terms import kl_of_site
from ..traversal import base, traverse
from .choices import label_of
from .columns import cell, column_of
from .rows import RunRow
from .summaries import MEASURES, LabelSummary, MeanDeviation, summarise

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["check_columns", "column_figures", "column_of_choice", "few_held_out", "known_columns", "learning"]

ACROSS = 4  # pictures in a cell
NOTE = (
    f"below each number: reconstructions of the first {ACROSS} held-out data, and the latent with the most KL swept "
    "from −2 to 2, of the first run"
)
LEAST_FILLED = 0.3  # of the cells of heat maps
MIXED = "nats of different kinds do not compare"


def known_columns() -> list[str]:
    """The names of all measures and scores that a comparison may have."""
    return [*MEASURES, *score_columns(METRICS)]


def check_columns(columns: Sequence[str], metrics: Sequence[str]) -> None:
    """Refuse columns that a comparison will not have.

    Args:
        columns: Measures or scores, by name.
        metrics: Those that are taken.

    Raises:
        ValueError: There is no such column, or its metric is not taken.
    """
    for name in columns:
        check("column", name, known_columns())
        of = next((metric for metric in METRICS if name in score_columns([metric])), None)
        if of is not None and of not in metrics:
            raise ValueError(f"no run will have the column {name}: ask for the metric {of}, too")


def column_of_choice(rows: Sequence[RunRow]) -> str:
    """The column that is drawn where none is named: the first score, or the ELBO where all have one kind of nats."""
    scores = next((name for row in rows for name in row.scores), None)
    if scores is not None or len({row.nats for row in rows}) == 1:
        return scores or "elbo"
    return "mse" if any(row.bits_per_dim is None for row in rows) else "bits_per_dim"


def column_figures(
    rows: Sequence[RunRow], columns: Sequence[str] = (), place: Mapping[str, Any] | None = None
) -> dict[str, Figure]:
    """Columns against the settings that vary, as curves or heat maps; nothing where none vary, or maps would be empty.

    Args:
        rows: Of runs on the same data.
        columns: Their names; by default one, see `column_of_choice`.
        place: Where the data and programs lie now, to decode pictures for the cells, as `load_run` takes them; None for
            no pictures.

    Returns:
        ``column_NAME`` for each.
    """
    names = _varied(rows)
    if not names or (len(names) > 1 and _filled(rows, names) < LEAST_FILLED):
        return {}
    pictures = _pictures(rows, place) if len(names) > 1 and place is not None else {}
    return {f"column_{name}": _column(rows, names, name, pictures) for name in columns or [column_of_choice(rows)]}


def _varied(rows: Sequence[RunRow]) -> list[str]:
    """The settings of which there are several values, those with the most values first."""
    names = dict.fromkeys(name for row in rows for name in row.varied)
    counts = {name: len({str(row.varied.get(name)) for row in rows}) for name in names}
    return sorted((name for name, count in counts.items() if count > 1), key=lambda name: -counts[name])


def _filled(rows: Sequence[RunRow], names: Sequence[str]) -> float:
    """The share of all combinations of the values of settings that there are; little where a search proposed them."""
    there = {tuple(str(row.varied.get(name)) for name in names) for row in rows}
    return len(there) / prod(len({*values}) for values in zip(*there, strict=True))


def _column(rows: Sequence[RunRow], names: Sequence[str], column: str, pictures: Mapping[str, Tensor]) -> Figure:
    title = column_of(column).title
    nats = column in ("elbo", "iw_bound", "distortion") and len({row.nats for row in rows}) > 1
    if len(names) == 1:
        return plots.column_curve([(row.varied.get(names[0]), _number(row, column)) for row in rows], names[0], title)
    panels: dict[str, dict[tuple[Any, Any], MapCell]] = {}
    for summary in summarise(rows):
        others = label_of({**summary.varied, "likelihood": ""}, names[2:])
        key = (summary.varied.get(names[0]), summary.varied.get(names[1]))
        panels.setdefault(others, {})[key] = _cell(summary, column, pictures.get(summary.label))
    notes = [MIXED if nats else "", NOTE if pictures else ""]
    return plots.column_map(panels, (names[0], names[1]), title, "; ".join(filter(None, notes)))


def _number(row: RunRow, column: str) -> float:
    value = row.as_dict().get(column)
    return nan if value is None else float(value)


def _cell(summary: LabelSummary, column: str, pictures: Tensor | None) -> MapCell:
    value = {**summary.measures, **summary.scores}.get(column)
    text = cell(value, column_of(column).digits, summary.extremes.get(column))
    for part in (" ± ", " ("):
        text = text.replace(part, f"\n{part.strip()}{' ' if part == ' ± ' else ''}")
    return MapCell(value.mean if isinstance(value, MeanDeviation) else nan, text, pictures)


def _pictures(rows: Sequence[RunRow], place: Mapping[str, Any]) -> dict[str, Tensor]:
    """What the first run of each label makes of held-out data, ``(2, 4, channels, H, W)``, as far as that can be."""
    firsts: dict[str, str] = {}
    for row in rows:
        firsts.setdefault(row.label, row.run)
    data, drawn = None, {}
    for label, path in firsts.items():
        try:
            run = load_run(path, **place)
            data = run.dataset() if data is None else data
        except (OSError, ValueError):
            continue
        if not (data.is_images and fits_pictures(len(firsts), 2 * ACROSS, data.shape[-2:])):
            return {}
        drawn[label] = _strips(run, few_held_out(run, data, ACROSS))
    return drawn


def few_held_out(run: Run, data: Dataset, count: int) -> Rows:
    """The first held-out data with what the programs of a run see beside them.

    Args:
        run: The run, whose labels may be fewer than those of others.
        data: Its data, as another run of the same has loaded them.
        count: How many.
    """
    own = data if is_plain(run.model) else run.dataset()
    return own.rows(own.held_out[:count])


def _strips(run: Run, held_out: Rows) -> Tensor:
    """Reconstructions, and the latent with the most KL swept around the first datum, ``(2, 4, channels, H, W)``."""
    start = base(run.model, held_out)
    kl = kl_of_site(start.site, run.units, run.history[-1]["held_out_kl_per_latent"]) if run.history else None
    latents = [0] if kl is None else most_active(kl, 1)
    sweep = traverse(run.model, start, latents=latents, columns=ACROSS)
    made = reconstruct(run.model, held_out)[1]
    return torch.stack([made[[*range(len(made)), *[-1] * (ACROSS - len(made))]], sweep.images[0, 0]])


def learning(rows: Sequence[RunRow]) -> dict[str, Figure]:
    """The learning curves of the runs whose histories can be read: ``learning``; nothing where there are none."""
    runs = []
    for row in (rows[place] for place in spread(len(rows), MOST_CURVES)):
        try:
            lines = stored_run(Path(row.run)).read_history()
        except (OSError, ValueError):
            continue
        parts = [[line[name] for line in lines] for name in ("step", "epoch", "held_out_elbo")]
        runs.append(plots.LearningCurve(row.label, row.nats, *parts))
    return {"learning": plots.learning_curves(runs, len(rows))} if any(len(run.steps) for run in runs) else {}
