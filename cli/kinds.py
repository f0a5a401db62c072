"""The types of options: what is typed becomes a value, or one line that says what is wanted."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from pyro_bvae.settings import names
from pyro_bvae.settings.declared import Range
from pyro_bvae.settings.options import OPTIONS
from pyro_bvae.settings.words import brief, plain

__all__ = ["DatasetName", "Name", "Number", "Numbers", "Rate", "RunPath", "Text", "limits_of", "whole"]


class Name(click.Choice[str]):
    """One of a few names; a wrong one is answered with the nearest."""

    def __init__(self, kind: str, known: Sequence[str]) -> None:
        super().__init__(known)
        self.kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check the name."""
        try:
            return names.check(self.kind, value, list(self.choices))
        except ValueError as error:
            return self.fail(str(error), param, ctx)


PACKED = (".gz", ".bz2", ".xz", ".zip")


class DatasetName(click.ParamType[str]):
    """A data set's name, or ``kind:PATH``."""

    name = "dataset"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check the kind."""
        endings = [suffix[1:].lower() for suffix in Path(value).suffixes if suffix.lower() not in PACKED]
        ending = {"tsv": "csv"}.get(endings[-1], endings[-1]) if endings else ""
        if ":" not in value and ending in ("npz", "npy", "csv", "txt"):
            self.fail(f"{brief(value)} looks like a file: write {ending}:{value}", param, ctx)
        kinds = [re.split(r"[:\[]", name)[0] for name in names.DATASETS]
        if value not in kinds and Path(value).expanduser().is_dir():
            self.fail(f"{brief(value)} is a folder: write folder:{value}", param, ctx)
        try:
            names.check("dataset", value.partition(":")[0], kinds)
        except ValueError as error:
            self.fail(f"{error}; pyro-bvae datasets lists them", param, ctx)
        return value

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002
        """The names, for the help."""
        return f"[{'|'.join(names.DATASETS)}]"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:  # noqa: ARG002
        """The names that begin so."""
        known = [part for name in names.DATASETS for part in _completed(name)]
        return [click.shell_completion.CompletionItem(name) for name in known if name.startswith(incomplete)]


def _completed(name: str) -> list[str]:
    """What may be completed of a data set's name: all but a path."""
    kind, brace, variants = name.partition("{")
    known = variants.rstrip("}").split("|") if brace else [""]
    return [re.split(r"PATH|\[", kind + variant)[0] for variant in known]


class Number(click.FloatRange):
    """A finite number in a range."""

    def __init__(self, limits: Range) -> None:
        super().__init__(**_ends(limits))
        self.limits = limits

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it."""
        number = float(click.FLOAT.convert(value, param, ctx))
        return number if self.limits.holds(number) else self.fail(f"{value} is not {self.limits.bounds}", param, ctx)


def whole(limits: Range) -> click.IntRange:
    """A whole number in a range."""
    of_type: Any = click.IntRange
    whole_range: click.IntRange = of_type(**_ends(limits))
    return whole_range


def _ends(limits: Range) -> dict[str, Any]:
    least = limits.above if limits.least is None else limits.least
    return {"min": least, "max": limits.most, "min_open": limits.least is None}


class Numbers(click.ParamType[tuple[int, ...]]):
    """Whole numbers in a range, with commas between them.

    Args:
        limits: Of each.
        prefix: What may stand before each, as the z of z7.
        example: For the message.
        may_be_none: Whether "none" stands for no number at all.
    """

    name = "numbers"

    def __init__(self, limits: Range, prefix: str = "", example: str = "0,1,2", may_be_none: bool = False) -> None:
        self.limits, self.prefix, self.example, self.may_be_none = limits, prefix, example, may_be_none

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Read them."""
        if not isinstance(value, str):
            return tuple(value)
        try:
            parts = [] if value == "none" and self.may_be_none else value.split(",")
            numbers = tuple(int(part.strip().removeprefix(self.prefix)) for part in parts)
        except ValueError:
            self.fail(f"{brief(value)} is not a list of whole numbers like {self.example}", param, ctx)
        for number in numbers:
            if not self.limits.holds(number):
                self.fail(f"{brief(number)} is not {self.limits.bounds}", param, ctx)
        return numbers


class Text(click.ParamType[Any]):
    """A text with a grammar of its own.

    Args:
        name: Of the option.
        read: Reads the text, or raises ValueError.
        takes_numbers: Whether a text may also be a whole number, which is passed on as one.
        known: Texts to complete.
    """

    def __init__(
        self, name: str, read: Callable[[Any], Any], takes_numbers: bool = False, known: Sequence[str] = ()
    ) -> None:
        self.name, self.read, self.takes_numbers, self.known = name, read, takes_numbers, known

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Make sure that it can be read."""
        if self.takes_numbers and isinstance(value, str) and value.removeprefix("-").isdecimal():
            value = int(value)
        try:
            self.read(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return value

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:  # noqa: ARG002
        """The texts that begin so."""
        return [click.shell_completion.CompletionItem(text) for text in self.known if text.startswith(incomplete)]


def limits_of(name: str) -> Range:
    """The range that a setting is declared with."""
    limits = OPTIONS[name].limits
    assert isinstance(limits, Range)
    return limits


class Rate(click.ParamType[float]):
    """``rate=NATS``."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read the number."""
        if not isinstance(value, str):
            return float(value)
        what, _, number = value.partition("=")
        if what != "rate" or not number:
            self.fail(f"{brief(value)} is not of the form rate=NATS, like rate=20", param, ctx)
        return Number(limits_of("match_rate")).convert(number, param, ctx)


class RunPath(click.Path):
    """A run: its folder, or the one file that `export` wrote."""

    def __init__(self) -> None:
        super().__init__(exists=True, path_type=Path)
        self.name = "run"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Make sure that a file may be one."""
        path: Any = super().convert(value, param, ctx)
        if path.is_file() and not zipfile.is_zipfile(path):
            self.fail(
                f"{plain(value)} is a file, and no run: that is a folder, or what export --to zip wrote", param, ctx
            )
        return path
