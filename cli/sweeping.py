"""The fits of a comparison, with their progress and what failed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pyro_bvae.files import is_terminal
from pyro_bvae.settings.options import DATA
from pyro_bvae.settings.spelling import as_options

from .errors import said
from .progress import LoadingBar, heading

if TYPE_CHECKING:
    from pyro_bvae.comparison import Choice, RunRow
    from pyro_bvae.sweeps import Crew

__all__ = ["fit_all"]


def fit_all(
    todo: Sequence[Choice], particles: int, crew: Crew, metrics: Sequence[str]
) -> tuple[list[RunRow], list[str]]:
    """Run all choices under one bar, or line by line where there is no terminal; runs one at a time have bars too.

    Returns:
        The rows of the runs that went well, in the order of the choices, and a line for each that failed.
    """
    from tqdm import tqdm

    from pyro_bvae import comparison
    from pyro_bvae.callbacks import Progress
    from pyro_bvae.runs.building import load_data
    from pyro_bvae.scoring import applicable

    for settings in {str([choice.settings[name] for name in DATA]): choice.settings for choice in todo}.values():
        data = load_data(settings, LoadingBar())  # once, here: what is wrong is said once, and caches are filled
        for note in data.notes:
            click.echo(f"data    {as_options(note)}", err=True)
        applicable(metrics, data, runs=1, latents=min(choice.settings["latent_dim"] for choice in todo))
    rows: dict[Path, RunRow] = {}
    failed = []
    bar = tqdm(total=len(todo), unit="run", disable=not is_terminal(sys.stderr), file=sys.stderr)
    callbacks = [heading(), Progress(lines=2)] if crew.in_this_process else []
    with closing(comparison.run_all(todo, particles, crew, metrics, callbacks)) as results:
        for number, (choice, row) in enumerate(results, start=1):
            what = f"{choice.label}, seed {choice.settings['seed']}"
            if isinstance(row, Exception):
                failed.append(f"{what}: {said(row, None)}")
            else:
                rows[choice.folder] = row
            bar.update()
            if bar.disable:
                click.echo(f"{number}/{len(todo)} {what}" + (" failed" if isinstance(row, Exception) else ""), err=True)
    bar.close()
    return [rows[choice.folder] for choice in todo if choice.folder in rows], failed
