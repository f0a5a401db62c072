"""Options and types that several commands share. Nothing here imports torch: help must be instant."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

import pyro_bvae
from pyro_bvae.files import as_json
from pyro_bvae.settings import names
from pyro_bvae.settings.parsing import scheduled, specified

if TYPE_CHECKING:
    from pyro_bvae import Run

__all__ = [
    "BetaSchedule",
    "DatasetName",
    "Keep",
    "Name",
    "Numbers",
    "Objective",
    "Rate",
    "at_option",
    "device_option",
    "echo_json",
    "json_option",
    "open_run",
    "run_argument",
    "seed_option",
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


class DatasetName(click.ParamType[str]):
    """A data set's name, or ``kind:PATH``."""

    name = "dataset"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check the kind."""
        ending = Path(value).suffix[1:]
        if ":" not in value and ending in ("npz", "npy", "csv", "txt"):
            self.fail(f"{value!r} looks like a file: write {ending}:{value}", param, ctx)
        kinds = [re.split(r"[:\[]", name)[0] for name in names.DATASETS]
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


class Numbers(click.ParamType[tuple[int, ...]]):
    """Whole numbers with commas between them, or "none".

    Args:
        prefix: What may stand before each, as the z of z7.
        example: For the message.
    """

    name = "numbers"

    def __init__(self, prefix: str = "", example: str = "400 or 1200,1200 (or none)") -> None:
        self.prefix, self.example = prefix, example

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Read them."""
        if not isinstance(value, str):
            return tuple(value)
        try:
            parts = [] if value == "none" else value.split(",")
            return tuple(int(part.strip().removeprefix(self.prefix)) for part in parts)
        except ValueError:
            self.fail(f"{value!r} is not a list of whole numbers like {self.example}", param, ctx)


class Objective(click.ParamType[str]):
    """An objective with its coefficients."""

    name = "objective"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Make sure that it can be read, and built."""
        try:
            if specified(value).text != "beta":
                from pyro_bvae.objectives import build_objective

                build_objective(specified(value), size=1, latent_dim=1)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return value

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:  # noqa: ARG002
        """The names that begin so."""
        return [click.shell_completion.CompletionItem(name) for name in names.OBJECTIVES if name.startswith(incomplete)]


class BetaSchedule(click.ParamType[str]):
    """``KIND:STEPS[:START]``."""

    name = "schedule"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Make sure that it can be read."""
        try:
            scheduled(value, value=1.0)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return value


class Keep(click.ParamType["int | str"]):
    """A number of checkpoints, or "all"."""

    name = "keep"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """Read it."""
        if value == "all":
            return "all"
        return click.IntRange(min=0).convert(value, param, ctx)


class Rate(click.ParamType[float]):
    """``rate=NATS``."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read the number."""
        if isinstance(value, float):
            return value
        what, _, number = value.partition("=")
        if what != "rate" or not number:
            self.fail(f"{value!r} is not of the form rate=NATS, like rate=20", param, ctx)
        return click.FloatRange(min=0, min_open=True).convert(number, param, ctx)


run_argument = click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
at_option = click.option(
    "--at", type=click.IntRange(min=1), metavar="STEP", help="A numbered checkpoint, not the last."
)
device_option = click.option(
    "--device", type=Name("device", ("auto", "cpu", "cuda", "mps")), default="auto", show_default=True,
    help="Where to compute; auto is CUDA where there is one.",
)  # fmt: skip
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object on stdout, and no more there."
)
seed_option = click.option(
    "--seed", type=click.IntRange(min=0, max=2**63 - 1), default=0, show_default=True, help="Seed of the draws."
)


def open_run(path: Path, device: str, at: int | None) -> Run:
    """The run, on the device."""
    from pyro_bvae.training.state import resolve_device

    return pyro_bvae.load_run(path, device=resolve_device(device), at=at)


def echo_json(content: Any) -> None:
    """Print one JSON object."""
    click.echo(as_json(content))
