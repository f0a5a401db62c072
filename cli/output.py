"""What the commands that make pictures write: a PNG to look at, an npz to compute with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pyro_bvae.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation
    from matplotlib.figure import Figure

__all__ = ["write", "write_arrays", "write_vectors"]


def write(stem: Path, arrays: Mapping[str, Any], figure: Figure, animation: FuncAnimation | None = None) -> None:
    """Write ``stem``.png, .npz and, where there is an animation, .gif, and print their names.

    Where ``stem`` ends in .csv, the vectors among the arrays, ``images``, are written as that in place of an npz.
    """
    from pyro_bvae.plots import save_figure

    as_csv = stem.suffix == ".csv"
    if as_csv and arrays["images"].ndim != 2:
        raise click.UsageError("a csv holds vectors, and these are images: give --out another ending")
    stem = stem.with_suffix("") if stem.suffix in (".png", ".gif", ".npz", ".csv") else stem
    png, gif, npz = (stem.with_name(stem.name + ending) for ending in (".png", ".gif", ".npz"))
    save_figure(figure, png)
    click.echo(png)
    if animation is not None:
        with atomic_write(gif) as partial:
            animation.save(partial, writer="pillow")
        click.echo(gif)
    if as_csv:
        write_vectors(stem.with_name(stem.name + ".csv"), arrays["images"])
    else:
        write_arrays(npz, arrays)


def write_vectors(file: Path, vectors: Any) -> None:
    """Write vectors ``(N, D)`` as a csv with a header, and print its name."""
    import numpy as np

    header = ",".join(f"x{feature}" for feature in range(vectors.shape[1]))
    with atomic_write(file) as partial:
        np.savetxt(partial, np.asarray(vectors), fmt="%.9g", delimiter=",", header=header, comments="")
    click.echo(file)


def write_arrays(file: Path, arrays: Mapping[str, Any]) -> None:
    """Write an npz and print its name."""
    import numpy as np

    plain: dict[str, Any] = {name: np.asarray(array) for name, array in arrays.items()}
    with atomic_write(file) as partial, open(partial, "wb") as opened:
        np.savez_compressed(opened, **plain)
    click.echo(file)
