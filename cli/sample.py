"""``pyro-bvae sample``."""

from __future__ import annotations

from pathlib import Path

import click

from .options import at_option, device_option, open_run, run_argument, seed_option
from .output import PICTURE, Stem, check_csv, say_left_out, write
from .progress import LoadingBar

__all__ = ["command"]


@click.command("sample")
@run_argument
@click.option("--count", type=click.IntRange(1, 10**7), default=100, show_default=True, help="How many draws.")
@click.option(
    "--sample/--mean", "draw", default=None, help="Draw x from p(x|z), or take its mean.  [default: for vectors draw]"
)
@click.option(
    "--out", type=Stem(*PICTURE, instead=[".csv"]), help="File without ending, or .csv.  [default: RUN/figures/samples]"
)
@at_option
@seed_option
@device_option
def command(run: Path, count: int, draw: bool | None, out: Path | None, at: int | None, seed: int, device: str) -> None:
    """Draw from the prior and decode: a PNG, and an npz with codes and images (or a csv of vectors).

    \b
    Example:
        pyro-bvae sample runs/digits-beta6-seed0 --count 64 --seed 1
        pyro-bvae sample runs/gaussian --count 100000 --out generated.csv
    """
    from pyro_bvae import plots
    from pyro_bvae.generation import sample
    from pyro_bvae.plots.bounds import pictures_note

    opened = open_run(run, device, at)
    check_csv(out, opened.model.shape)
    of_vectors = len(opened.model.shape) == 1
    say_left_out(pictures_note(opened.model.shape, count, "samples"))
    codes, images = sample(opened.model, count, draw=of_vectors if draw is None else draw, seed=seed)
    data = opened.dataset(LoadingBar()) if of_vectors else None
    figure = plots.samples(images, None if data is None else data.images[data.held_out])
    write(out or run / "figures" / "samples", {"codes": codes, "images": images}, figure)
