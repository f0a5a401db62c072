"""What runs, comparisons and scores have left on disk, as flat rows for pandas and other programs.

A row is a dict of numbers, texts, booleans and None. What is a list or a dict in the files has a column for each of its
numbers, since a cell of a table holds one: ``kl_per_latent`` is ``kl_0``, ``kl_1``, ..., and a coefficient is
``coefficients.capacity``. Lists among the settings are texts, as on the command line ("400,400"), so that rows can be
grouped by them. An infinite number or NaN, which JSON does not have, is a number again.

A comparison is read without torch.
"""

from __future__ import annotations

import os
import warnings
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from glob import glob
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any

from ..files import holds_run, read_json, wanted
from ..settings.options import SETTINGS
from ..settings.shown import restored
from ..settings.words import number, plain

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Results", "results"]

Place = str | os.PathLike[str]
Row = dict[str, Any]
NULLABLE = {frozenset({int, NoneType}): "Int64", frozenset({bool, NoneType}): "boolean"}  # pandas has no None in int64
OF_HELD_OUT = ("held_out_elbo", "held_out_distortion", "held_out_rate", "held_out_kl_per_latent")
LAST = ("step", "epoch", "beta", "seconds", *OF_HELD_OUT)  # what a run's row has of its history
SAID_ELSEWHERE = ("label", "run", "seed", "beta")  # of an evaluation.json


class Results(list[Row]):
    """Rows, each a flat dict. They come from `results`."""

    def to_frame(self) -> DataFrame:
        """The rows as a pandas frame; whole numbers stay whole where some are missing.

        Raises:
            MissingPackageError: There is no pandas.
        """
        pandas = wanted("pandas", "a frame", "pandas")
        names = list(dict.fromkeys(name for row in self for name in row))
        frame: DataFrame = pandas.DataFrame(list(self), columns=names)
        kinds = {name: NULLABLE.get(frozenset(type(row.get(name)) for row in self)) for name in names}
        return frame.astype({name: kind for name, kind in kinds.items() if kind is not None})

    def history(self) -> Results:
        """A row for each line of the histories of these runs, with the settings in which the runs differ beside it.

        Raises:
            FileNotFoundError: None of the runs is there any more.
        """
        runs = _runs(self)
        if not runs:
            raise FileNotFoundError("no run of these rows is there, and so there is no history")
        varied = _varied(runs)
        return _read_each(runs, lambda run: [{"run": run, **varied[run], **_flat(line)} for line in _lines(runs[run])])


def results(place: Place | Iterable[Place]) -> Results:
    """The rows of a run, a comparison, a folder of runs, or a file of scores.

    - A run, its folder or file, is one row: all settings, how far it got, the held-out terms of its last line, and the
      rest of the numbers of ``compare`` where that has measured it. β is the one that it ended with.
    - A comparison's folder (or comparison.json) has a row a run, as in comparison.csv.
    - Another folder has a row for each run below it.
    - A file that ``score`` wrote has a row a run and repeat, with the settings in which the runs differ,
      and those by which scores were taken.

    Where several runs are read, one that is damaged is left out, with a warning that names it.

    Args:
        place: A folder, a file, a pattern like "runs/digits-*", or several of them.

    Returns:
        The rows: a list, with ``to_frame()`` for pandas and ``history()`` for the lines of all histories.

    Raises:
        FileNotFoundError: There is no such file, or no run in the folder.
        ValueError: The one file or run that is asked for is damaged.

    >>> results([])
    []
    """
    places = [place] if isinstance(place, str | os.PathLike) else list(place)
    return _read_each([path for each in places for path in _matching(each)], _rows)


def _read_each(places: Iterable[Any], read: Callable[[Any], list[Row]]) -> Results:
    """The rows of all places; a damaged one is left out with a warning, unless it is the only one."""
    places, rows = list(places), Results()
    for place in places:
        try:
            rows += read(place)
        except (OSError, ValueError) as error:
            if len(places) == 1:
                raise
            warnings.warn(f"left out: {error}", stacklevel=3)
    return rows


def _matching(place: Place) -> list[Path]:
    """The path itself, or those that it stands for as a pattern."""
    path = Path(place)
    paths = [path] if path.exists() else [Path(name) for name in sorted(glob(str(place)))]
    if not paths:
        raise FileNotFoundError(
            f"{plain(place)} is not there: name a run, a folder of runs, a comparison, or scores.json"
        )
    return paths


