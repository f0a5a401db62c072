"""Which fits a comparison makes: every combination of the settings that vary, under each seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from ..objectives import build_objective
from ..settings.parsing import as_file_name, specified

__all__ = ["Choice", "choices_of", "label_of"]


@dataclass(frozen=True)
class Choice:
    """One combination of settings under one seed: its label, all its settings, and the folder of its run."""

    label: str
    settings: dict[str, Any]
    folder: Path


def choices_of(grid: Mapping[str, Sequence[Any]], seeds: Sequence[int], out: Path) -> list[Choice]:
    """The product of all settings and seeds.

    Args:
        grid: For each name in `options.SETTINGS` but the seed, its values, at least one.
        seeds: The seeds under which each combination is fitted.
        out: The comparison's folder.

    Returns:
        A choice for each combination and seed, in the order of the product.

    Raises:
        ValueError: An objective cannot be built. It is tried here, so that the mistake shows before the first fit.
    """
    for objective in grid.get("objective", ()):
        build_objective(specified(objective), size=1, latent_dim=1)
    varied = [name for name, values in grid.items() if len(values) > 1]
    choices = []
    for values in product(*grid.values()):
        settings = dict(zip(grid, values, strict=True))
        label = label_of(settings, varied)
        for seed in seeds:
            folder = out / f"{as_file_name(label.replace(', ', '-').replace(' ', ''))}-seed{seed}"
            choices.append(Choice(label, settings | {"seed": seed}, folder))
    return choices


def label_of(settings: Mapping[str, Any], varied: Sequence[str]) -> str:
    """The settings named in ``varied`` with their values; the likelihood where no setting varies.

    >>> label_of({"likelihood": "gaussian", "beta": 4.0, "hidden": [400, 400]}, ["beta", "hidden"])
    'beta 4, hidden 400x400'
    """
    return ", ".join(_setting(name, settings.get(name)) for name in varied) or str(settings["likelihood"])


def _setting(name: str, value: Any) -> str:
    if name in ("likelihood", "network", "optimizer", "objective"):
        return str(value)
    if isinstance(value, list | tuple):
        value = "x".join(map(str, value)) or "none"
    return f"{name.replace('_', '-')} {value:g}" if isinstance(value, float) else f"{name.replace('_', '-')} {value}"
