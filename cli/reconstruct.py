"""``pyro-bvae reconstruct``."""

from __future__ import annotations

from pathlib import Path

import click

from pyro_bvae.files import place_in

from .chosen import chosen, start_options
from .options import at_option, data_options, device_option, figure_options, open_run, run_argument, seed_option
from .output import IN_PRINT, PICTURE, Stem, check_csv, check_ending, named, say_left_out, write
from .sites import by_site, given_of, set_option, site_option

__all__ = ["command"]

COUNT = 20  # as many as fit draws


@click.command("reconstruct")
@run_argument
@start_options
@click.option(
    "--count", type=click.IntRange(1, 10**6), default=COUNT, show_default=True, help="How many held-out images."
)
@set_option
@site_option
@click.option("--sample", "draw", is_flag=True, help="Draw z and x in place of taking means.")
@click.option(
    "--out",
    type=Stem(*PICTURE, instead=[*IN_PRINT, ".csv"]),
    help="File without ending, or .csv; or .pdf or .svg for that alone.  [default: RUN/figures/...]",
)
@at_option
@seed_option
@data_options
@device_option
@figure_options
def command(
    run: Path,
    image: int | Path | None,
    label: str | None,
    count: int,
    settings: tuple[tuple[str, str], ...],
    site: str | None,
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
    """Encode held-out images and decode them again: a PNG, and an npz with originals, images, codes and index.

    The index says which data these are. For vectors, --out may end in .csv. With --sample, z and x are drawn: data once
    through encoder and decoder. --set y=3 decodes them under another class or condition; where programs have several
    latent sites, the npz has each under its name, and codes are those of --site.

    \b
    Examples:
        pyro-bvae reconstruct runs/digits-beta6-seed0 --count 30
        pyro-bvae reconstruct runs/digits-beta6-seed0 --label 3
        pyro-bvae reconstruct runs/mnist-classes --set y=3
    """
    from pyro_bvae import plots
    from pyro_bvae.generation import as_rows, reconstruct_sites, reconstructed_site
    from pyro_bvae.plots.bounds import pictures_note

    check_ending(out, figure_format)
    opened = open_run(run, device, at, dataset, data_root)
    check_csv(out, opened.model.shape)
    some = chosen(opened, image, label).part(image if isinstance(image, int) else 0, count)
    originals, given = some.images, given_of(opened, settings)
    say_left_out(pictures_note(opened.model.shape, len(originals), "data", each=2))
    code = reconstructed_site(opened.model, some.rows, site, given)
    of_sites, images = reconstruct_sites(opened.model, some.rows, given=given, draw=draw, seed=seed)
    arrays = {"originals": originals, "images": images, "codes": as_rows(of_sites[code]), **by_site(of_sites)}
    arrays |= {} if some.index is None else {"index": some.index}
    shown = {"image": image or 0, "label": label, "count": count, **dict(settings), "site": site}
    shown |= {"sample": draw, "at": at, "seed": seed}
    by_fit = {"count": COUNT} if len(opened.model.shape) == 3 else {}
    stem = out or named(place_in(run, "figures") / "reconstructions", shown, by_fit)
    write(
        stem,
        arrays,
        plots.reconstructions(originals, images),
        columns=opened.config.get("columns"),
        figure_format=figure_format,
        figure_width=figure_width,
    )
