"""``pyro-bvae traverse``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

import pyro_bvae
from pyro_bvae.files import place_in
from pyro_bvae.settings import names
from pyro_bvae.settings.declared import Range
from pyro_bvae.settings.options import DEFAULTS

from .chosen import chosen, kl_of, start_options
from .kinds import Name, Number, Numbers, limits_of, whole
from .options import at_option, data_options, device_option, figure_options, open_run, run_argument, seed_option
from .output import IN_PRINT, PICTURE, Stem, check_ending, named, say_left_out, write

__all__ = ["command"]

COUNT, COLUMNS = whole(limits_of("traverse_count")), whole(limits_of("traverse_columns"))
END = Number(limits_of("traverse_range"))
FROM_DATA = ("image", "random-image")
BY_FIT = ("base", "range", "columns", "count")  # what fit's own traversal is drawn with, settings traverse_...


@click.command("traverse")
@run_argument
@click.option("--base", type=Name("base", names.BASES), default="image", show_default=True, help="Where sweeps start.")
@start_options
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
@click.option(
    "--out",
    type=Stem(*PICTURE, instead=IN_PRINT),
    help="File without ending, or .pdf or .svg for that alone.  [default: in RUN/figures]",
)
@at_option
@seed_option
@data_options
@device_option
@figure_options
def command(
    run: Path,
    base: str,
    image: int | Path | None,
    label: str | None,
    count: int,
    ends: tuple[float, float],
    columns: int,
    latents: tuple[int, ...] | None,
    draw: bool,
    out: Path | None,
    at: int | None,
    seed: int,
    dataset: str | None,
    data_root: Path | None,
    device: str,
    figure_format: str,
    figure_width: str | None,
) -> None:
    """Sweep one latent at a time and look: a PNG, an animated GIF, and an npz with the numbers.

    Rows are latents with their KL on the held-out data, highest first, and the names that they have been given in
    explore. The npz holds codes, images, latents, names, values and kl, where sweeps start (x, reconstructions, index
    in the data), and draws the figure again: plots.traversal(Traversal.from_arrays(np.load("traversal.npz"))).

    \b
    Examples:
        pyro-bvae traverse runs/digits-beta6-seed0
        pyro-bvae traverse runs/digits-beta6-seed0 --count 4 --range -3 3 --latents 0,7
        pyro-bvae traverse runs/digits-beta6-seed0 --label 3 --image 2
        pyro-bvae traverse runs/digits-beta6-seed0 --base prior --out prior
        pyro-bvae traverse runs/digits-beta6-seed0 --out paper/traversal.pdf --figure-width page
    """
    from pyro_bvae import plots, traversal
    from pyro_bvae.plots import bounds

    if base not in FROM_DATA and (image is not None or label is not None):
        raise click.UsageError(f"--image and --label choose a datum, and --base {base} starts from none")
    if base == "random-image" and image is not None:
        raise click.UsageError("--image chooses a datum, and --base random-image draws one: give one of them")
    check_ending(out, figure_format)
    opened = open_run(run, device, at, dataset, data_root)
    some = chosen(opened, image, label) if base in FROM_DATA else None
    images, data = (None, None) if some is None else (some.images, some.data)
    first = image if isinstance(image, int) else 0
    start = traversal.base(opened.model, images, base, image=first, count=count, seed=seed)
    if some is not None and start.index is not None:
        start = replace(start, index=None if some.index is None else some.index[start.index])
    kl, asked_for = kl_of(opened, data), latents
    if latents is None and opened.model.latent_dim > bounds.MOST_LATENTS:
        latents = tuple(range(bounds.MOST_LATENTS) if kl is None else bounds.most_active(kl))
        click.echo(
            f"note    the {len(latents)} most active of {opened.model.latent_dim:,} latents; --latents names others",
            err=True,
        )
    asked = bounds.Extent(len(latents or range(opened.model.latent_dim)), columns, len(start.codes))
    say_left_out(bounds.traversal_note(opened.model.shape, asked))
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
        names=opened.latent_names,
    )
    is_picture = len(opened.model.shape) == 3
    moving = (lambda: plots.animation(sweep)) if is_picture else None  # one that is not saved, matplotlib warns of
    shown: dict[str, Any] = {"base": base, "image": image or 0, "label": label, "count": count, "range": ends}
    shown |= {"columns": columns, "latents": asked_for, "sample": draw, "at": at, "seed": seed}
    by_fit = {name: opened.config.get(f"traverse_{name}", DEFAULTS[f"traverse_{name}"]) for name in BY_FIT}
    stem = out or named(place_in(run, "figures") / "traversal", shown, by_fit)
    write(stem, sweep.arrays(), plots.traversal(sweep), moving, figure_format=figure_format, figure_width=figure_width)
