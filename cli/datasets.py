"""``pyro-bvae datasets``."""

from __future__ import annotations

from pathlib import Path

import click

import pyro_bvae

from .options import echo_json, json_option

__all__ = ["command"]


@click.command("datasets")
@click.option("--data-root", type=click.Path(file_okay=False, path_type=Path), help="Where downloads lie or go.")
@json_option
def command(data_root: Path | None, as_json: bool) -> None:
    """List the data sets that fit knows: name, size, shape, source, whether each is on disk.

    \b
    Example:
        pyro-bvae datasets --data-root data
    """
    rows = pyro_bvae.datasets.available(data_root)
    if as_json:
        echo_json({"datasets": rows})
        return
    said = {True: "yes", False: "no", None: "yours"}
    click.echo(f"{'name':15} {'size':>7}  {'shape':8} {'on disk':8} source")
    for row in rows:
        click.echo(f"{row['name']:15} {row['size']:>7}  {row['shape']:8} {said[row['on_disk']]:8} {row['source']}")
