"""Options and types that several commands share. Nothing here imports torch: help must be instant."""

from __future__ import annotations

import json
import re
import sys
import zipfile
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click

import pyro_bvae
from pyro_bvae.files import as_json
from pyro_bvae.settings import names
from pyro_bvae.settings.declared import OneOf, Option, Parsed, Range
from pyro_bvae.settings.options import OPTIONS
from pyro_bvae.settings.parsing import specified
from pyro_bvae.settings.shown import finite
from pyro_bvae.settings.spelling import option_words
from pyro_bvae.settings.words import brief, plain

if TYPE_CHECKING:
    from pyro_bvae import Run

__all__ = [
    "DatasetName",
    "Name",
    "Number",
    "Numbers",
    "RunPath",
    "Text",
    "at_option",
    "data_options",
    "device_option",
    "echo_json",
    "figure_options",
    "fit_options",
    "json_option",
    "limits_of",
    "open_run",
    "run_argument",
    "seed_option",
    "whole",
]

Command = TypeVar("Command", bound=Callable[..., Any])


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
        known = [re.split(r"PATH|\[", name)[0] for name in names.DATASETS]
        return [click.shell_completion.CompletionItem(name) for name in known if name.startswith(incomplete)]


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


def _read_objective(text: str) -> None:
    """Make sure that an objective can be read, and built; the β-VAE's own needs no torch for that."""
    if specified(text).text != "beta":
        from pyro_bvae.objectives import build_objective

        build_objective(specified(text), size=1, latent_dim=1)


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


OF_FIGURES = ("figure_format", "figure_width")  # options that are of all figures, and not repeated
JOINED = ("track",)  # options whose values, where they are repeated, are one text
METAVARS = {
    "levels": "LOW HIGH",
    "background": "COLOUR",
    "factors": "FILE",
    "leave_out": "NAME,...",
    "match_rate": "rate=NATS",
    "crop": "SIDE|L,T,R,B",
    "hidden": "WIDTHS",
    "decoder_hidden": "WIDTHS",
}
TYPES: dict[str, Any] = {
    "dataset": DatasetName(),
    "data_root": click.Path(file_okay=False, path_type=Path),
    "match_rate": Rate(),
    "objective": Text("objective", _read_objective, known=names.OBJECTIVES),
}


def limits_of(name: str) -> Range:
    """The range that a setting is declared with."""
    limits = OPTIONS[name].limits
    assert isinstance(limits, Range)
    return limits


def fit_options(*, repeatable: bool = False, without: Collection[str] = ()) -> Callable[[Command], Command]:
    """Give a command every option that `pyro_bvae.settings.options` declares.

    Args:
        repeatable: Whether each but the flags may be given more than once, and has no default of its own.
        without: Names to leave out.
    """

    def decorate(command: Command) -> Command:
        for option in reversed([option for name, option in OPTIONS.items() if name not in without]):
            command = click.option(option_words(option.name), option.name, **_attributes(option, repeatable))(command)
        return command

    return decorate


def _attributes(option: Option, repeatable: bool) -> dict[str, Any]:
    if option.kind is bool:
        return {"default": option.default, "help": option.text, "show_default": option.default is True}
    kind, limits = TYPES.get(option.name), option.limits
    attributes: dict[str, Any] = {"type": kind or _type_of(option), "help": option.text}
    form = METAVARS.get(option.name, limits.form if isinstance(limits, Parsed) else None)
    if form is not None:
        attributes["metavar"] = form
    if option.name in JOINED:
        how = {"callback": _several} if repeatable else {"callback": _joined, "default": option.default}
        return attributes | {"multiple": True, **how}
    if repeatable and option.name not in OF_FIGURES:
        return attributes | {"multiple": True}
    return attributes | {"default": option.default, "show_default": option.default is not None}


def _joined(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> str | None:  # noqa: ARG001
    """An option that was repeated, as the one text that it stands for."""
    return ",".join(values) or None


def _several(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """The same where each value is a choice of its own: these are one."""
    joined = _joined(ctx, param, values)
    return () if joined is None else (joined,)


def _type_of(option: Option) -> Any:
    limits = option.limits
    if isinstance(limits, OneOf):
        return Name(limits.kind, limits.names)
    if isinstance(limits, Parsed):
        known = names.DEVICES if option.name == "device" else ()
        return Text(option.name, limits.read, takes_numbers=int in get_args(option.kind), known=known)
    if isinstance(limits, Range):
        return _in_range(option.kind, limits)
    return option.kind


def _in_range(kind: Any, limits: Range) -> Any:
    """The type of a number, of a list of whole numbers, or of a few numbers."""
    if get_args(kind) == (int, ...):
        return Numbers(limits, example="400 or 1200,1200 (or none)", may_be_none=True)
    if get_args(kind):
        return (Number(limits),) * len(get_args(kind))
    return whole(limits) if kind is int else Number(limits)


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


def figure_options(command: Command) -> Command:
    """Give a command the options that say how its figures are written."""
    for name in reversed(OF_FIGURES):
        command = click.option(option_words(name), name, **_attributes(OPTIONS[name], repeatable=False))(command)
    return command


run_argument = click.argument("run", type=RunPath())
at_option = click.option(
    "--at", type=whole(limits_of("steps")), metavar="STEP", help="A numbered checkpoint, not the last."
)
device_option = click.option(
    "--device", type=_type_of(OPTIONS["device"]), metavar="auto|cpu|cuda[:N]|mps", default="auto", show_default=True,
    help="Where to compute; auto is CUDA where there is one.",
)  # fmt: skip


def data_options(command: Command) -> Command:
    """Give a command the options that say where a run's data lie, if elsewhere than when it was begun."""
    place = click.Path(exists=True, file_okay=False, path_type=Path)
    command = click.option("--data-root", type=place, help="Where downloads lie, if elsewhere than for fit.")(command)
    moved = "The run's data, if they lie elsewhere than for fit."
    return click.option("--dataset", type=DatasetName(), metavar="NAME[:PATH]", help=moved)(command)


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object on stdout, and no more there."
)
seed_option = click.option(
    "--seed", type=whole(limits_of("seed")), default=0, show_default=True, help="Seed of the draws."
)


def open_run(path: Path, device: str, at: int | None, dataset: str | None = None, data_root: Path | None = None) -> Run:
    """The run, on the device, with its data where they lie now."""
    from pyro_bvae.training import resolve_device

    return pyro_bvae.load_run(path, device=resolve_device(device), at=at, dataset=dataset, data_root=data_root)


def echo_json(content: Mapping[str, Any]) -> None:
    """Print one JSON object, in ASCII where the stream knows no more; null, and a word, for what is not finite."""
    text = as_json(finite(content))
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = json.dumps(json.loads(text), indent=2)
    click.echo(text)
