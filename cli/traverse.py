"""``pyro-bvae traverse``."""

from __future__ import annotations

from contextlib import closing
from math import nan
from pathlib import Path

import click

import pyro_bvae
from pyro_bvae.settings import names
from pyro_bvae.settings.declared import Range

from .options import (
    Name,
    Number,
    Numbers,
    at_option,
    device_option,
    limits_of,
    open_run,
    run_argument,
    seed_option,
    whole,
)
from .output import PICTURE, Stem, say_left_out, write
from .progress import LONGEST_SILENCE, Counter, LoadingBar

__all__ = ["command"]

INDEX, COUNT, COLUMNS = (
    click.IntRange(0, 10**9),
    whole(limits_of("traverse_count")),
    whole(limits_of("traverse_columns")),
)
END = Number(limits_of("traverse_range"))


@click.command("traverse")
@run_argument
@click.option("--base", type=Name("base", names.BASES), default="image", show_default=True, help="Where sweeps start.")
@click.option("--image", type=INDEX, default=0, metavar="I", help="Index of the first held-out image.")
@click.option("--count", type=COUNT, default=1, metavar="N", help="How many images or draws.")
@click.option("--range", "ends", type=(END, END), default=(-2.0, 2.0), show_default=True, help="Both included.")
@click.option("--columns", type=COLUMNS, default=11, show_default=True, help="Values in the range.")
@click.option(
    "--latents",
    type=Numbers(Range(least=0, most=10**6), "z", "0,7 or z0,z7"),
    metavar="K,K,...",
    help="Which, in this order.  [default: all, by their KL]",
)
@click.option("--sample", "draw", is_flag=True, help="Draw from p(x|z) in place of taking its mean.")
@click.option("--out", type=Stem(*PICTURE), help="File without ending.  [default: RUN/figures/traversal]")
@at_option
@seed_option
@device_option
def command(
    run: Path,
    base: str,
    image: int,
    count: int,
    ends: tuple[float, float],
    columns: int,
    latents: tuple[int, ...] | None,
    draw: bool,
    out: Path | None,
    at: int | None,
    seed: int,
    device: str,
) -> None:
    """Sweep one latent at a time and look: a PNG, an animated GIF, and an npz with the numbers.

    Rows are latents with their KL on the held-out data, highest first.
    The npz holds codes, images, latents, values and kl.

    \b
    Examples:
        pyro-bvae traverse runs/digits-beta6-seed0
        pyro-bvae traverse runs/digits-beta6-seed0 --count 4 --range -3 3 --latents 0,7
        pyro-bvae traverse runs/digits-beta6-seed0 --base prior --out prior
    """
    from pyro_bvae import plots, traversal
    from pyro_bvae.plots import bounds
    from pyro_bvae.terms import mean_terms

    opened = open_run(run, device, at)
    data = opened.dataset(LoadingBar())
    held_out = data.images[data.held_out]
    start = traversal.base(opened.model, held_out, base, image=image, count=count, seed=seed)
    with closing(Counter(LONGEST_SILENCE)) as counter:
        kl = mean_terms(opened.model, held_out, progress=counter).kl_per_latent
    if latents is None and opened.model.latent_dim > bounds.MOST_LATENTS:
        latents = tuple(range(bounds.MOST_LATENTS) if kl is None else bounds.most_active(kl))
        click.echo(
            f"note    the {len(latents)} most active of {opened.model.latent_dim:,} latents; --latents names others",
            err=True,
        )
    asked = bounds.Extent(len(latents or range(opened.model.latent_dim)), columns, len(start.codes))
    say_left_out(bounds.traversal_note(data.shape, asked))
    sweep = pyro_bvae.traverse(
        opened.model,
        start,
        latents=latents,
        low=ends[0],
        high=ends[1],
        columns=columns,
        kl=kl,
        draw=draw,
        seed=seed,
    )
    arrays = {"codes": sweep.codes, "images": sweep.images, "latents": sweep.latents, "values": sweep.values}
    arrays["kl"] = [nan] * len(sweep.latents) if sweep.kl is None else sweep.kl
    moving = (lambda: plots.animation(sweep)) if data.is_images else None  # one that is not saved, matplotlib warns of
    write(out or run / "figures" / "traversal", arrays, plots.traversal(sweep), moving)
