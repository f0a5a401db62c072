"""``pyro-bvae traverse``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import pyro_bvae
from pyro_bvae.files import place_in
from pyro_bvae.settings import names
from pyro_bvae.settings.declared import Range
from pyro_bvae.settings.options import DEFAULTS

from .chosen import Chosen, chosen, data_if_there, kl_of, start_options
from .kinds import Name, Number, Numbers, limits_of, whole
from .options import at_option, data_options, device_option, figure_options, open_run, run_argument, seed_option
from .output import IN_PRINT, PICTURE, Stem, check_ending, named, say_left_out, write
from .sites import conditions_of, given_of, set_option, site_option

if TYPE_CHECKING:
    from pyro_bvae import Run
    from pyro_bvae.traversal import Base

__all__ = ["command"]

MANY = 10  # images of which classes are shown
COUNT, COLUMNS = whole(limits_of("traverse_count")), whole(limits_of("traverse_columns"))
END = Number(limits_of("traverse_range"))
FROM_DATA = ("image", "random-image")
BY_FIT = ("base", "range", "columns", "count")  # what fit's own traversal is drawn with, settings traverse_...


@click.command("traverse")
@run_argument
@click.option("--base", type=Name("base", names.BASES), default="image", show_default=True, help="Where sweeps start.")
@start_options
@click.option("--count", type=COUNT, metavar="N", help="How many images or draws.  [default: 1, and 10 of classes]")
@site_option
@set_option
@click.option("--styles", is_flag=True, help="Of classes, draw one row an image, with its style under each class.")
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
    count: int | None,
    site: str | None,
    settings: tuple[tuple[str, str], ...],
    styles: bool,
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

    Of several latent sites, --site chooses the one that is swept; the others stay where the datum has them, but for
    those that depend on it. A site of classes, or an argument that has classes, has a row a class and a column an
    image.

    \b
    Examples:
        pyro-bvae traverse runs/digits-beta6-seed0
        pyro-bvae traverse runs/digits-beta6-seed0 --count 4 --range -3 3 --latents 0,7
        pyro-bvae traverse runs/digits-beta6-seed0 --label 3 --image 2
        pyro-bvae traverse runs/digits-beta6-seed0 --base prior --out prior
        pyro-bvae traverse runs/digits-beta6-seed0 --out paper/traversal.pdf --figure-width page
        pyro-bvae traverse runs/mnist-classes --set y=3
        pyro-bvae traverse runs/mnist-classes --site y --styles
    """
    from pyro_bvae import plots, traversal

    if base not in FROM_DATA and (image is not None or label is not None):
        raise click.UsageError(f"--image and --label choose a datum, and --base {base} starts from none")
    if base == "random-image" and image is not None:
        raise click.UsageError("--image chooses a datum, and --base random-image draws one: give one of them")
    check_ending(out, figure_format)
    opened = open_run(run, device, at, dataset, data_root)
    some = chosen(opened, image, label) if base in FROM_DATA else None
    given = given_of(opened, settings)
    names = _classes(opened, site, some)
    if names is None and styles:
        raise click.UsageError(
            "--styles is for a site of classes, or an argument that has classes: name it with --site"
        )
    if names is not None and latents is not None:
        raise click.UsageError(f"--latents chooses among the latents of a site, and {site or 'the site'} has classes")
    start = _start(opened, some, base, None if names else site, given, image, count or (MANY if names else 1), seed)
    shown: dict[str, Any] = {"base": base, "image": image or 0, "label": label, "count": count or 1, **dict(settings)}
    shown |= {"site": site, "styles": styles, "range": ends, "columns": columns, "latents": latents, "sample": draw}
    by_fit = {name: opened.config.get(f"traverse_{name}", DEFAULTS[f"traverse_{name}"]) for name in BY_FIT}
    stem = out or named(place_in(run, "figures") / "traversal", {**shown, "at": at, "seed": seed}, by_fit)
    held = [f"{name} = {text}" for name, text in settings]
    if names is not None:
        under = traversal.sweep_classes(opened.model, start, site or start.site, names=names, draw=draw, seed=seed)
        figure = plots.classes(under, styles, held)
        write(stem, under.arrays(), figure, figure_format=figure_format, figure_width=figure_width)
        return
    kl = kl_of(opened, None if some is None else some.data, start.site)
    sweep = pyro_bvae.traverse(
        opened.model,
        start,
        latents=_latents(opened, start, latents, kl, columns),
        low=ends[0],
        high=ends[1],
        columns=columns,
        kl=kl,
        draw=draw,
        seed=seed,
        names=opened.latent_names if site is None or site == "z" else None,
    )
    is_picture = len(opened.model.shape) == 3
    moving = (lambda: plots.animation(sweep)) if is_picture else None  # one that is not saved, matplotlib warns of
    figure = plots.traversal(sweep, held=held)
    write(stem, sweep.arrays(), figure, moving, figure_format=figure_format, figure_width=figure_width)


def _classes(run: Run, site: str | None, some: Chosen | None) -> list[str] | None:
    """The names of the classes that are stepped through; None where latents are swept."""
    from pyro_bvae.codes import is_plain
    from pyro_bvae.traversal import class_names

    if site is None or is_plain(run.model):
        return None
    return class_names(run.model, site, data_if_there(run) if some is None or some.data is None else some.data)


def _start(
    run: Run,
    some: Chosen | None,
    base: str,
    site: str | None,
    given: dict[str, Any],
    image: int | Path | None,
    count: int,
    seed: int,
) -> Base:
    """Where sweeps start, with the numbers of the data in the data set."""
    from pyro_bvae import traversal

    if some is None:
        count = 1 if base == "prior" and count == MANY else count
        given = conditions_of(run, given, count)
        return traversal.base(run.model, None, base, site=site, given=given, count=count, seed=seed)
    first = image if isinstance(image, int) else 0
    count = min(count, max(1, len(some.images) - first)) if count == MANY else count
    rows = some.rows
    start = traversal.base(run.model, rows, base, site=site, given=given, image=first, count=count, seed=seed)
    return replace(start, index=None if some.index is None or start.index is None else some.index[start.index])


def _latents(
    run: Run, start: Base, latents: tuple[int, ...] | None, kl: list[float] | None, columns: int
) -> tuple[int, ...] | None:
    """Which latents are swept, with a line on what is left out."""
    from pyro_bvae.plots import bounds

    dim = start.codes.shape[-1]
    if latents is None and dim > bounds.MOST_LATENTS:
        latents = tuple(range(bounds.MOST_LATENTS) if kl is None else bounds.most_active(kl))
        click.echo(f"note    the {len(latents)} most active of {dim:,} latents; --latents names others", err=True)
    asked = bounds.Extent(len(latents or range(dim)), columns, len(start.codes))
    say_left_out(bounds.traversal_note(run.model.shape, asked))
    return latents
