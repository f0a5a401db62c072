"""Many fits side by side: same data, split, budget and seeds, one or more settings varied.

A comparison is a folder of ordinary run folders, one a choice and seed. Every number comes from `evaluate` on the
held-out data, at β 1, whatever β a run was trained with.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from typing import Any

from ..callbacks import figures_of
from ..runs.building import build
from ..runs.folder import RunFolder
from ..runs.run import load_run
from ..settings.options import FIGURES, TRAINING
from ..training import Callback, fit
from .choices import Choice
from .measurements import measured
from .rows import RunRow
from .workers import run_in_workers

__all__ = ["as_read_back", "run_all"]


def as_read_back(experiment: Mapping[str, Any]) -> dict[str, Any]:
    """An experiment as it is read back from its json, so that it equals a stored one."""
    restored: dict[str, Any] = json.loads(json.dumps(experiment, default=str))
    return restored


def run_all(
    todo: Sequence[Choice],
    particles: int,
    jobs: int,
    metrics: Sequence[str] = (),
    callbacks: Sequence[Callback] = (),
) -> Generator[tuple[Choice, RunRow | Exception], None, None]:
    """Fit and measure every choice: one after another, or several at a time, each with its share of the threads.

    A run that is finished is not run again; one that was stopped goes on.

    Args:
        todo: What to run.
        particles: Draws for the importance-weighted bound.
        jobs: How many at a time.
        metrics: Scores to take, names in `names.METRICS`.
        callbacks: Passed to each fit, where there is one at a time.

    Yields:
        Each choice when it is done, with its row, or the error that ended it.
    """
    if jobs == 1:  # no processes to start, which takes longer than a short fit
        for choice in todo:
            try:
                row: RunRow | Exception = _fit_and_measure(choice, particles, metrics, callbacks)
            except Exception as problem:  # reported, and the others go on
                row = problem
            yield choice, row
    else:
        yield from run_in_workers(_fit_and_measure, todo, jobs, particles, metrics)


def _fit_and_measure(
    choice: Choice, particles: int, metrics: Sequence[str], callbacks: Sequence[Callback] = ()
) -> RunRow:
    folder = RunFolder(choice.folder)
    data, vae = build(choice.settings)
    settings = {name: choice.settings[name] for name in TRAINING}
    notes = {name: choice.settings[name] for name in FIGURES}
    figures = [figures_of(choice.settings)] if choice.settings["figures"] else []
    fit(
        vae,
        data,
        **settings,
        out=folder.path,
        resume=folder.is_run,
        callbacks=[*figures, *callbacks],
        notes=notes,
    )
    return measured(load_run(folder.path), choice.label, particles, metrics)
