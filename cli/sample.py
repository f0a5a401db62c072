"""``pyro-bvae sample``."""

from __future__ import annotations

from pathlib import Path

import click

from .options import at_option, device_option, open_run, run_argument, seed_option
from .output import write

__all__ = ["command"]


@click.command("sample")
@run_argument
@click.option("--count", type=click.IntRange(min=1), default=100, show_default=True, help="How many draws.")
@click.option("--sample", "draw", is_flag=True, help="Draw x from p(x|z) too, in place of taking its mean.")
@click.option("--out", type=click.Path(path_type=Path), help="File without ending.  [default: RUN/figures/samples]")
@at_option
@seed_option
@device_option
def command(run: Path, count: int, draw: bool, out: Path | None, at: int | None, seed: int, device: str) -> None:
    """Draw from the prior and decode: a PNG, and an npz with codes and images.

    \b
    Example:
        pyro-bvae sample runs/digits-beta6-seed0 --count 64 --seed 1
    """
    from pyro_bvae import plots
    from pyro_bvae.generation import sample

    opened = open_run(run, device, at)
    codes, images = sample(opened.model, count, draw=draw, seed=seed)
    figure = plots.samples(images, opened.dataset().images if images.dim() == 2 else None)
    write(out or run / "figures" / "samples", {"codes": codes, "images": images}, figure)
