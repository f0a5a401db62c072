"""What the runs of a comparison are called, and which settings vary among them.

Runs of one label are repetitions under several seeds, over which means are taken. The label of a fit is made of the
settings that vary, that of a search is its trial. Finished runs are pooled as `score` pools them, and called by their
folders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..runs.run import Run, load_run
from ..scoring.repetitions import labels_of
from ..settings.options import REPEATS, SETTINGS
from ..settings.words import plain
from .choices import alike, as_column, label_of
from .differences import config_in, settings_between
from .rows import RunRow

__all__ = ["labelled", "varied_in"]


def varied_in(experiment: Mapping[str, Sequence[Any]]) -> list[str]:
    """The settings of which an experiment has several values."""
    return [name for name, values in experiment.items() if name in (*SETTINGS, "beta_norm") and len(values) > 1]


def labelled(rows: Sequence[RunRow], experiment: Mapping[str, Sequence[Any]], **place: Any) -> list[RunRow]:
    """The rows of all runs of a comparison, each with its label and the settings that vary, as its experiment has them.

    What cannot be read off a run whose folder is gone stays as it was.

    Args:
        rows: Of the runs.
        experiment: Of the comparison.
        place: Where the data and programs of finished runs lie now, as `load_run` takes them.
    """
    if "runs" in experiment:
        return _pooled(rows, place)
    if "search" in experiment:
        return [*rows]
    names = varied_in(experiment)
    return [_of_a_fit(row, names, experiment) for row in rows]


def _of_a_fit(row: RunRow, names: Sequence[str], experiment: Mapping[str, Sequence[Any]]) -> RunRow:
    config = {} if {*names} <= {*row.varied} and names else config_in(row.run) or {}
    values = {**{name: config.get(name) for name in names}, **row.varied}
    varied = {name: _as_asked(name, values[name], experiment[name]) for name in names}
    likelihood = config.get("likelihood")
    if not names and likelihood is None:
        return row
    return replace(row, varied=varied, label=label_of({"likelihood": likelihood, **varied}, names))


def _as_asked(name: str, value: Any, asked: Sequence[Any]) -> Any:
    """A value of a setting as it was typed, where a config spells it otherwise, as a path to data."""
    key = alike(name, value)
    return as_column(next((each for each in asked if alike(name, each) == key), value))


def _pooled(rows: Sequence[RunRow], place_now: Mapping[str, Any]) -> list[RunRow]:
    """Finished runs: those whose settings differ in the seed and what changes no number have one label.

    Runs that have their seed in common, too, are one fit twice: they have labels of their own.
    """
    runs = {place: run for place, row in enumerate(rows) if (run := _loaded(row, place_now)) is not None}
    names = settings_between([run.config for run in runs.values()], REPEATS)
    labels = dict(zip(runs, (label for _, label in labels_of([*runs.values()])), strict=True)) if runs else {}
    seeds = [(labels[place], runs[place].config["seed"]) for place in runs]
    twice = {label for label, seed in seeds if seeds.count((label, seed)) > 1}
    own = dict(zip(runs, _names_of([Path(rows[place].run) for place in runs]), strict=True))
    return [
        replace(row, label=own[place] if labels[place] in twice else labels[place],
                varied={name: as_column(runs[place].config.get(name)) for name in names})
        if place in runs else row
        for place, row in enumerate(rows)
    ]  # fmt: skip


def _loaded(row: RunRow, place: Mapping[str, Any]) -> Run | None:
    try:
        return load_run(row.run, **place)
    except (OSError, ValueError):
        return None


def _names_of(paths: Sequence[Path]) -> list[str]:
    """A name for each run: its folder's, or the whole path where another has that name too.

    >>> _names_of([Path("runs/a"), Path("old/b"), Path("runs/b")])
    ['a', 'old/b', 'runs/b']
    """
    names = [path.resolve().name for path in paths]
    return [plain(path if names.count(name) > 1 else name) for path, name in zip(paths, names, strict=True)]