def _rows(path: Path) -> list[Row]:
    """The rows of one place."""
    if path.is_file():
        return [_row_of_run(path)] if zipfile.is_zipfile(path) else _rows_of_file(path)
    if (path / "comparison.json").is_file() and (rows := _rows_of_file(path / "comparison.json")):
        return rows
    if (path / "config.json").is_file():
        return [_row_of_run(path)]
    below = [file.parent for file in sorted(path.rglob("config.json"))]
    if not below:
        raise FileNotFoundError(f"{plain(path)} holds no run: name a run, a folder of runs, or a comparison")
    return _read_each(below, lambda run: [_row_of_run(run)])


def _rows_of_file(path: Path) -> list[Row]:
    """The rows of a comparison.json, or of a file of scores."""
    content = read_json(path) if path.suffix == ".json" else None
    content = restored(content) if isinstance(content, dict) else {}
    for name in ("scores", "runs"):
        rows = content.get(name)
        if isinstance(rows, list) and all(isinstance(row, dict) and isinstance(row.get("run"), str) for row in rows):
            known = [row | {"run": _where(row["run"], path.parent)} for row in rows]
            varied = _varied(_runs(known)) if name == "scores" else {}
            how = content.get("settings", {}) if name == "scores" else {}
            return [_flat({**_first(row), **varied.get(row["run"], {}), **row, **how}) for row in known]
    raise ValueError(f"{plain(path)} is no comparison.json, and no json that score wrote")


def _first(row: Row) -> Row:
    return {name: row[name] for name in ("label", "run") if name in row}


def _where(run: str, beside: Path) -> str:
    """Where a run is: as it was written down, or where it has moved to together with the file that names it."""
    moved = beside if beside.name == Path(run).name else beside / Path(run).name
    return run if holds_run(Path(run)) or not holds_run(moved) else str(moved)


def _runs(rows: Iterable[Row]) -> dict[str, Path]:
    """The runs that are there, by their names in the rows."""
    names = dict.fromkeys(row["run"] for row in rows if "run" in row)
    return {name: Path(name) for name in names if holds_run(Path(name))}


def _varied(runs: Mapping[str, Path]) -> dict[str, Row]:
    """The settings in which runs differ, of each."""
    from ..runs.bundle import stored_run

    configs = {run: stored_run(path).read_config() for run, path in runs.items()}
    settings = {run: _flat(_settings(config)) for run, config in configs.items()}
    names = [name for name in SETTINGS if len({str(some.get(name)) for some in settings.values()}) > 1]
    return {run: {name: some.get(name) for name in names} for run, some in settings.items()}


def _lines(run: Path) -> list[Row]:
    from ..runs.bundle import stored_run

    return stored_run(run).read_history()


def _row_of_run(run: Path) -> Row:
    from ..runs.bundle import stored_run

    config, lines = stored_run(run).read_config(), _lines(run)
    facts = {name: config.get(name) for name in ("beta_norm", "recipe", "fingerprint")}
    last = {name.removeprefix("held_out_"): lines[-1][name] for name in LAST} if lines else {}
    row = {"run": str(run), **_settings(config), **facts, **last}
    return _flat(row | {name: value for name, value in _evaluation(run, row).items() if name not in SAID_ELSEWHERE})


def _settings(config: Mapping[str, Any]) -> Row:
    return {name: config.get(name) for name in SETTINGS}


def _evaluation(run: Path, row: Row) -> Row:
    """What `compare` measured of a run at the step where it stands now; nothing where that is damaged."""
    from ..runs.bundle import read_part
    from ..runs.names import EVALUATION

    try:
        stored = restored(read_part(run, EVALUATION) or {})
    except (ValueError, AttributeError):
        return {}
    return stored if stored.get("step") == row.get("step") else {}


def _flat(content: Mapping[str, Any]) -> Row:
    """Content of which every value is a number, a text, a boolean or None.

    >>> _flat({"hidden": [400, 400], "kl_per_latent": [0.5, 2.0], "coefficients": {"capacity": 1.0}})
    {'hidden': '400,400', 'kl_0': 0.5, 'kl_1': 2.0, 'coefficients.capacity': 1.0}
    """
    row: Row = {}
    for name, value in content.items():
        if isinstance(value, Mapping):
            row |= _flat({f"{name}.{key}": each for key, each in value.items()})
        elif name.endswith("_per_latent"):
            stem = name.removesuffix("_per_latent")
            row |= {f"{stem}_{latent}": each for latent, each in enumerate(value or ())}
        else:
            row[name] = _as_typed(value) if isinstance(value, list | tuple) else value
    return row


def _as_typed(values: Sequence[Any]) -> str:
    return ",".join(number(value) if isinstance(value, float) else plain(value) for value in values) or "none"
