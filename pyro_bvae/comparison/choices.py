"""Which fits a comparison makes: every combination of the settings that vary, under each seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any, get_args

from ..callbacks import trackers_of
from ..datasets import canonical
from ..objectives import build_objective
from ..programs import Program, chosen
from ..settings.declared import Parsed
from ..settings.options import OPTIONS
from ..settings.parsing import as_file_name, specified
from ..settings.words import number, plain, slug

__all__ = ["Choice", "alike", "as_column", "choices_of", "distinct", "label_of", "read_once"]


@dataclass(frozen=True)
class Choice:
    """One combination of settings under one seed: its label, all its settings, and the folder of its run.

    Attributes:
        varied: Of the settings those that vary, as a column of a table has them, see `as_column`.
        program: The programs that the settings name, with their file as it was read when the choice was made.
    """

    label: str
    settings: dict[str, Any]
    folder: Path
    varied: dict[str, Any] = field(default_factory=dict)
    program: Program | None = None


def choices_of(
    grid: Mapping[str, Sequence[Any]],
    seeds: Sequence[int],
    out: Path,
    varied: Sequence[str] = (),
    changed_program: bool = False,
) -> list[Choice]:
    """The product of all settings and seeds.

    Args:
        grid: For each name in `options.SETTINGS` but the seed, and for ``beta_norm``, its values, at least one; equal
            ones count once.
        seeds: The seeds under which each combination is fitted, likewise.
        out: The comparison's folder.
        varied: Settings that vary in the comparison already, whether or not they do here.
        changed_program: Whether runs that are there may go on with another file of programs than theirs.

    Returns:
        A choice for each combination and seed, in the order of the product.

    Raises:
        ValueError: An objective cannot be built, or a file has no such programs. It is tried here, so that the mistake
            shows before the first fit.
        OSError: Such a file cannot be read.
        MissingPackageError: So is the package of a tracker.
    """
    for objective in grid.get("objective", ()):
        build_objective(specified(objective))
    for track in grid.get("track", ()):
        trackers_of({"track": track})
    programs = {text: read_once(text, changed_program) for text in grid.get("program", ())}
    grid = {name: distinct(values, name) for name, values in grid.items()}
    names = [name for name, values in grid.items() if len(values) > 1 or name in varied]
    choices = []
    for values in product(*grid.values()):
        settings = dict(zip(grid, values, strict=True))
        label, name = label_of(settings, names), _folder_name(settings, names)
        columns = {name: as_column(settings[name]) for name in names}
        for seed in distinct(seeds):
            program = programs.get(settings.get("program"))
            choices.append(Choice(label, settings | {"seed": seed}, out / f"{name}-seed{seed}", columns, program))
    return choices


def read_once(text: str | None, may_differ: bool = False) -> Program | None:
    """The programs that a setting names, with their file, which all fits of a comparison take as it is now.

    Raises:
        ValueError: The file fails, or has no such class.
        OSError: It cannot be read.
    """
    if text is None:
        return None
    program = chosen(text)
    assert program.kind  # which runs the file
    return replace(program, may_differ=may_differ)


def as_column(value: Any) -> Any:
    """A setting as a column of a table has it: a number, a text or None; a list as it is typed.

    >>> as_column(4.0), as_column([400, 400]), as_column(()), as_column("tc")
    (4.0, '400,400', 'none', 'tc')
    """
    if isinstance(value, list | tuple):
        return ",".join(map(str, value)) or "none"
    return str(value) if isinstance(value, Path) else value


def distinct(values: Sequence[Any], name: str = "") -> list[Any]:
    """The values, each once, in their order: a run that counted twice would be two seeds of one.

    Args:
        values: Of a setting, or seeds.
        name: Of the setting, so that two spellings of one objective, schedule or path are one value.

    >>> distinct([4, 1.0, 4.0]), distinct(["tc", "tc:beta=6.0"], "objective")
    ([4, 1.0], ['tc'])
    """
    kept: list[Any] = []
    for value in values:
        if _meaning(name, value) not in [_meaning(name, other) for other in kept]:
            kept.append(value)
    return kept


def alike(name: str, value: Any) -> str:
    """A key that is the same for values of a setting that mean the same: two spellings, or numbers but for rounding.

    >>> alike("objective", "tc") == alike("objective", "tc:beta=6.0"), alike("hidden", [4, 8]), alike("beta", 1)
    (True, '4,8', '1')
    """
    meant = _meaning(name, as_column(value))
    if isinstance(meant, float):
        meant = int(meant) if meant.is_integer() else f"{meant:.6g}"  # the β of a model has 32 bits
    return str(meant)


def _meaning(name: str, value: Any) -> Any:
    """What a value stands for: equal for two spellings of it."""
    limits = OPTIONS[name].limits if name in OPTIONS else None
    if isinstance(limits, Parsed) and value is not None:
        return limits.read(value)
    if name == "dataset":
        return canonical(value)
    if isinstance(value, Path) or name in ("data_root", "runs"):
        return value and Path(value).expanduser().resolve()
    return list(value) if isinstance(value, tuple) else value


def label_of(settings: Mapping[str, Any], varied: Sequence[str]) -> str:
    """The settings named in ``varied`` with their values; the likelihood where no setting varies.

    >>> label_of({"likelihood": "gaussian", "beta": 4.0, "hidden": [400, 400]}, ["beta", "hidden"])
    'beta 4, hidden 400x400'
    """
    return ", ".join(_setting(name, settings.get(name)) for name in varied) or str(settings["likelihood"])


def _folder_name(settings: Mapping[str, Any], varied: Sequence[str]) -> str:
    """The label as a folder's name; the path of a data set, which may hold anything, is made one by itself."""
    names = {name: _data_name(settings[name]) if name == "dataset" else settings[name] for name in varied}
    return slug(as_file_name(label_of({**settings, **names}, varied).replace(", ", "-").replace(" ", "")))


def _data_name(dataset: str) -> str:
    kind, colon, path = dataset.partition(":")
    return f"{kind}-{slug(path)}" if colon else kind


def _setting(name: str, value: Any) -> str:
    value = as_column(value)
    said = number(value) if isinstance(value, float) else plain(value)
    if name in OPTIONS and get_args(OPTIONS[name].kind):  # a list, whose commas would part settings
        said = said.replace(",", "x")
    return said if name in ("likelihood", "network", "optimizer", "objective") else f"{name.replace('_', '-')} {said}"
