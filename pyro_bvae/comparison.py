"""Many fits side by side: same data, split, budget and seeds, one or more settings varied.

A comparison is a folder of ordinary run folders, one a choice and seed, with

    comparison.json   the experiment, every run's numbers, and means and standard deviations over seeds
    comparison.csv    one row a run

Every number comes from `evaluate` on the held-out data, at β 1. Nats of different kinds (densities, masses, and the
cross-entropy of grey pixels, which is neither) are never ranked against each other; bits a dimension, errors and probe
accuracies compare throughout.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from . import plots
from .building import build
from .evaluation import evaluate
from .files import replacing
from .fitting import fit
from .generation import reconstruct, sample
from .names import TRAINING
from .probes import probe_accuracy
from .run_folder import RunFolder
from .runs import Run, load_run
from .traversal import Traversal, base, traverse

__all__ = [
    "MEASURES",
    "Choice",
    "choices",
    "figures",
    "measured",
    "measured_anew",
    "plain",
    "run_all",
    "save",
    "start",
    "summarise",
]

MEASURES = (
    "elbo",
    "iw_bound",
    "distortion",
    "rate",
    "bits_per_dim",
    "mse",
    "psnr",
    "ssim",
    "probe_accuracy",
    "active_units",
    "coverage_50",
    "coverage_90",
    "beta",
    "seconds",
)


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
    """
    varied = [name for name, values in grid.items() if len(values) > 1]
    found = []
    for values in product(*grid.values()):
        settings = dict(zip(grid, values, strict=True))
        label = ", ".join(_said(name, settings[name]) for name in varied) or str(settings["likelihood"])
        for seed in seeds:
            folder = out / f"{label.replace(', ', '-').replace(' ', '')}-seed{seed}"
            found.append(Choice(label, settings | {"seed": seed}, folder))
    return found


def start(out: Path, experiment: Mapping[str, Any]) -> None:
    """Make the comparison folder, or make sure that it is one of the same experiment.

    Raises:
        FileExistsError: The folder holds another experiment, or other files.
    """
    path = out / "comparison.json"
    if path.is_file():
        stored = json.loads(path.read_text(encoding="utf-8")).get("experiment", {})
        differ = [name for name in experiment if stored.get(name) != experiment[name]]
        if differ:
            raise FileExistsError(f"{out} holds another comparison ({', '.join(differ)} differ): name another --out")
    elif out.is_dir() and any(out.iterdir()):
        raise FileExistsError(f"{out} holds other files: name another --out")
    else:
        save(out, experiment, [])


def run_all(todo: Sequence[Choice], particles: int, jobs: int) -> Iterator[tuple[Choice, dict[str, Any] | Exception]]:
    """Fit and measure every choice, ``jobs`` at a time, each in a process of its own with its share of the threads.

    A run that is finished is not run again; one that was stopped goes on.

    Yields:
        Each choice when it is done, with its row, or the error that ended it.
    """
    threads = max(1, (os.cpu_count() or 1) // jobs)
    with ProcessPoolExecutor(jobs, get_context("spawn"), torch.set_num_threads, (threads,)) as pool:
        futures: dict[Future[dict[str, Any]], Choice] = {
            pool.submit(_fit_and_measure, choice, particles): choice for choice in todo
        }
        try:
            for future in as_completed(futures):
                error = future.exception()
                assert error is None or isinstance(error, Exception)
                yield futures[future], future.result() if error is None else error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _measure(run: Run, label: str, particles: int) -> dict[str, Any]:
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
        "probe_accuracy": probe_accuracy(run.model, data),
    }


def summarise(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Means and standard deviations over the seeds of each label, in the order of the labels.

    Returns:
        A mapping a label: its name, kind of nats, number of seeds, and for each of `MEASURES` ``[mean, deviation]``, or
        None where a run has none.
    """
    found = []
    for label in dict.fromkeys(row["label"] for row in rows):
        group = [row for row in rows if row["label"] == label]
        line: dict[str, Any] = {"label": label, "nats": group[0]["nats"], "seeds": len(group)}
        for name in MEASURES:
            values = [row[name] for row in group]
            known = all(value is not None for value in values)
            line[name] = [mean(values), stdev(values) if len(values) > 1 else 0.0] if known else None
        found.append(line)
    return found


def figures(rows: Sequence[Mapping[str, Any]]) -> dict[str, Figure]:
    """Pictures of a comparison: ``rate_distortion``, and for images ``gallery`` and ``traversals``.

    The pictures of a label are those of its first run.

    Args:
        rows: Rows of runs whose folders are there.
    """
    drawn = {"rate_distortion": plots.rate_distortion(rows)}
    firsts = {row["label"]: load_run(row["run"]) for row in reversed(rows)}
    runs = {label: firsts[label] for label in dict.fromkeys(row["label"] for row in rows)}
    data = next(iter(runs.values())).dataset()
    if not data.is_images or any(run.dataset().shape != data.shape for run in runs.values()):
        return drawn
    held_out = data.images[data.held_out]
    some = held_out[:8]
    pairs = {name: (reconstruct(run.model, some)[1], sample(run.model, 8)[1]) for name, run in runs.items()}
    sweeps = {name: _sweep(run, held_out) for name, run in runs.items()}
    return drawn | {"gallery": plots.gallery(some, pairs), "traversals": plots.side_by_side(sweeps)}


def _sweep(run: Run, held_out: Tensor) -> Traversal:
    kl = run.history[-1]["held_out_kl_per_latent"]
    return traverse(run.model, base(run.model, held_out), columns=9, kl=kl)


def save(out: Path, experiment: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write comparison.json and comparison.csv."""
    content = {"experiment": dict(experiment), "runs": list(rows), "summary": summarise(rows)}
    with replacing(out / "comparison.json") as partial:
        partial.write_text(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False), encoding="utf-8")
    if rows:
        with replacing(out / "comparison.csv") as partial, open(partial, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)


def _fit_and_measure(choice: Choice, particles: int) -> dict[str, Any]:
    folder = RunFolder(choice.folder)
    data, vae = build(choice.settings)
    settings = {name: choice.settings[name] for name in TRAINING}
    fit(vae, data, **settings, out=folder.path, resume=folder.is_run)
    return measured(load_run(folder.path), choice.label, particles)


def measured_anew(path: Path, particles: int) -> dict[str, Any]:
    """The row of a finished run, labelled by its folder's name.

    Raises:
        FileNotFoundError: There is no run, or no checkpoint.
        ValueError: It cannot be loaded.
    """
    return _measure(load_run(path), path.name, particles)


def plain(experiment: Mapping[str, Any]) -> dict[str, Any]:
    """An experiment as json gives it back, so that it compares equal."""
    found: dict[str, Any] = json.loads(json.dumps(experiment, default=str))
    return found


def measured(run: Run, label: str, particles: int) -> dict[str, Any]:
    """The row of a run, from its folder if it was measured before."""
    assert run.path is not None
    path = run.path / "evaluation.json"
    if path.is_file():
        row: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if (row["step"], row["particles"], row["run"]) == (run.step, particles, str(run.path)):
            return row | {"label": label}
    row = _measure(run, label, particles)
    with replacing(path) as partial:
        partial.write_text(json.dumps(row, indent=2, allow_nan=False), encoding="utf-8")
    return row


def _said(name: str, value: Any) -> str:
    if name in ("likelihood", "network", "optimizer"):
        return str(value)
    if isinstance(value, list | tuple):
        value = "x".join(map(str, value)) or "none"
    return f"{name.replace('_', '-')} {value:g}" if isinstance(value, float) else f"{name.replace('_', '-')} {value}"
