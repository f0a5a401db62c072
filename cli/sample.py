"""``pyro-bvae sample``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pyro_bvae.files import place_in

from .chosen import held_out_if_there
from .options import at_option, data_options, device_option, figure_options, open_run, run_argument, seed_option
from .output import IN_PRINT, PICTURE, Stem, check_csv, check_ending, named, say_left_out, write
from .sites import by_site, conditions_of, given_of, set_option, site_option

__all__ = ["command"]

COUNT = 100  # as many images as fit draws


@click.command("sample")
@run_argument
@click.option("--count", type=click.IntRange(1, 10**7), default=COUNT, show_default=True, help="How many draws.")
@set_option
@site_option
@click.option(
    "--sample/--mean", "draw", default=None, help="Draw x from p(x|z), or take its mean.  [default: for vectors draw]"
)
@click.option(
    "--out",
    type=Stem(*PICTURE, instead=[*IN_PRINT, ".csv"]),
    help="File without ending, or .csv; or .pdf or .svg for that alone.  [default: RUN/figures/samples]",
)
@at_option
@seed_option
@data_options
@device_option
@figure_options
def command(
    run: Path,
    count: int,
    settings: tuple[tuple[str, str], ...],
    site: str | None,
    draw: bool | None,
    out: Path | None,
    at: int | None,
    seed: int,
    dataset: str | None,
    data_root: Path | None,
    device: str,
    figure_format: str,
    figure_width: str | None,
) -> None:
    """Draw from the prior and decode: a PNG, and an npz with codes and images (or a csv of vectors).

    Where programs have several latent sites, the npz has the draws of each under its name; codes are those of --site.

    \b
    Examples:
        pyro-bvae sample runs/digits-beta6-seed0 --count 64 --seed 1
        pyro-bvae sample runs/gaussian --count 100000 --out generated.csv
        pyro-bvae sample runs/mnist-classes --set y=3
    """
    from pyro_bvae import plots
    from pyro_bvae.generation import as_rows, given_for, model_site, sample_sites
    from pyro_bvae.plots.bounds import pictures_note

    check_ending(out, figure_format)
    opened = open_run(run, device, at, dataset, data_root)
    check_csv(out, opened.model.shape)
    of_vectors = len(opened.model.shape) == 1
    say_left_out(pictures_note(opened.model.shape, count, "samples"))
    given = conditions_of(opened, given_of(opened, settings), count)
    code = model_site(opened.model, site, given_for(opened.model, given, count))
    draw_x = of_vectors if draw is None else draw
    of_sites, images = sample_sites(opened.model, count, given=given, draw=draw_x, seed=seed)
    figure = plots.samples(images, held_out_if_there(opened) if of_vectors else None)
    shown: dict[str, Any] = {"count": count, **dict(settings), "site": site}
    shown |= {"mean" if of_vectors else "sample": draw is not None and draw != of_vectors}
    stem = named(
        place_in(run, "figures") / "samples", {**shown, "at": at, "seed": seed}, {} if of_vectors else {"count": COUNT}
    )
    write(
        out or stem,
        {"codes": as_rows(of_sites[code]), "images": images, **by_site(of_sites)},
        figure,
        columns=opened.config.get("columns"),
        figure_format=figure_format,
        figure_width=figure_width,
    )
