"""``pyro-bvae datasets``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

import pyro_bvae

from .options import echo_json, json_option

__all__ = ["command"]


@click.command("datasets")
@click.option("--data-root", type=click.Path(file_okay=False, path_type=Path), help="Where downloads lie or go.")
@click.option("--clean", is_flag=True, help="Remove prepared images that no data set uses any more, and name them.")
@json_option
def command(data_root: Path | None, clean: bool, as_json: bool) -> None:
    """List the data sets that fit knows: name, size, shape, what each takes on disk, licence, source.

    What is on disk counts downloads and prepared images. Licences are what the authors of the data say of them.
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
    click.echo(f"{'name':16} {'size':>9}  {'shape':8} {'on disk':>9}  {'licence':24} source")
    for row in rows:
        facts = f"{row['name']:16} {row['size']:>9}  {row['shape']:8} {_on_disk(row):>9}"
        click.echo(f"{facts}  {row['licence']:24} {row['source']}")


def _on_disk(row: Mapping[str, Any]) -> str:
    """Whether a data set is on disk, and how large; what needs no file takes no bytes."""
    if not row["on_disk"]:
        return "yours" if row["on_disk"] is None else "no"
    megabytes = row["bytes"] / 1e6
    return "yes" if not megabytes else f"{megabytes / 1000:.2f} GB" if megabytes >= 1000 else f"{megabytes:.1f} MB"


def _clean(root: Path, as_json: bool) -> None:
    removed = pyro_bvae.datasets.remove_leftovers(root)
    if as_json:
        echo_json({"removed": [{"file": str(old.file), "bytes": old.bytes, "reason": old.reason} for old in removed]})
        return
    for old in removed:
        click.echo(f"removed {old.file} ({old.bytes / 1e6:,.1f} MB): {old.reason}")
    if not removed:
        click.echo(f"nothing to remove in {root / 'prepared'}")
