"""``pyro-bvae export``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from pyro_bvae.settings.names import EXPORTS
from pyro_bvae.settings.words import plain

from .options import at_option, data_options, programs_given, run_argument

__all__ = ["command"]


class Target(click.ParamType[Any]):
    """A file whose ending names a format, or the name of one alone."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str | Path:
        """The format, or the file."""
        if value in EXPORTS or isinstance(value, Path):
            return value
        path, said = Path(value), plain(value)
        if os.path.isdir(path):
            self.fail(f"{said} is a folder: name a file in it", param, ctx)
        if path.suffix[1:].lower() not in EXPORTS:
            endings = ", ".join(f".{name}" for name in EXPORTS)
            self.fail(f"{said} is neither a format nor a file that ends in one: {endings}", param, ctx)
        return path

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:  # noqa: ARG002
        """The formats that begin so."""
        return [click.shell_completion.CompletionItem(name) for name in EXPORTS if name.startswith(incomplete)]


@click.command("export")
@run_argument
@click.option(
    "--to",
    type=Target(),
    required=True,
    metavar="FILE|FORMAT",
    help="A file that ends in .zip, .onnx, .pt2 or .safetensors; a format alone writes beside the run, under its name.",
)
@at_option
@data_options
def command(run: Path, to: str | Path, at: int | None, dataset: str | None, data_root: Path | None) -> None:
    """Write a model as files that other programs read, or as one file that stands for its run.

    A zip takes a run's place in every command, and holds neither optimiser nor paths. ONNX and pt2 are two files, the
    encoder and the decoder, for batches of any size; safetensors are the weights alone. The data of the run are read
    where its programs take a condition.

    \b
    Examples:
        pyro-bvae export runs/digits-beta6-seed0 --to digits.zip
        pyro-bvae export runs/digits-beta6-seed0 --to digits.onnx
        pyro-bvae export runs/digits-beta6-seed0 --to pt2
    """
    from pyro_bvae.exports import export

    place: dict[str, Any] = {"dataset": dataset, "data_root": data_root}
    for file in export(run, to if isinstance(to, Path) else _beside(run, to), at=at, **place, **programs_given()):
        click.echo(f"{plain(file)} ({file.stat().st_size / 1e6:.1f} MB)")


def _beside(run: Path, ending: str) -> Path:
    """The file beside a run, under its name."""
    place = run.resolve() if run.name in ("", "..") else run
    return place.with_name(f"{place.stem if place.is_file() else place.name}.{ending}")
