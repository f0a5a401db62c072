"""The files of a comparison, beside the folders of its runs.

comparison.json   the experiment, a row for each run, means and standard deviations over seeds, and how far the
slopes of rate–distortion curves are from −β
comparison.csv    the same rows
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..files import read_json, write_csv, write_json
from ..runs.folder import RunFolder
from ..settings.kinds import is_of
from ..settings.shown import finite
from .differences import config_in
from .rows import RunRow
from .summaries import departure, summarise

__all__ = ["Experiment", "content", "experiment_in", "rows_in", "runs_in", "save", "unread_in"]

Experiment = dict[str, list[Any]]


def runs_in(out: Path) -> dict[Path, dict[str, Any]]:
    """The runs in a folder, with their configs; those whose configs cannot be read are left out."""
    paths = [path for path in sorted(out.iterdir()) if RunFolder(path).is_run]
    return {path: config for path in paths if (config := config_in(path)) is not None}


def experiment_in(out: Path) -> Experiment | None:
    """The experiment of the comparison in a folder; None where there is none.

    Raises:
        ValueError: Its comparison.json is damaged.
    """
    path = out / "comparison.json"
    if not os.path.isfile(path):  # which, other than Path's, says no where a name is too long
        return None
    content = read_json(path)
    stored = content.get("experiment") if isinstance(content, dict) else None
    if stored is None or not is_of(dict[str, list[Any]], stored):
        raise ValueError(f"{path} is damaged, or no comparison of this package: name another `out`")
    experiment: Experiment = stored
    return experiment


def rows_in(out: Path) -> list[RunRow]:
    """The rows of the comparison in a folder, with its runs where they lie now: it may have moved with them.

    Raises:
        ValueError: Its comparison.json is damaged, or another version's.
    """
    return [_as_it_is(out, row) for row in _read(out)[0]]


def unread_in(out: Path) -> list[Path]:
    """The runs of the comparison in a folder whose rows another version wrote, with other columns.

    Raises:
        ValueError: Its comparison.json is damaged.
    """
    return [beside if RunFolder(beside := out / path.name).is_run else path for path in _read(out)[1]]


def _read(out: Path) -> tuple[list[RunRow], list[Path]]:
    """The rows that can be read, and the runs of the others."""
    content = read_json(out / "comparison.json")
    stored = content.get("runs") if isinstance(content, dict) else None
    if not isinstance(stored, list):
        raise ValueError(f"{out / 'comparison.json'} is damaged, or no comparison of this package")
    rows = [RunRow.from_stored(row, content.get("varied", [])) for row in stored]
    unread = [row.get("run") for row, read in zip(stored, rows, strict=True) if read is None and isinstance(row, dict)]
    return [row for row in rows if row is not None], [Path(run) for run in unread if isinstance(run, str)]


def _as_it_is(out: Path, row: RunRow) -> RunRow:
    """A row with its run where it lies now, and the β that was set: its column has the one at the end of the fit."""
    beside = out / Path(row.run).name
    row = replace(row, run=str(beside)) if RunFolder(beside).is_run else row
    moving = {"beta", "beta_norm"} & row.varied.keys()
    config = config_in(row.run) if moving else None
    return row if config is None else replace(row, varied={**row.varied, **{name: config[name] for name in moving}})


def content(experiment: Mapping[str, Any], rows: Sequence[RunRow]) -> dict[str, Any]:
    """The content of comparison.json."""
    summaries = summarise(rows)
    return {
        "experiment": dict(experiment),
        "varied": list(dict.fromkeys(name for row in rows for name in row.varied)),
        "runs": [row.as_dict() for row in rows],
        "summary": [summary.as_dict() for summary in summaries],
        "departure": departure(summaries),
    }


def save(out: Path, experiment: Mapping[str, Any], rows: Sequence[RunRow]) -> None:
    """Write comparison.json and comparison.csv."""
    write_json(out / "comparison.json", finite(content(experiment, rows)))
    if rows:
        lines = [row.as_dict() for row in rows]
        write_csv(out / "comparison.csv", lines, list(dict.fromkeys(name for line in lines for name in line)))
