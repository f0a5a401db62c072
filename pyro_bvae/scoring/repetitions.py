"""Which runs repeat one another: runs of the same settings, but for the seed and what changes rounding or pictures."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import replace
from itertools import chain
from itertools import count as naturals
from typing import Any

from ..datasets import Dataset
from ..datasets.few_labels import with_few_labels
from ..runs.older import with_defaults
from ..runs.run import Run
from ..settings.names import BASELINES
from ..settings.options import REPEATS, SETTINGS

__all__ = ["labels_of", "named", "sharing"]


def labels_of(runs: Sequence[Run]) -> list[tuple[Run, str]]:
    """Each run with a label; runs whose settings differ only in `options.REPEATS` have the same label.

    A setting that an older run does not have counts as its default. The label is the folder's name of the first of
    these runs, without its seed. It is the whole path where two labels would be equal, or a baseline has that name; a
    run without a folder, which is called by its data, has a number then.
    """
    firsts: dict[str, Run] = {}
    keys = [str(_fitted_settings(run)) for run in runs]
    for key, run in zip(keys, runs, strict=True):
        firsts.setdefault(key, run)
    names = {key: _folder_name(run) for key, run in firsts.items()}
    of_folders = [names[key] for key, run in firsts.items() if run.path is not None]
    ambiguous = {name for name in names.values() if [*names.values(), *BASELINES].count(name) > 1}
    taken, labels = {*of_folders, *BASELINES}, {}
    for key, run in firsts.items():
        if run.path is None:
            labels[key] = _free(names[key], taken)
        else:
            paths = (names[key], str(run.path), str(run.path.absolute()))
            labels[key] = next(path for path in paths if path not in ambiguous)
        taken.add(labels[key])
    return [(run, labels[key]) for key, run in zip(keys, runs, strict=True)]


def named(runs: Sequence[Run]) -> list[tuple[Run, str, str]]:
    """Each run with its label, and its name: its folder, or without one its label and seed, numbered if need be."""
    taken: set[str] = set()
    found = []
    for run, label in labels_of(runs):
        name = _free(f"{label}-seed{run.config['seed']}", taken) if run.path is None else str(run.path)
        taken.add(name)
        found.append((run, label, name))
    return found


def sharing(runs: Sequence[Run]) -> list[Run]:
    """The runs, those without data of their own with those that the first one loads, so that these are loaded once.

    Each has the labels that its programs saw, see `with_few_labels`.
    """
    first = runs[0]
    data = first.dataset()
    return [run if run.has_data else replace(run, _dataset=_as_seen_by(run, first, data)) for run in runs]


def _as_seen_by(run: Run, first: Run, data: Dataset) -> Dataset:
    """The data of the first run with the labels that another one's programs saw."""
    count, of_first = run.config.get("labelled"), first.config.get("labelled")
    if count is not None and (count, run.config["seed"]) != (of_first, first.config["seed"]):
        return with_few_labels(data, count, run.config["seed"])
    if count is None and of_first is not None:
        return replace(data, extra={name: values for name, values in data.extra.items() if name != "labels"})
    return data


def _free(name: str, taken: Container[str]) -> str:
    """The name, or with the first number from 2 on with which it is not taken."""
    numbered = chain([name], (f"{name}-{number}" for number in naturals(2)))
    return next(each for each in numbered if each not in taken)


def _fitted_settings(run: Run) -> list[Any]:
    """The values of all settings that change what is fitted by more than chance and rounding."""
    settings = with_defaults(run.model.settings | run.config)
    return [settings.get(name) for name in (*SETTINGS, "elbo", "custom", "program_sha256") if name not in REPEATS]


def _folder_name(run: Run) -> str:
    path = run.path
    name = str(run.config["dataset"]) if path is None else path.stem if path.is_file() else path.name
    return name.removesuffix(f"-seed{run.config['seed']}")
