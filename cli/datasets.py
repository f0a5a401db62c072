"""``pyro-bvae datasets``."""

from __future__ import annotations

from pathlib import Path

import click

import pyro_bvae

from .options import echo_json, json_option

__all__ = ["command"]


@click.command("datasets")
@click.option("--data-root", type=click.Path(file_okay=False, path_type=Path), help="Where downloads lie or go.")
@click.option("--clean", is_flag=True, help="Remove prepared images that no data set uses any more, and name them.")
@json_option
def command(data_root: Path | None, clean: bool, as_json: bool) -> None:
    """List the data sets that fit knows: name, size, shape, source, whether each is on disk.

    With --clean, remove what killed processes and older versions left among the prepared images, and copies of data
    that have changed or are gone. Downloads stay.

    \b
    Examples:
        pyro-bvae datasets --data-root data
        pyro-bvae datasets --clean
    """
    if clean:
        _clean(data_root or pyro_bvae.datasets.cache_folder(), as_json)
        return
    rows = pyro_bvae.datasets.available(data_root)
    if as_json:
        echo_json({"datasets": rows})
        return
    said = {True: "yes", False: "no", None: "yours"}
    click.echo(f"{'name':15} {'size':>7}  {'shape':8} {'on disk':8} source")
    for row in rows:
        click.echo(f"{row['name']:15} {row['size']:>7}  {row['shape']:8} {said[row['on_disk']]:8} {row['source']}")


def _clean(root: Path, as_json: bool) -> None:
    removed = pyro_bvae.datasets.remove_leftovers(root)
    if as_json:
        echo_json({"removed": [{"file": str(old.file), "bytes": old.bytes, "reason": old.reason} for old in removed]})
        return
    for old in removed:
        click.echo(f"removed {old.file} ({old.bytes / 1e6:,.1f} MB): {old.reason}")
    if not removed:
        click.echo(f"nothing to remove in {root / 'prepared'}")
