"""The fits of a comparison: who makes them, how far they are, and what failed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pyro_bvae.settings.options import DATA
from pyro_bvae.settings.spelling import as_options, pasted

from .board import Board, named
from .errors import said
from .progress import LoadingBar, heading
from .settings import is_typed

if TYPE_CHECKING:
    from pyro_bvae.comparison import Choice, RunRow
    from pyro_bvae.datasets import Dataset
    from pyro_bvae.sweeps import Crew

__all__ = ["check_data", "crew_of", "crew_options", "fit_all", "fit_each", "how_it_stopped", "loaded"]


def crew_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say who fits."""
    for option in (
        click.option(
            "--cluster",
            metavar="ADDRESS|FILE",
            help="Fit on the workers of a dask cluster: its scheduler's address, or the json file that it writes.",
        ),
        click.option("--jobs", type=click.IntRange(1, 256), default=1, show_default=True, help="Runs at a time."),
    ):
        command = option(command)
    return command


def crew_of(ctx: click.Context, jobs: int, cluster: str | None, out: Path) -> Crew:
    """Who fits: so many processes of this machine, or the workers of a cluster.

    Raises:
        click.UsageError: Both are asked for.
    """
    from pyro_bvae.sweeps import Cluster, Here

    if cluster is None:
        return Here(jobs)
    if is_typed(ctx, "jobs"):
        raise click.UsageError("a cluster runs as many at a time as it has workers: leave --jobs or --cluster out", ctx)
    return Cluster(cluster, out)


def how_it_stopped(stop: KeyboardInterrupt) -> str:
    """A line that says what was saved, and the command that goes on, as one would paste it."""
    from pyro_bvae.sweeps import NotAwaited

    what = "stopped at once; checkpoints are kept" if isinstance(stop, NotAwaited) else "stopped, all saved"
    return f"{what}; go on with: {pasted('pyro-bvae', *sys.argv[1:])}"


def fit_all(
    todo: Sequence[Choice], particles: int, crew: Crew, metrics: Sequence[str]
) -> tuple[list[RunRow], list[str]]:
    """Run all choices, and show how far they are; those that this process runs have bars of their own.

    Returns:
        The rows of the runs that went well, in the order of the choices, and a line for each that failed.
    """
    rows: dict[Path, RunRow] = {}
    failed = []
    with closing(fit_each(todo, len(todo), particles, crew, metrics)) as results:
        for choice, row in results:
            if isinstance(row, Exception):
                failed.append(f"{named(choice)}: {said(row, None)}")
            else:
                rows[choice.folder] = row
    return [rows[choice.folder] for choice in todo if choice.folder in rows], failed


def check_data(todo: Sequence[Choice], metrics: Sequence[str]) -> None:
    """Load the data of all choices, so that what is wrong is said once, and caches are filled.

    Raises:
        OSError: Data are not there.
        ValueError: They cannot be read, or a metric cannot be taken of them.
    """
    from pyro_bvae.scoring import applicable

    latents = min((choice.settings["latent_dim"] for choice in todo), default=1)
    for settings in {str([choice.settings[name] for name in DATA]): choice.settings for choice in todo}.values():
        applicable(metrics, loaded(settings), runs=1, latents=latents)


def loaded(settings: Mapping[str, Any]) -> Dataset:
    """The data that settings describe, with what there is to say of them."""
    from pyro_bvae.runs.building import load_data

    data = load_data(settings, LoadingBar())
    for note in data.notes:
        click.echo(f"data    {as_options(note)}", err=True)
    return data


def fit_each(
    todo: Iterable[Choice], total: int, particles: int, crew: Crew, metrics: Sequence[str]
) -> Generator[tuple[Choice, RunRow | Exception], None, None]:
    """Run choices as `comparison.run_all` does, and show how far they are.

    Args:
        todo: What to run.
        total: How many these are.
        particles: Draws for the importance-weighted bound.
        crew: Who runs them.
        metrics: Scores to take.
    """
    from pyro_bvae import comparison
    from pyro_bvae.callbacks import Progress

    callbacks = [heading(), Progress(lines=2)] if crew.in_this_process else []
    with (
        closing(Board(total, crew.in_this_process)) as board,
        closing(comparison.run_all(todo, particles, crew, metrics, callbacks, board.look)) as results,
    ):
        for choice, row in results:
            board.end(choice, row)
            yield choice, row
