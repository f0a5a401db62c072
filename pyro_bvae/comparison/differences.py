"""In which settings runs differ, by their configs."""

from __future__ import annotations

import os
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..runs.bundle import stored_run
from ..runs.config import PLACE
from ..settings.options import SETTINGS

__all__ = ["config_in", "settings_between"]


def config_in(run: str | os.PathLike[str]) -> dict[str, Any] | None:
    """The config of a run, in a folder or a file; None where it is gone, or cannot be read."""
    try:
        return stored_run(Path(run)).read_config()
    except (OSError, ValueError):
        return None


def settings_between(configs: Sequence[Mapping[str, Any]], without: Container[str]) -> list[str]:
    """The settings in which runs differ, but for those that follow from another, as a link from its likelihood.

    Where the same data lie, and how they were read, is no difference.

    Args:
        configs: Of the runs.
        without: Settings that do not count.
    """
    same_data = len({config.get("fingerprint") for config in configs}) == 1
    names: list[str] = []
    for name in SETTINGS:
        before, after = (_combinations(configs, some) for some in (names, [*names, name]))
        if name not in without and not (same_data and name in PLACE) and after > before:
            names.append(name)
    return names


def _combinations(configs: Sequence[Mapping[str, Any]], names: Sequence[str]) -> int:
    """How many different combinations of values these settings take."""
    return len({str([config.get(name) for name in names]) for config in configs})
