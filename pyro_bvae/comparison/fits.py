"""Many fits side by side: same data, split, budget and seeds, one or more settings varied.

A comparison is a folder of ordinary run folders, one a choice and seed. Every number comes from `evaluate` on the
held-out data, at β 1, whatever β a run was trained with.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from ..callbacks import figures_of
from ..evaluation.evaluation import evaluate
from ..evaluation.probe import probe_accuracy
from ..files import write_json
from ..runs.building import build
from ..runs.config import weighs_rate
from ..runs.folder import RunFolder
from ..runs.run import Run, load_run
from ..scoring import METRICS, score, score_columns
from ..settings.options import FIGURES, TRAINING
from ..training import Callback, fit
from .choices import Choice

__all__ = ["measured", "measured_anew", "plain", "run_all"]


def plain(experiment: Mapping[str, Any]) -> dict[str, Any]:
    """An experiment as json gives it back, so that it compares equal."""
    found: dict[str, Any] = json.loads(json.dumps(experiment, default=str))
    return found


def run_all(
    todo: Sequence[Choice],
    particles: int,
    jobs: int,
    metrics: Sequence[str] = (),
    callbacks: Sequence[Callback] = (),
) -> Iterator[tuple[Choice, dict[str, Any] | Exception]]:
    """Fit and measure every choice: one after another, or several at a time, each with its share of the threads.

    A run that is finished is not run again; one that was stopped goes on.

    Args:
        todo: What to run.
        particles: Draws for the importance-weighted bound.
        jobs: How many at a time.
        metrics: Scores to take, names in `names.METRICS`.
        callbacks: Look on at the fits, where there is one at a time.

    Yields:
        Each choice when it is done, with its row, or the error that ended it.
    """
    if jobs == 1:  # no processes to start, which takes longer than a short fit
        for choice in todo:
            try:
                row: dict[str, Any] | Exception = _fit_and_measure(choice, particles, metrics, callbacks)
            except Exception as problem:  # reported, and the others go on
                row = problem
            yield choice, row
        return
    threads = max(1, (os.cpu_count() or 1) // jobs)
    with ProcessPoolExecutor(jobs, get_context("spawn"), torch.set_num_threads, (threads,)) as pool:
        futures: dict[Future[dict[str, Any]], Choice] = {
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


def measured(run: Run, label: str, particles: int, metrics: Sequence[str] = ()) -> dict[str, Any]:
    """The row of a run, from its folder if it was measured before, with the same metrics."""
    assert run.path is not None
    path = run.path / "evaluation.json"
    if path.is_file():
        row: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        found = (row["step"], row["particles"], row["run"], {*row} & {*score_columns(METRICS)})
        if found == (run.step, particles, str(run.path), {*score_columns(metrics)}):
            return row | {"label": label}
    row = _measure(run, label, particles, metrics)
    write_json(path, row)
    return row


def measured_anew(path: Path, particles: int, metrics: Sequence[str] = ()) -> dict[str, Any]:
    """The row of a finished run, labelled by its folder's name.

    Raises:
        FileNotFoundError: There is no run, or no checkpoint.
        ValueError: It cannot be loaded.
    """
    return _measure(load_run(path), path.name, particles, metrics)


def _fit_and_measure(
    choice: Choice, particles: int, metrics: Sequence[str], callbacks: Sequence[Callback] = ()
) -> dict[str, Any]:
    folder = RunFolder(choice.folder)
    data, vae = build(choice.settings)
    settings = {name: choice.settings[name] for name in TRAINING}
    notes = {name: choice.settings[name] for name in FIGURES}
    fit(
        vae,
        data,
        **settings,
        out=folder.path,
        resume=folder.is_run,
        callbacks=[*figures_of(choice.settings), *callbacks],
        notes=notes,
    )
    return measured(load_run(folder.path), choice.label, particles, metrics)


def _measure(run: Run, label: str, particles: int, metrics: Sequence[str]) -> dict[str, Any]:
    """One row of a comparison: what a run was, and what it is worth on its held-out data."""
    data = run.dataset()
    result = asdict(evaluate(run.model, data.images[data.held_out], particles=particles))
    history = {"step": run.step, "seconds": run.history[-1]["seconds"] if run.history else None}
    return {
        "label": label,
        "seed": run.config["seed"],
        "run": str(run.path),
        **history,
        **result,
        "beta": result["beta"] if weighs_rate(run.config) else None,
        "probe_accuracy": probe_accuracy(run.model, data),
        **_scores(run, metrics),
    }


def _scores(run: Run, metrics: Sequence[str]) -> dict[str, Any]:
    if not metrics:
        return {}
    (row,) = score([run], metrics, repeats=1)
    return dict(row.scores)
