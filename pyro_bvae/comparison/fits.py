"""Many fits side by side: same data, split, budget and seeds, one or more settings varied.

A comparison is a folder of ordinary run folders, one a choice and seed. Every number comes from `evaluate` on the
held-out data, at β 1, whatever β a run was trained with.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any

import torch

from ..callbacks import figures_of
from ..runs.building import build
from ..runs.folder import RunFolder
from ..runs.run import load_run
from ..settings.options import FIGURES, TRAINING
from ..training import Callback, fit
from .choices import Choice
from .measurements import measured
from .rows import RunRow

__all__ = ["plain", "run_all"]


def plain(experiment: Mapping[str, Any]) -> dict[str, Any]:
    """An experiment as it is read back from its json, so that it equals a stored one."""
    restored: dict[str, Any] = json.loads(json.dumps(experiment, default=str))
    return restored


def run_all(
    todo: Sequence[Choice],
    particles: int,
    jobs: int,
    metrics: Sequence[str] = (),
    callbacks: Sequence[Callback] = (),
) -> Iterator[tuple[Choice, RunRow | Exception]]:
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
        return
    threads = max(1, (os.cpu_count() or 1) // jobs)
    with ProcessPoolExecutor(jobs, get_context("spawn"), torch.set_num_threads, (threads,)) as pool:
        futures: dict[Future[RunRow], Choice] = {
            pool.submit(_fit_and_measure, choice, particles, metrics): choice for choice in todo
        }
        try:
            for future in as_completed(futures):
                error = future.exception()
                if error is not None and not isinstance(error, Exception):  # Ctrl-C reaches the processes too
                    raise error
                yield futures[future], future.result() if error is None else error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


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
