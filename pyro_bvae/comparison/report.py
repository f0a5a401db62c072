"""A comparison as files and figures, in a folder that grows with it.

    comparison.json   the experiment, a row for each run, means and standard deviations over seeds, and how far the
                      slopes of rate–distortion curves are from −β
    comparison.csv    the same rows

Nats of different kinds (densities, masses, and the cross-entropy of grey pixels, which is neither) cannot be compared
with each other; bits per dimension, errors and probe accuracies can.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from .. import plots
from ..files import LOCK, read_json, remove_abandoned, write_csv, write_json
from ..generation import reconstruct, sample
from ..plots.bounds import MOST_LABELS, most_active
from ..runs.building import load_data
from ..runs.folder import RunFolder
from ..runs.older import with_defaults
from ..runs.run import Run, load_run
from ..settings.kinds import is_of
from ..settings.options import CHANGES_NO_NUMBER, DATA, DEFAULTS, FIGURES
from ..settings.shown import finite
from ..settings.words import slug
from ..traversal import Traversal, base, traverse
from .rows import RunRow
from .summaries import departure, summarise

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["content", "figures", "rate_distortion", "save", "settings_before", "start"]


def start(out: Path, experiment: Mapping[str, Any]) -> None:
    """Make the folder of a comparison, or make sure that it holds the same experiment or a part of it.

    An experiment may grow by seeds, and by values of a setting that had several: the labels stay as they are. Its data
    may lie elsewhere than before, if they are those of its runs. Partial files of a process that was killed here go.

    Raises:
        FileExistsError: The folder holds another experiment, or other files.
        ValueError: Its comparison.json is damaged.
    """
    remove_abandoned(out)
    stored = _experiment_in(out)
    if stored is not None:
        defaults = {name: [value] for name, value in (DEFAULTS | settings_before(out)).items()}
        meant = {name: stored.get(name, defaults.get(name)) for name in experiment}
        differ = [name for name, values in experiment.items() if not _holds(values, meant[name], name)]
        differ += ["search"] if "search" in stored.keys() - experiment.keys() else []
        if differ == ["dataset"] and _has_moved(out, experiment):
            return
        if differ:
            raise FileExistsError(f"{out} holds another comparison ({', '.join(differ)} differ): name another `out`")
    elif out.is_dir() and {file.name for file in out.iterdir()} - {LOCK}:
        raise FileExistsError(f"{out} holds other files: name another `out`")
    else:
        save(out, experiment, [])


def settings_before(out: Path) -> dict[str, Any]:
    """What the comparison in a folder means by settings that are younger than it, where that is not their default now.

    The runs of an older one are not standardised, and neither are those by which it grows, now and later on.

    Raises:
        ValueError: Its comparison.json is damaged.
    """
    stored = _experiment_in(out)
    if stored is None:
        return {}
    meant = with_defaults({"dataset": next(iter(stored.get("dataset", [])), "")})
    names = ("standardise", "background")
    return {name: meant[name] for name in names if stored.get(name, [meant[name]]) == [meant[name]]}


def _experiment_in(out: Path) -> dict[str, list[Any]] | None:
    """The experiment of the comparison in a folder; None where there is none."""
    path = out / "comparison.json"
    if not path.is_file():
        return None
    content = read_json(path)
    stored = content.get("experiment") if isinstance(content, dict) else None
    if stored is None or not is_of(dict[str, list[Any]], stored):
        raise ValueError(f"{path} is damaged, or no comparison of this package: name another `out`")
    experiment: dict[str, list[Any]] = stored
    return experiment


def _has_moved(out: Path, experiment: Mapping[str, Any]) -> bool:
    """Whether the one data set of an experiment is that of the runs in a folder, by its fingerprint."""
    folders = [folder for path in out.iterdir() if (folder := RunFolder(path)).is_run]
    if len(experiment["dataset"]) > 1 or not folders:
        return False
    data = load_data({name: experiment[name][0] for name in DATA if name in experiment})
    return {folder.read_config()["fingerprint"] for folder in folders} == {data.fingerprint}


def _holds(values: Sequence[Any], stored: Sequence[Any] | None, name: str) -> bool:
    """Whether a setting has the values of the stored experiment, or more that leave the labels as they are."""
    if name in ("data_root", *CHANGES_NO_NUMBER, *FIGURES) and len(values) == 1:
        return True
    may_grow = stored is not None and (name in ("seeds", "runs") or len(stored) > 1)
    return values == stored or (may_grow and all(value in values for value in stored or ()))


def content(experiment: Mapping[str, Any], rows: Sequence[RunRow]) -> dict[str, Any]:
    """The content of comparison.json."""
    summaries = summarise(rows)
    return {
        "experiment": dict(experiment),
        "runs": [row.as_dict() for row in rows],
        "summary": [summary.as_dict() for summary in summaries],
        "departure": departure(summaries),
    }


def save(out: Path, experiment: Mapping[str, Any], rows: Sequence[RunRow]) -> None:
    """Write comparison.json and comparison.csv."""
    write_json(out / "comparison.json", finite(content(experiment, rows)))
    if rows:
        write_csv(out / "comparison.csv", [row.as_dict() for row in rows])


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
