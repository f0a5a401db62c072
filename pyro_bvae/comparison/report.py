"""What a comparison comes to: tables of means and deviations, files, figures.

    comparison.json   the experiment, every run's numbers, means and standard deviations over seeds, and how far the
                      slopes of rate–distortion curves are from −β
    comparison.csv    one row a run

Nats of different kinds (densities, masses, and the cross-entropy of grey pixels, which is neither) are never ranked
against each other; bits a dimension, errors and probe accuracies compare throughout.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, median, stdev
from typing import TYPE_CHECKING, Any

from torch import Tensor

from .. import plots
from ..files import write_csv, write_json
from ..generation import reconstruct, sample
from ..runs.run import Run, load_run
from ..scoring import METRICS, score_columns
from ..settings.options import DEFAULTS, FIGURES
from ..traversal import Traversal, base, traverse

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["MEASURES", "departure", "figures", "save", "start", "summarise"]

MEASURES = (
    "elbo",
    "iw_bound",
    "distortion",
    "rate",
    "bits_per_dim",
    "mse",
    "psnr",
    "ssim",
    "probe_accuracy",
    "active_units",
    "coverage_50",
    "coverage_90",
    "beta",
    "seconds",
)

SCORES = score_columns(METRICS)
LEAST_RATE = 1.0  # nats, at and below which a model is near collapse and its slope says little


def start(out: Path, experiment: Mapping[str, Any]) -> None:
    """Make the comparison folder, or make sure that it is one of the same experiment, or of a part of it.

    More seeds, or more values of a setting that had several, are a larger experiment with the same labels.

    Raises:
        FileExistsError: The folder holds another experiment, or other files.
    """
    path = out / "comparison.json"
    if path.is_file():
        stored = json.loads(path.read_text(encoding="utf-8")).get("experiment", {})
        defaults = {name: [value] for name, value in DEFAULTS.items()}  # for names of a later day
        stored = {name: stored.get(name, defaults.get(name)) for name in experiment}
        compared = [name for name in experiment if name not in FIGURES]
        differ = [name for name in compared if not _holds(experiment[name], stored[name], name)]
        if differ:
            raise FileExistsError(f"{out} holds another comparison ({', '.join(differ)} differ): name another --out")
    elif out.is_dir() and any(out.iterdir()):
        raise FileExistsError(f"{out} holds other files: name another --out")
    else:
        save(out, experiment, [])


def _holds(values: Sequence[Any], stored: Sequence[Any] | None, name: str) -> bool:
    """Whether the values of a setting are those of a stored experiment, or more that leave its labels as they are."""
    may_grow = stored is not None and (name in ("seeds", "runs") or len(stored) > 1)
    return values == stored or (may_grow and all(value in values for value in stored or ()))


def summarise(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Means and standard deviations over the seeds of each label, in the order of the labels.

    Returns:
        A mapping a label: its name, kind of nats, number of seeds, curve and slope as `comparison.on_curves` has them,
        and for each of `MEASURES`, and each score that the rows hold, ``[mean, deviation]``, the deviation None of a
        single seed; or None where a run has none.
    """
    found = []
    for label in dict.fromkeys(row["label"] for row in rows):
        group = [row for row in rows if row["label"] == label]
        line: dict[str, Any] = {"label": label, "nats": group[0]["nats"], "seeds": len(group)}
        line |= {name: group[0].get(name) for name in ("curve", "slope")}
        for name in (*MEASURES, *(column for column in group[0] if column in SCORES)):
            values = [row[name] for row in group]
            known = all(value is not None for value in values)
            line[name] = [mean(values), stdev(values) if len(values) > 1 else None] if known else None
        found.append(line)
    return found


def departure(summary: Sequence[Mapping[str, Any]]) -> float | None:
    """The median of |slope + β|/β over the points with a rate above 1 nat and neighbours on both sides.

    It is 0 at the optimum, but for what central differences make of the spacing of the βs.

    Source: Alemi et al., Fixing a broken ELBO, https://arxiv.org/abs/1711.00464

    Args:
        summary: Of `summarise`.

    Returns:
        The median; None where no such point has a slope.
    """
    curves: dict[str, list[float]] = {}
    for line in summary:
        if line["slope"] is not None:
            curves.setdefault(line["curve"], []).append(line["beta"][0])
    ends = {(name, end(betas)) for name, betas in curves.items() for end in (min, max)}
    points = [line for line in summary if line["slope"] is not None and line["rate"][0] > LEAST_RATE]
    points = [line for line in points if (line["curve"], line["beta"][0]) not in ends]
    found = [abs(line["slope"] + line["beta"][0]) / line["beta"][0] for line in points]
    return median(found) if found else None


def save(out: Path, experiment: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write comparison.json and comparison.csv."""
    summary = summarise(rows)
    content = {"experiment": dict(experiment), "runs": list(rows), "summary": summary, "departure": departure(summary)}
    write_json(out / "comparison.json", content)
    if rows:
        write_csv(out / "comparison.csv", rows)


def figures(rows: Sequence[Mapping[str, Any]]) -> dict[str, Figure]:
    """Pictures of a comparison: ``rate_distortion``, and for images ``gallery`` and ``traversals``.

    The pictures of a label are those of its first run.

    Args:
        rows: Rows of runs whose folders are there.
    """
    drawn = {"rate_distortion": plots.rate_distortion(rows)}
    firsts = {row["label"]: load_run(row["run"]) for row in reversed(rows)}
    runs = {label: firsts[label] for label in dict.fromkeys(row["label"] for row in rows)}
    data = next(iter(runs.values())).dataset()
    if not data.is_images or any(run.dataset().shape != data.shape for run in runs.values()):
        return drawn
    held_out = data.images[data.held_out]
    some = held_out[:8]
    pairs = {name: (reconstruct(run.model, some)[1], sample(run.model, 8)[1]) for name, run in runs.items()}
    sweeps = {name: _sweep(run, held_out) for name, run in runs.items()}
    return drawn | {"gallery": plots.gallery(some, pairs), "traversals": plots.side_by_side(sweeps)}


def _sweep(run: Run, held_out: Tensor) -> Traversal:
    kl = run.history[-1]["held_out_kl_per_latent"]
    return traverse(run.model, base(run.model, held_out), columns=9, kl=kl)
