"""The numbers of a run on its held-out data, taken once and kept in its folder as evaluation.json."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ..evaluation import evaluate, still_falling
from ..evaluation.probe import probe_accuracy
from ..files import write_json
from ..runs.bundle import read_part
from ..runs.config import weighs_rate
from ..runs.run import Run, load_run
from ..scoring import score, score_columns
from ..settings.shown import finite
from ..settings.words import plain
from .rows import RunRow

__all__ = ["labels_of", "measured", "measured_anew", "row_of"]


def measured(run: Run, label: str, particles: int, metrics: Sequence[str] = ()) -> RunRow:
    """The row of a run, from its folder if it was measured before, with the same particles and metrics."""
    assert run.path is not None
    path = run.path / "evaluation.json"
    if path.is_file():
        row = _stored(path)
        asked = (run.step, particles, str(run.path), {*score_columns(metrics)})
        if row is not None and (row.step, row.particles, row.run, {*row.scores}) == asked:
            return replace(row, label=label, data=_name(run.config))
    row = _measure(run, label, particles, metrics)
    write_json(path, finite(row.as_stored()))
    return row


def _stored(path: Path) -> RunRow | None:
    """The row that was measured before; one that is damaged is measured anew."""
    try:
        return RunRow.from_stored(read_part(path.parent, path.name))
    except (ValueError, FileNotFoundError):
        return None


def row_of(run: Run, label: str) -> RunRow:
    """The row of a run, as it was measured before at this step or anew; nothing is written.

    Raises:
        OSError: It was not measured before, and its data cannot be read.
        ValueError: Or they are other data.
    """
    row = None if run.path is None else _stored(run.path / "evaluation.json")
    if row is not None and row.step == run.step:
        return replace(row, label=label, run=str(run.path))
    return _measure(run, label, 0, ())


def labels_of(paths: Sequence[Path]) -> list[str]:
    """A label for each run: its folder's name, or the whole path where another has that name too.

    >>> labels_of([Path("runs/a"), Path("old/b"), Path("runs/b")])
    ['a', 'old/b', 'runs/b']
    """
    names = [path.resolve().name for path in paths]
    return [plain(path if names.count(name) > 1 else name) for path, name in zip(paths, names, strict=True)]


def measured_anew(
    path: Path,
    label: str,
    particles: int,
    metrics: Sequence[str] = (),
    *,
    dataset: str | None = None,
    data_root: str | os.PathLike[str] | None = None,
) -> RunRow:
    """The row of a finished run, whose data may lie elsewhere now, see `load_run`.

    Raises:
        FileNotFoundError: There is no run, or no checkpoint.
        ValueError: It cannot be loaded.
    """
    return _measure(load_run(path, dataset=dataset, data_root=data_root), label, particles, metrics)


def _name(config: Mapping[str, Any]) -> str:
    """The data of a run where they are now, and the start of their fingerprint."""
    return f"{plain(config['dataset'])} #{config['fingerprint'].removeprefix('sha256:')[:8]}"


def _measure(run: Run, label: str, particles: int, metrics: Sequence[str]) -> RunRow:
    data = run.dataset()
    evaluation = asdict(evaluate(run.model, data.images[data.held_out], particles=particles))
    if not weighs_rate(run.config):
        evaluation["beta"] = None
    return RunRow(
        label=label,
        seed=run.config["seed"],
        run=str(run.path),
        step=run.step,
        data=_name(run.config),
        seconds=run.history[-1]["seconds"] if run.history else None,
        **evaluation,
        still_falling=still_falling(run) is not None,
        probe_accuracy=probe_accuracy(run.model, data),
        scores=score([run], metrics, repeats=1)[0].scores if metrics else {},
    )
