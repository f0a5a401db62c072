"""The numbers of a run on its held-out data, taken once and kept in its folder as evaluation.json."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from ..evaluation import evaluate, still_falling
from ..evaluation.probe import probe_accuracy
from ..files import write_json
from ..runs.bundle import read_part
from ..runs.config import weighs_rate
from ..runs.names import EVALUATION
from ..runs.run import Run, load_run
from ..scoring import METRICS, score, score_columns
from ..settings.shown import finite
from ..settings.words import plain
from .rows import RunRow

__all__ = ["completed", "lacks", "measured", "measured_anew", "row_of"]


def measured(run: Run, label: str, particles: int, metrics: Sequence[str] = ()) -> RunRow:
    """The row of a run, from its folder as far as it was measured before, with the scores that are asked for.

    What is measured now is kept there, beside what was.
    """
    assert run.path is not None
    path = run.path / EVALUATION
    before = _stored(path) if path.is_file() else None
    if before is not None and (before.step, before.run) == (run.step, str(run.path)):
        row = completed(replace(before, label=label, data=_name(run.config)), run, particles, metrics)
    else:
        row = _measure(run, label, particles, metrics)
    if before is None or row.as_stored() != before.as_stored():
        write_json(path, finite(row.as_stored()))
    return replace(row, scores={name: row.scores[name] for name in score_columns(metrics)})


def lacks(row: RunRow, particles: int, metrics: Collection[str]) -> bool:
    """Whether a row lacks scores, or the importance-weighted bound with so many particles."""
    return particles not in (0, row.particles) or not {*score_columns(metrics)} <= {*row.scores}


def completed(row: RunRow, run: Run, particles: int, metrics: Collection[str]) -> RunRow:
    """The row of a run, with what it `lacks` measured now.

    Raises:
        OSError: The data of the run cannot be read.
        ValueError: Or they are other data, or have not what a metric needs.
    """
    if particles not in (0, row.particles):
        with_bound = _measure(run, row.label, particles, ())
        row = replace(with_bound, scores=row.scores, varied=row.varied)
    lacking = [name for name in metrics if not {*score_columns([name])} <= {*row.scores}]
    if not lacking:
        return row
    scores = {**row.scores, **score([run], lacking, repeats=1)[0].scores}
    return replace(row, scores={name: scores[name] for name in score_columns(METRICS) if name in scores})


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
    row = None if run.path is None else _stored(run.path / EVALUATION)
    if row is not None and row.step == run.step:
        return replace(row, label=label, run=str(run.path))
    return _measure(run, label, 0, ())


def measured_anew(
    path: Path,
    label: str,
    particles: int,
    metrics: Sequence[str] = (),
    **place: Any,
) -> RunRow:
    """The row of a finished run, whose data may lie elsewhere now.

    Args:
        path: The run.
        label: What it is called.
        particles: Draws for the importance-weighted bound.
        metrics: Scores to take.
        place: Where the data and a file of programs lie now, as `load_run` takes them.

    Raises:
        FileNotFoundError: There is no run, or no checkpoint.
        ValueError: It cannot be loaded.
    """
    return _measure(load_run(path, **place), label, particles, metrics)


def _name(config: Mapping[str, Any]) -> str:
    """The data of a run where they are now, and the start of their fingerprint."""
    return f"{plain(config['dataset'])} #{config['fingerprint'].removeprefix('sha256:')[:8]}"


def _measure(run: Run, label: str, particles: int, metrics: Sequence[str]) -> RunRow:
    data = run.dataset()
    everything = asdict(evaluate(run.model, data.rows(data.held_out), particles=particles))
    evaluation = {field.name: everything[field.name] for field in fields(RunRow) if field.name in everything}
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
