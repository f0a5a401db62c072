"""What the commands that make pictures write: a PNG to look at, an npz to compute with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pyro_bvae.files import replacing

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation
    from matplotlib.figure import Figure

__all__ = ["write", "write_arrays"]


def write(stem: Path, arrays: Mapping[str, Any], figure: Figure, animation: FuncAnimation | None = None) -> None:
    """Write ``stem``.png, .npz and, where there is an animation, .gif, and print their names."""
    stem = stem.with_suffix("") if stem.suffix in (".png", ".gif", ".npz") else stem
    png, gif, npz = (stem.with_name(stem.name + ending) for ending in (".png", ".gif", ".npz"))
    with replacing(png) as partial:
        figure.savefig(partial)
    click.echo(png)
    if animation is not None:
        with replacing(gif) as partial:
            animation.save(partial, writer="pillow")
        click.echo(gif)
    write_arrays(npz, arrays)


def write_arrays(file: Path, arrays: Mapping[str, Any]) -> None:
    """Write an npz and print its name."""
    import numpy as np

    plain: dict[str, Any] = {name: np.asarray(array) for name, array in arrays.items()}
    with replacing(file) as partial, open(partial, "wb") as opened:
        np.savez_compressed(opened, **plain)
    click.echo(file)
