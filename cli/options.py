"""Options that several commands share. Nothing here imports torch: help must be instant."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click

import pyro_bvae
from pyro_bvae.files import as_json
from pyro_bvae.settings import names
from pyro_bvae.settings.declared import OneOf, Option, Parsed, Range
from pyro_bvae.settings.options import OPTIONS
from pyro_bvae.settings.parsing import specified
from pyro_bvae.settings.program_text import program_text
from pyro_bvae.settings.shown import finite
from pyro_bvae.settings.spelling import option_words

from .kinds import DatasetName, Name, Number, Numbers, Rate, RunPath, Text, limits_of, whole

if TYPE_CHECKING:
    from pyro_bvae import Run

__all__ = [
    "CHANGED",
    "at_option",
    "data_options",
    "device_option",
    "echo_json",
    "figure_options",
    "file_words",
    "fit_options",
    "json_option",
    "noted",
    "open_run",
    "program_options",
    "programs_given",
    "run_argument",
    "seed_option",
]

Command = TypeVar("Command", bound=Callable[..., Any])


def _read_objective(text: str) -> None:
    """Make sure that an objective can be read, and built; the β-VAE's own needs no torch for that."""
    if specified(text).text != "beta":
        from pyro_bvae.objectives import build_objective

        build_objective(specified(text))


OF_FIGURES = ("figure_format", "figure_width")  # options that are of all figures, and not repeated
JOINED = ("track",)  # options whose values, where they are repeated, are one text
METAVARS = {
    "levels": "LOW HIGH",
    "background": "COLOUR",
    "factors": "FILE",
    "leave_out": "NAME,...",
    "observe": "NAME,...",
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
    """Give a command the options that say where a run's data and programs lie, if elsewhere than when it was begun."""
    place = click.Path(exists=True, file_okay=False, path_type=Path)
    command = click.option("--data-root", type=place, help="Where downloads lie, if elsewhere than for fit.")(command)
    moved = "The run's data, if they lie elsewhere than for fit."
    command = program_options(command)
    return click.option("--dataset", type=DatasetName(), metavar="NAME[:PATH]", help=moved)(command)


CHANGED = "Take a file of --program that is another than the run's."


def program_options(command: Command) -> Command:
    """Give a command the options that name the file of a run's programs; they are for `programs_given` to read."""
    help_of_file = "The file of the run's programs, where it has one: no run executes code by itself."
    kind = Text("program", program_text)
    command = click.option("--changed-program", is_flag=True, expose_value=False, callback=noted,
                           help=CHANGED)(command)  # fmt: skip
    return click.option("--program", type=kind, metavar="FILE.py[:CLASS]", multiple=True, expose_value=False,
                        callback=noted, help=help_of_file)(command)  # fmt: skip


def file_words(options: Mapping[str, Any]) -> list[str]:
    """What a command has to say of a run with these settings: the file of its programs, if they are of one."""
    text = options["program"]
    return [] if text is None or program_text(text).file is None else ["--program", text]


def noted(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Keep an option that several commands hand on in the same way."""
    ctx.meta[f"pyro_bvae_cli.{param.name}"] = value


def programs_given() -> dict[str, Any]:
    """The arguments of `load_run` that name the file of programs, as they were typed."""
    meta = click.get_current_context().meta
    return {name: meta[f"pyro_bvae_cli.{name}"] for name in ("program", "changed_program")}


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object on stdout, and no more there."
)
seed_option = click.option(
    "--seed", type=whole(limits_of("seed")), default=0, show_default=True, help="Seed of the draws."
)


def open_run(path: Path, device: str, at: int | None, dataset: str | None = None, data_root: Path | None = None) -> Run:
    """The run, on the device, with its data and the file of its programs where they lie now."""
    from pyro_bvae.training import resolve_device

    place = {"dataset": dataset, "data_root": data_root, **programs_given()}
    return pyro_bvae.load_run(path, device=resolve_device(device), at=at, **place)


def echo_json(content: Mapping[str, Any]) -> None:
    """Print one JSON object, in ASCII where the stream knows no more; null, and a word, for what is not finite."""
    text = as_json(finite(content))
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = json.dumps(json.loads(text), indent=2)
    click.echo(text)
