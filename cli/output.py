"""What the commands write, and where: a PNG to look at, an npz to compute with.

An --out is checked when it is read, before anything is loaded: its ending, and that no file of a run is in its way.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pyro_bvae.files import atomic_write
from pyro_bvae.settings.words import plain

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation
    from matplotlib.figure import Figure

__all__ = [
    "IN_PRINT",
    "PICTURE",
    "Stem",
    "check_csv",
    "check_ending",
    "named",
    "say_left_out",
    "write",
    "write_arrays",
    "write_vectors",
]

PICTURE = (".png", ".gif", ".npz")
IN_PRINT = (".pdf", ".svg")  # where --out ends so, it is the one file that is written


class Stem(click.ParamType[Path]):
    """Where a command writes: a path without ending, to which the endings of its files are added.

    Args:
        writes: The endings of what is written.
        instead: Endings that one may ask for in place of the rest.
    """

    name = "file"

    def __init__(self, *writes: str, instead: Sequence[str] = ()) -> None:
        self.writes, self.instead = writes, tuple(instead)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path, without an ending of those that are written."""
        from pyro_bvae.runs.folder import owner_of

        path, said = Path(value), plain(value)
        if os.path.isdir(path) or not path.name or str(value).endswith(("/", os.sep)):
            self.fail(f"{said} is a folder: name a file in it", param, ctx)
        ending = path.suffix.lower() if path.suffix[1:].isalpha() else ""  # the .5 of beta0.5 is none
        known = (*self.writes, *self.instead)
        if ending and ending not in known:
            self.fail(f"{said} ends in {ending}, and what is written is {', '.join(known)}", param, ctx)
        stem = path.with_name(path.name[: len(path.name) - len(ending)])
        for file in (stem.with_name(f"{stem.name}{each}") for each in known):
            run = owner_of(file)
            if run is not None:
                self.fail(f"{plain(file)} is a file of the run {plain(run)} itself: name another", param, ctx)
        return path if ending in self.instead else stem


def say_left_out(*notes: str) -> None:
    """Say before it is drawn what a picture shows, where that is not all; the numbers beside it are whole."""
    for note in filter(None, notes):
        click.echo(f"note    the picture shows {note}", err=True)


def write(
    stem: Path,
    arrays: Mapping[str, Any],
    figure: Figure,
    animation: Callable[[], FuncAnimation] | None = None,
    columns: Sequence[str] | None = None,
    *,
    figure_format: str,
    figure_width: str | None,
    err: bool = False,
) -> None:
    """Write ``stem``.png, .npz and, where there is an animation to make, .gif, and print their names.

    The names go to stderr if ``err``. Where ``stem`` ends in .csv, the vectors among the arrays, ``images``, are
    written as that in place of an npz, under the names of their ``columns``. Where it ends in .pdf or .svg, that figure
    is all that is written.
    """
    from pyro_bvae.plots import save_as, save_figure

    if stem.suffix.lower() in IN_PRINT:
        save_figure(figure, stem, figure_width)
        click.echo(plain(stem), err=err)
        return
    as_csv = is_csv(stem)
    stem = stem.with_suffix("") if as_csv else stem
    gif, npz = (stem.with_name(stem.name + ending) for ending in (".gif", ".npz"))
    for file in save_as(figure, stem, figure_format, figure_width):
        click.echo(plain(file), err=err)
    if animation is not None:
        with atomic_write(gif) as partial:
            animation().save(partial, writer="pillow")
        click.echo(plain(gif))
    if as_csv:
        write_vectors(stem.with_name(stem.name + ".csv"), arrays["images"], columns)
    else:
        write_arrays(npz, arrays, err=err)


def check_ending(out: Path | None, figure_format: str) -> None:
    """Refuse two formats of one figure.

    Raises:
        click.UsageError: The ending of ``out`` names another than ``figure_format``.
    """
    ending = "" if out is None else out.suffix.lower()
    if ending in IN_PRINT and figure_format not in ("png", ending[1:]):
        raise click.UsageError(f"--out ends in {ending}, and --figure-format is {figure_format}: give one of them")


def is_csv(out: Path | None) -> bool:
    """Whether vectors are to be written as a csv."""
    return out is not None and out.suffix.lower() == ".csv"


def check_csv(out: Path | None, shape: Sequence[int]) -> None:
    """Refuse to write images, data of this shape, as a csv; to be asked before they are made.

    Raises:
        click.UsageError: They are images.
    """
    if is_csv(out) and len(shape) != 1:
        raise click.UsageError("a csv holds vectors, and these are images: give --out another ending")


def named(stem: Path, shown: Mapping[str, Any], by_default: Mapping[str, Any]) -> Path:
    """Where output goes by default: ``stem``, followed by what it shows otherwise than what stands there.

    A picture that fit has drawn, and codes of all data, are thus not replaced by others.

    Args:
        stem: A file without its ending.
        shown: What the output shows, by the names of the options.
        by_default: The same of what stands at ``stem``; what is missing here is None, 0 or False there.

    >>> named(Path("traversal"), {"base": "prior", "range": (-3.0, 3.0), "columns": 11, "at": None}, {"columns": 11})
    PosixPath('traversal-base-prior-range--3,3')
    """
    others = {name: value for name, value in shown.items() if _plain(value) != _plain(by_default.get(name))}
    words = [name if value is True else f"{name}-{_plain(value)}" for name, value in others.items()]
    return stem.with_name("-".join([stem.name, *words]))


def _plain(value: Any) -> str:
    """A value as a part of a file's name."""
    if isinstance(value, Path):
        value = value.stem
    parts = value if isinstance(value, list | tuple) else [value or ""]
    text = ",".join(f"{part:g}" if isinstance(part, float | int) else str(part) for part in parts)
    return re.sub(r"[^\w.,-]", "_", text)


def write_vectors(file: Path, vectors: Any, columns: Sequence[str] | None = None) -> None:
    """Write vectors ``(N, D)`` as a csv under the names of their columns, or x0, x1, ..., and print its name."""
    import numpy as np

    names = columns or [""] * vectors.shape[1]
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([name or f"x{feature}" for feature, name in enumerate(names)])
    with atomic_write(file) as partial:
        np.savetxt(
            partial,
            np.asarray(vectors),
            fmt="%.9g",
            delimiter=",",
            header=line.getvalue(),
            comments="",
            encoding="utf-8",
        )
    click.echo(plain(file))


def write_arrays(file: Path, arrays: Mapping[str, Any], *, err: bool = False) -> None:
    """Write an npz and print its name, and which arrays hold NaN or infinity; a KL that is not known is NaN.

    Args:
        file: The npz.
        arrays: By name.
        err: Whether its name goes to stderr.
    """
    import numpy as np

    content: dict[str, Any] = {name: np.asarray(array) for name, array in arrays.items()}
    with atomic_write(file) as partial, open(partial, "wb") as opened:
        np.savez_compressed(opened, **content)
    click.echo(plain(file), err=err)
    floats = {name: array for name, array in content.items() if array.dtype.kind == "f" and name != "kl"}
    if wrong := [name for name, array in floats.items() if not np.isfinite(array).all()]:
        click.echo(f"note    {', '.join(wrong)}: some numbers are NaN or infinite", err=True)
