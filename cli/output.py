"""What the commands that make pictures write: a PNG to look at, an npz to compute with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation
    from matplotlib.figure import Figure

__all__ = ["write"]


def write(stem: Path, arrays: Mapping[str, Any], figure: Figure, animation: FuncAnimation | None = None) -> None:
    """Write ``stem``.png, .npz and, where there is an animation, .gif, and print their names."""
    import numpy as np

    stem.parent.mkdir(parents=True, exist_ok=True)
    png, gif, npz = (stem.with_name(stem.name + ending) for ending in (".png", ".gif", ".npz"))
    figure.savefig(png)
    click.echo(png)
    if animation is not None:
        animation.save(gif, writer="pillow")
        click.echo(gif)
    plain: dict[str, Any] = {name: np.asarray(array) for name, array in arrays.items()}
    np.savez_compressed(npz, **plain)
    click.echo(npz)
