"""``pyro-bvae reconstruct``."""

from __future__ import annotations

from pathlib import Path

import click

from .options import at_option, device_option, open_run, run_argument, seed_option
from .output import PICTURE, Stem, check_csv, say_left_out, write
from .progress import LoadingBar

__all__ = ["command"]


@click.command("reconstruct")
@run_argument
@click.option("--count", type=click.IntRange(1, 10**6), default=20, show_default=True, help="How many held-out images.")
@click.option("--sample", "draw", is_flag=True, help="Draw z and x in place of taking means.")
@click.option(
    "--out", type=Stem(*PICTURE, instead=[".csv"]), help="File without ending, or .csv.  [default: RUN/figures/...]"
)
@at_option
@seed_option
@device_option
def command(run: Path, count: int, draw: bool, out: Path | None, at: int | None, seed: int, device: str) -> None:
    """Encode held-out images and decode them again: a PNG, and an npz with originals, images and codes.

    For vectors, --out may end in .csv. With --sample, z and x are drawn: data once through encoder and decoder.

    \b
    Example:
        pyro-bvae reconstruct runs/digits-beta6-seed0 --count 30
    """
    from pyro_bvae import plots
    from pyro_bvae.generation import reconstruct
    from pyro_bvae.plots.bounds import pictures_note

    opened = open_run(run, device, at)
    check_csv(out, opened.model.shape)
    data = opened.dataset(LoadingBar())
    originals = data.images[data.held_out[:count]]
    say_left_out(pictures_note(data.shape, len(originals), "data", each=2))
    codes, images = reconstruct(opened.model, originals, draw=draw, seed=seed)
    arrays = {"originals": originals, "images": images, "codes": codes}
    write(out or run / "figures" / "reconstructions", arrays, plots.reconstructions(originals, images))
