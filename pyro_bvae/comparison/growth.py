"""How a comparison grows: a command adds to what is there, and takes nothing away.

The experiment of a folder is what all commands together have asked for: a list of values a setting, seeds, metrics. A
command may add seeds, metrics, and values of a setting that varies. One that repeats all that was asked for before may
also add values of a setting that did not vary. Several commands may work on one folder at a time: each run is made by
one of them, and the one that ends later finds the rows of the others.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from re import findall
from typing import Any

from ..datasets import Progress
from ..files import LOCK, read_json, remove_abandoned, write_json
from ..files.errors import PARTIAL
from ..runs.building import load_data
from ..runs.folder import RunFolder
from ..runs.older import with_defaults
from ..runs.run import load_run
from ..scoring import METRICS, score_columns
from ..settings.options import CHANGES_NO_NUMBER, DATA, DEFAULTS, FIGURES
from .choices import Choice, alike, choices_of, distinct
from .curves import on_curves
from .folder import Experiment, experiment_in, rows_in, runs_in, save, unread_in
from .labels import labelled, varied_in
from .measurements import completed, lacks, row_of
from .rows import RunRow, named_alike

__all__ = ["add", "choices_in", "completed_rows", "grown", "settings_before", "start"]

ASKED = ("seeds", "runs", "metrics")  # of which every command may ask for others
FREE = ("data_root", *CHANGES_NO_NUMBER, *FIGURES)  # the last command's, while they do not vary


def start(out: Path, experiment: Mapping[str, Sequence[Any]]) -> Experiment:
    """Make the folder of a comparison, or add to what it holds; under its lock.

    Partial files of a process that was killed here go.

    Args:
        out: The folder.
        experiment: What a command asks for: values a setting, "seeds", "metrics" and "particles"; or "runs".

    Returns:
        The experiment, with what was asked for before.

    Raises:
        FileExistsError: The folder holds another experiment, or other files.
        ValueError: Its comparison.json is damaged.
    """
    remove_abandoned(out)
    together, is_new = _together(out, experiment)
    if is_new:
        save(out, together, [])
    else:
        write_json(out / "comparison.json", read_json(out / "comparison.json") | {"experiment": together})
    return together


def grown(out: Path, experiment: Mapping[str, Sequence[Any]]) -> Experiment:
    """What `start` would return; nothing is written, so that whatever else is wrong can be said first.

    Raises:
        FileExistsError: The folder holds another experiment, or other files.
        ValueError: Its comparison.json is damaged.
    """
    return _together(out, experiment)[0]


def _together(out: Path, experiment: Mapping[str, Sequence[Any]]) -> tuple[Experiment, bool]:
    """What was asked for in a folder with what is asked for now, and whether nothing was before.

    Its data may lie elsewhere than before, if they are those of its runs.
    """
    asked = {name: list(values) for name, values in experiment.items()}
    stored = experiment_in(out)
    if stored is None and _other_files(out):
        raise FileExistsError(f"{out} holds other files: name another `out`")
    if stored is None:
        return {"particles": [0], **asked}, True
    rows = rows_in(out)
    try:
        return _grown(out, {**_measured_in(rows), **stored}, asked), False
    except FileExistsError:
        if rows or runs_in(out):
            raise
        return {"particles": [0], **asked}, True  # nothing came of it


def _other_files(out: Path) -> bool:
    names = {file.name for file in out.iterdir()} if os.path.isdir(out) else set()
    return any(name != LOCK and not name.startswith(PARTIAL) for name in names)


def _grown(out: Path, stored: Experiment, asked: Experiment) -> Experiment:
    """The experiment of a folder and what is asked for now, together."""
    if ("runs" in stored) != ("runs" in asked):
        of = "finished runs" if "runs" in stored else "fits"
        raise FileExistsError(f"{out} holds a comparison of {of}: name another `out`")
    defaults = {name: [value] for name, value in (DEFAULTS | settings_before(out)).items()}
    meant = {name: stored.get(name, defaults.get(name, [] if name in ASKED else [None])) for name in asked}
    free = {
        *ASKED,
        "particles",
        *(name for name in FREE if name in asked and len(meant[name]) == len(asked[name]) == 1),
    }
    settings = [name for name in asked if name not in free]
    covers = all(_covers(asked[name], meant[name], name) for name in settings)
    differ = [name for name in settings if not (covers or _may_be(asked[name], meant[name], name))]
    if differ == ["dataset"] and _has_moved(out, asked):
        free, differ = {*free, "dataset"}, []
    differ += ["search"] if "search" in stored.keys() - asked.keys() else []
    differ += ["seeds"] if "search" in asked and asked["seeds"] != stored.get("seeds") else []  # of all its trials
    if differ:
        raise FileExistsError(f"{out} holds another comparison ({', '.join(differ)} differ): name another `out`")
    grows = {name for name in asked if name in ASKED or name not in free}
    return stored | {
        name: distinct([*meant[name], *values], name) if name in grows else values for name, values in asked.items()
    }


def _measured_in(rows: Sequence[RunRow]) -> Experiment:
    """What was asked to be measured of the runs of a comparison that does not say it, being an older one."""
    scores = {name for row in rows for name in row.scores}
    metrics = [name for name in METRICS if {*score_columns([name])} <= scores]
    return {"metrics": metrics, "particles": [max((row.particles for row in rows), default=0)]}


def _covers(values: Sequence[Any], stored: Sequence[Any], name: str) -> bool:
    known = {alike(name, value) for value in values}
    return all(alike(name, value) in known for value in stored)


def _may_be(values: Sequence[Any], stored: Sequence[Any], name: str) -> bool:
    """Whether values of a setting may be asked for where others do not repeat what was: it varies, or stays."""
    return len(stored) > 1 or (len(values) == 1 and _covers(values, stored, name))


def _has_moved(out: Path, experiment: Experiment) -> bool:
    """Whether the one data set of an experiment is that of the runs in a folder, by its fingerprint."""
    configs = runs_in(out).values()
    if len(experiment["dataset"]) > 1 or not configs:
        return False
    data = load_data({name: experiment[name][0] for name in DATA if name in experiment})
    return {config["fingerprint"] for config in configs} == {data.fingerprint}


def settings_before(out: Path) -> dict[str, Any]:
    """What the comparison in a folder means by settings that are younger than it, where that is not their default now.

    The runs of an older one are not standardised, and neither are those by which it grows, now and later on.

    Raises:
        ValueError: Its comparison.json is damaged.
    """
    stored = experiment_in(out)
    if stored is None:
        return {}
    meant = with_defaults({"dataset": next(iter(stored.get("dataset", [])), "")})
    names = ("standardise", "background")
    return {name: meant[name] for name in names if stored.get(name, [meant[name]]) == [meant[name]]}


def choices_in(
    out: Path,
    grid: Mapping[str, Sequence[Any]],
    seeds: Sequence[int],
    experiment: Mapping[str, Sequence[Any]],
    changed_program: bool = False,
) -> list[Choice]:
    """The fits that a command asks for, see `choices_of`, in the folders that they have.

    Labels and names of folders hold the settings that vary. A run that was begun before one of them did stays where it
    is.

    Args:
        out: The folder of the comparison.
        grid: The values of every setting.
        seeds: Under which each combination is fitted.
        experiment: That of the folder, with this command's.
        changed_program: See `choices_of`.
    """
    varied = varied_in(experiment)
    choices = choices_of(grid, seeds, out, varied, changed_program)
    if all(RunFolder(choice.folder).is_run for choice in choices):
        return choices
    known = {_key(config, varied): path for path, config in runs_in(out).items()}
    return [
        choice if RunFolder(choice.folder).is_run
        else replace(choice, folder=known.get(_key(choice.settings, varied), choice.folder))
        for choice in choices
    ]  # fmt: skip


def _key(settings: Mapping[str, Any], varied: Sequence[str]) -> tuple[str, ...]:
    """What a run is among those of its comparison."""
    return tuple(alike(name, settings.get(name)) for name in (*varied, "seed"))


def completed_rows(
    out: Path, rows: Sequence[RunRow], progress: Progress | None = None, **place: Any
) -> tuple[list[RunRow], list[str]]:
    """The rows and those of earlier commands, all with the scores and the bound that any command has asked for.

    Args:
        out: The folder.
        rows: Of this command.
        progress: Called while rows are completed.
        place: Where the data and a file of programs lie now, as `load_run` takes them.

    Returns:
        The rows, and a note for each that stays without, since its data cannot be read or do not allow it.
    """
    experiment = experiment_in(out) or {}
    particles, metrics = max(experiment.get("particles", [0])), experiment.get("metrics", [])
    known = {Path(row.run).resolve(): row for row in (*rows_in(out), *rows)}
    todo: dict[Path, RunRow | None] = {path.resolve(): None for path in unread_in(out) if path.resolve() not in known}
    todo |= {path: row for path, row in known.items() if lacks(row, particles, metrics)}
    notes = []
    for number, (path, row) in enumerate(todo.items()):
        if progress is not None:
            progress(f"measuring {path.name}", number, len(todo))
        try:
            run = load_run(path if row is None else row.run, **place)
            known[path] = completed(row or row_of(run, path.name), run, particles, metrics)
        except (OSError, ValueError) as error:
            without = "without a row" if row is None else "without what was asked for now"
            notes.append(f"{path.name} stays {without}: {error}")
    return [*known.values()], notes


def add(out: Path, rows: Sequence[RunRow], **place: Any) -> list[RunRow]:
    """Put rows into the comparison of a folder, under its lock, and write it.

    Args:
        out: The folder; `start` has made it.
        rows: Of finished runs. The row of a run that was there before goes, but for scores that another command has
            taken of it in the meantime.
        place: Where the data and programs of finished runs lie now, as `load_run` takes them.

    Returns:
        All rows, in the order of the experiment, with labels and curves made anew.
    """
    experiment = experiment_in(out) or {}
    known: dict[Path, RunRow] = {}
    for row in (*rows_in(out), *rows):
        path = Path(row.run).resolve()
        known[path] = _with_scores_of(known.get(path), row)
    together = labelled([*known.values()], experiment, **place)
    together = on_curves(named_alike(sorted(together, key=lambda row: _place(row, experiment))))
    save(out, experiment, together)
    return together


def _with_scores_of(before: RunRow | None, row: RunRow) -> RunRow:
    """A row, with the scores of an earlier row of the same run, at the same step, that it does not have."""
    if before is None or before.step != row.step:
        return row
    return replace(row, scores={**row.scores, **before.scores, **row.scores})


def _place(row: RunRow, experiment: Mapping[str, Sequence[Any]]) -> list[int]:
    """Where a row stands: as its settings do in the experiment, and then by its seed; finished runs as they came."""
    if "runs" in experiment:
        return [_position("runs", row.run, experiment["runs"])]
    if "search" in experiment:
        return [*map(int, findall(r"\d+", Path(row.run).name)[:1]), _position("seeds", row.seed, experiment["seeds"])]
    names = varied_in(experiment)
    return [
        *(_position(name, row.varied.get(name), experiment[name]) for name in names),
        _position("seeds", row.seed, experiment.get("seeds", [])),
    ]


def _position(name: str, value: Any, values: Sequence[Any]) -> int:
    key, keys = alike(name, value), [alike(name, each) for each in values]
    return keys.index(key) if key in keys else len(keys)
