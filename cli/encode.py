"""``pyro-bvae encode``."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import click

from pyro_bvae.files import place_in

from .chosen import chosen, start_options
from .kinds import Name
from .options import at_option, data_options, device_option, open_run, run_argument
from .output import Stem, named, write_arrays
from .progress import LONGEST_SILENCE, Counter
from .sites import by_site, site_option
from .together import is_first, join, together

__all__ = ["command"]


@click.command("encode")
@run_argument
@click.option(
    "--split", type=Name("split", ("all", "train", "held-out")), default="all", show_default=True, help="Which data."
)
@start_options
@site_option
@click.option("--out", type=Stem(".npz"), help="The npz.  [default: codes in RUN; of some, named by which]")
@at_option
@data_options
@device_option
def command(
    run: Path,
    split: str,
    image: int | Path | None,
    label: str | None,
    site: str | None,
    out: Path | None,
    at: int | None,
    dataset: str | None,
    data_root: Path | None,
    device: str,
) -> None:
    """Write the codes of the data, means and scales of q(z|x), as an npz.

    It holds loc and scale (N×K), index (which data these are), held_out (which of them training has not seen), and
    labels, label_names, factors and factor_names where there are any. --image takes one datum of the split, or those of
    a file of your own, of which there are loc and scale alone. Of several latent sites, loc and scale are those of z,
    or of --site; each has its own under its name, like y and y_scale. A site of classes has their probabilities.

    \b
    Examples:
        pyro-bvae encode runs/digits-beta6-seed0 --split held-out --out codes.npz
        pyro-bvae encode runs/digits-beta6-seed0 --label 3 --out threes.npz
    """
    import torch

    from pyro_bvae.codes import encode_sites
    from pyro_bvae.generation import reconstructed_site

    join()
    opened = open_run(run, device, at, dataset, data_root)
    some = chosen(opened, image, label, split)
    some = some.part(image, 1) if isinstance(image, int) else some
    with together(), closing(Counter(LONGEST_SILENCE)) as counter:
        of_sites = encode_sites(opened.model, some.rows, progress=counter)
    codes = of_sites[reconstructed_site(opened.model, some.rows, site)]
    if not is_first():
        return
    bad = int((~(codes.loc + codes.scale).isfinite()).any(1).sum())
    if bad:
        click.echo(
            f"note    {bad:,} of {len(codes.loc):,} codes are not finite: these data lie far from the run's", err=True
        )
    arrays: dict[str, Any] = {"loc": codes.loc, "scale": codes.scale}
    for name, each in by_site(of_sites).items():
        arrays |= {name: each.loc, f"{name}_scale": each.scale}
    if some.data is not None and some.index is not None:
        arrays |= {"index": some.index, "held_out": torch.isin(some.index, some.data.held_out)}
        for name in ("labels", "factors"):
            values = getattr(some.data, name)
            arrays |= {} if values is None else {name: values[some.index]}
        names = {"label_names": some.data.label_names, "factor_names": some.data.factor_names}
        arrays |= {name: values for name, values in names.items() if values is not None}
    shown = {"split": split, "image": "0" if image == 0 else image, "label": label, "site": site, "at": at}
    out = out or named(place_in(run, "codes"), shown, {"split": "all"})
    write_arrays(out.with_name(f"{out.name}.npz"), arrays)
