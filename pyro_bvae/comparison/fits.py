"""Many fits side by side: same data, split, budget and seeds, one or more settings varied.

A comparison is a folder of ordinary run folders, one a choice and seed. Every number comes from `evaluate` on the
held-out data, at β 1, whatever β a run was trained with.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from itertools import product
from math import isfinite
from multiprocessing import get_context
from pathlib import Path
from statistics import mean
from typing import Any

import torch

from ..callbacks import figures_of
from ..evaluation.evaluation import evaluate
from ..evaluation.probe import probe_accuracy
from ..evaluation.rate_distortion import slopes
from ..files import write_json
from ..objectives import build_objective
from ..runs.building import build
from ..runs.config import weighs_rate
from ..runs.folder import RunFolder
from ..runs.run import Run, load_run
from ..scoring.scores import COLUMNS, score, score_columns
from ..settings.options import FIGURES, REPEATS, SETTINGS, TRAINING
from ..settings.parsing import as_file_name, specified
from ..settings.training import TrainingSettings
from ..training import Callback, fit

__all__ = ["Choice", "choices", "measured", "measured_anew", "on_curves", "plain", "run_all"]

# settings that do not tell one curve from another
FREE = {"beta", "beta_schedule", "match_rate", *REPEATS} - {"precision"}


@dataclass(frozen=True)
class Choice:
    """One point of the grid: its label, all its settings, and the folder of its run."""

    label: str
    settings: dict[str, Any]
    folder: Path


def choices(grid: Mapping[str, Sequence[Any]], seeds: Sequence[int], out: Path) -> list[Choice]:
    """The product of all settings and seeds.

    Args:
        grid: For each name in `names.SETTINGS` but the seed, its values, at least one.
        seeds: The seeds of each choice.
        out: The comparison folder.

    Returns:
        One choice a point and seed, in the order of the product.

    Raises:
        ValueError: An objective cannot be built; better known before the first fit than before the last.
    """
    for objective in grid.get("objective", ()):
        build_objective(specified(objective), size=1, latent_dim=1)
    varied = [name for name, values in grid.items() if len(values) > 1]
    found = []
    for values in product(*grid.values()):
        settings = dict(zip(grid, values, strict=True))
        label = _label(settings, varied)
        for seed in seeds:
            folder = out / f"{as_file_name(label.replace(', ', '-').replace(' ', ''))}-seed{seed}"
            found.append(Choice(label, settings | {"seed": seed}, folder))
    return found


def on_curves(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows with the rate–distortion curve that each lies on, and the curve's slope there.

    Runs lie on one curve if their settings differ in β and seed alone, and in what leaves the numbers as they are.

    Args:
        rows: Of runs whose folders are there, by `run_all` or `measured_anew`.

    Returns:
        The rows with ``curve``, the settings that tell the curves apart, and ``slope``, dD/dR of the means over seeds.
        The curve is None where β moved to match a rate, or something other than D + βR was minimised; the
        slope also where the curve has fewer than three β above 0, or the rate stands still.
    """
    defaults = asdict(TrainingSettings())  # an older run does not have all names
    configs = [defaults | RunFolder(row["run"]).read_config() for row in rows]
    told = _telling(configs)
    placed = [
        {**row, "curve": _label(config, told) if _is_settled(row, config) else None}
        for row, config in zip(rows, configs, strict=True)
    ]
    found: dict[tuple[str, float], float] = {}
    for curve in {row["curve"] for row in placed} - {None}:
        found |= {(curve, beta): slope for beta, slope in _slopes([row for row in placed if row["curve"] == curve])}
    return [{**row, "slope": found.get((row["curve"], row["beta"]))} for row in placed]


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
        found = (row["step"], row["particles"], row["run"], {*row} & {*sum(COLUMNS.values(), ())})
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
    return {column: row[column] for column in score_columns(metrics)}


def _is_settled(row: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    """Whether a run minimised D + βR, in the end with the β that it was to have."""
    return config["match_rate"] is None and config["beta"] == row["beta"] and weighs_rate(config)


def _telling(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The settings that tell curves apart, but for those that follow from others, as a link from its likelihood."""
    told: list[str] = []
    for name in SETTINGS:
        before, after = (len({str([c.get(n) for n in names]) for c in configs}) for names in (told, [*told, name]))
        if name not in FREE and after > before:
            told.append(name)
    return told


def _slopes(rows: Sequence[Mapping[str, Any]]) -> list[tuple[float, float]]:
    """Each β of a curve with the slope there, where there is one."""
    betas = sorted({row["beta"] for row in rows if row["beta"] > 0})
    if len(betas) < 3:
        return []
    terms = ("rate", "distortion")
    means = [[mean(row[term] for row in rows if row["beta"] == beta) for beta in betas] for term in terms]
    return [(beta, slope) for beta, slope in zip(betas, slopes(betas, *means).tolist(), strict=True) if isfinite(slope)]


def _label(settings: Mapping[str, Any], varied: Sequence[str]) -> str:
    return ", ".join(_said(name, settings.get(name)) for name in varied) or str(settings["likelihood"])


def _said(name: str, value: Any) -> str:
    if name in ("likelihood", "network", "optimizer", "objective"):
        return str(value)
    if isinstance(value, list | tuple):
        value = "x".join(map(str, value)) or "none"
    return f"{name.replace('_', '-')} {value:g}" if isinstance(value, float) else f"{name.replace('_', '-')} {value}"
