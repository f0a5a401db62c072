"""Which runs repeat one another: runs of the same settings, but for the seed and what changes rounding or pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..runs.older import with_defaults
from ..runs.run import Run
from ..settings.names import BASELINES
from ..settings.options import REPEATS, SETTINGS

__all__ = ["labels_of", "name_of", "sharing"]


def labels_of(runs: Sequence[Run]) -> list[tuple[Run, str]]:
    """Each run with a label; runs whose settings differ only in `options.REPEATS` have the same label.

    A setting that an older run does not have counts as its default. The label is the folder's name of the first of
    these runs, without its seed. It is the whole path where two labels would be equal, or a baseline has that name.
    """
    firsts: dict[str, Run] = {}
    keys = [str(_fitted_settings(run)) for run in runs]
    for key, run in zip(keys, runs, strict=True):
        firsts.setdefault(key, run)
    short = {key: _folder_name(run) for key, run in firsts.items()}
    ambiguous = {name for name in short.values() if [*short.values(), *BASELINES].count(name) > 1}
    labels = {key: str(run.path) if short[key] in ambiguous else short[key] for key, run in firsts.items()}
    return [(run, labels[key]) for key, run in zip(keys, runs, strict=True)]


def name_of(run: Run, label: str) -> str:
    """The folder of a run; one that has none is called by its label and its seed."""
    return f"{label}-seed{run.config['seed']}" if run.path is None else str(run.path)


def sharing(runs: Sequence[Run]) -> list[Run]:
    """The runs, all of which hold the data set that the first one has loaded, so that it is loaded once."""
    data = runs[0].dataset()
    return [runs[0], *(replace(run, _dataset=data) for run in runs[1:])]


def _fitted_settings(run: Run) -> list[Any]:
    """The values of all settings that change what is fitted by more than chance and rounding."""
    settings = with_defaults(run.model.settings | run.config)
    return [settings.get(name) for name in (*SETTINGS, "elbo", "custom", "program_sha256") if name not in REPEATS]


def _folder_name(run: Run) -> str:
    path = run.path
    name = str(run.config["dataset"]) if path is None else path.stem if path.is_file() else path.name
    return name.removesuffix(f"-seed{run.config['seed']}")
