"""Many fits side by side: same data, split, budget and seeds, one or more settings varied.

A comparison is a folder of ordinary run folders, one a choice and seed. Every number comes from `evaluate` on the
held-out data, at β 1, whatever β a run was trained with.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..callbacks import figures_of, trackers_of
from ..datasets import Dataset
from ..model import BetaVAE, beta_of_norm
from ..programs import Program
from ..runs.building import build_model, load_data
from ..runs.folder import RunFolder
from ..runs.run import load_run
from ..settings.options import FIGURES, TRAINING
from ..sweeps import Crew, Job, Reporting, work_through
from ..training import Callback, fit
from .choices import Choice
from .measurements import measured
from .rows import RunRow

__all__ = ["as_read_back", "fit_and_measure", "run_all"]


def as_read_back(experiment: Mapping[str, Any]) -> dict[str, Any]:
    """An experiment as it is read back from its json, so that it equals a stored one."""
    restored: dict[str, Any] = json.loads(json.dumps(experiment, default=str))
    return restored


def run_all(
    todo: Iterable[Choice],
    particles: int,
    crew: Crew,
    metrics: Sequence[str] = (),
    callbacks: Sequence[Callback] = (),
    looking: Callable[[Sequence[Job]], None] | None = None,
) -> Generator[tuple[Choice, RunRow | Exception], None, None]:
    """Fit and measure every choice: one after another, or several at a time, each with its share of the threads.

    A run that is finished is not run again; one that was stopped, or whose process was killed, goes on.

    Args:
        todo: What to run; the next is asked for when a worker is free, and all rows that are there have been taken.
        particles: Draws for the importance-weighted bound.
        crew: Who runs them, and how many at a time.
        metrics: Scores to take, names in `names.METRICS`.
        callbacks: Passed to each fit, where the fits are in this process.
        looking: Called about twice a second with the jobs in hand, whose tasks are choices.

    Yields:
        Each choice when it is done, with its row, or the error that ended it.
    """
    lookers_on = tuple(callbacks) if crew.in_this_process else (Reporting(),)
    yield from work_through(fit_and_measure, todo, crew, particles, metrics, lookers_on, looking=looking)


def fit_and_measure(choice: Choice, particles: int, metrics: Sequence[str], callbacks: Sequence[Callback]) -> RunRow:
    """Fit a choice, or go on with it, and take its numbers.

    Args:
        choice: What to fit, and where.
        particles: Draws for the importance-weighted bound.
        metrics: Scores to take.
        callbacks: Of the fit.
    """
    folder = RunFolder(choice.folder)
    with folder.held(patient=True):  # whose error comes before data are read, which may take long
        pass
    data, vae = _built(choice.settings, choice.program)
    settings = {name: choice.settings[name] for name in TRAINING}
    notes = {name: choice.settings[name] for name in FIGURES}
    figures = [figures_of(choice.settings)] if choice.settings["figures"] else []
    trackers = trackers_of(choice.settings, group=choice.folder.absolute().parent.name)
    fit(
        vae,
        data,
        **settings,
        out=folder.path,
        resume=folder.is_run,
        callbacks=[*trackers, *figures, *callbacks],
        notes=notes,
    )
    row = measured(load_run(folder.path, program=choice.program), choice.label, particles, metrics)
    return replace(row, varied=choice.varied)


def _built(settings: Mapping[str, Any], program: Program | None) -> tuple[Dataset, BetaVAE]:
    """The data and the model; a β_norm that is set becomes a β with their sizes."""
    data = load_data(settings)
    if settings.get("beta_norm") is not None:
        settings = {**settings, "beta": beta_of_norm(settings["beta_norm"], settings["latent_dim"], data.shape)}
    return data, build_model(settings, data.shape, data, program)
