"""``pyro-bvae encode``."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import click

from .options import Name, at_option, device_option, open_run, run_argument
from .output import Stem, write_arrays
from .progress import LONGEST_SILENCE, Counter, LoadingBar

__all__ = ["command"]


@click.command("encode")
@run_argument
@click.option(
    "--split", type=Name("split", ("all", "train", "held-out")), default="all", show_default=True, help="Which data."
)
@click.option("--out", type=Stem(".npz"), help="The npz.  [default: RUN/codes.npz]")
@at_option
@device_option
def command(run: Path, split: str, out: Path | None, at: int | None, device: str) -> None:
    """Write the codes of the data, means and scales of q(z|x), as an npz.

    It holds loc and scale (N×K), index (which data these are), held_out (which of them training has not seen), and
    labels, label_names, factors and factor_names where there are any.

    \b
    Example:
        pyro-bvae encode runs/digits-beta6-seed0 --split held-out --out codes.npz
    """
    import torch

    from pyro_bvae.codes import encode

    opened = open_run(run, device, at)
    data = opened.dataset(LoadingBar())
    index = {"all": torch.arange(len(data)), "train": data.train, "held-out": data.held_out}[split]
    with closing(Counter(LONGEST_SILENCE)) as counter:
        codes = encode(opened.model, data.images if split == "all" else data.images[index], progress=counter)
    arrays: dict[str, Any] = {"loc": codes.loc, "scale": codes.scale, "index": index}
    arrays["held_out"] = torch.isin(index, data.held_out)
    if data.labels is not None:
        arrays["labels"] = data.labels[index]
    if data.label_names is not None:
        arrays["label_names"] = data.label_names
    if data.factors is not None:
        arrays["factors"] = data.factors[index]
    if data.factor_names is not None:
        arrays["factor_names"] = data.factor_names
    out = out or run / "codes"
    write_arrays(out.with_name(f"{out.name}.npz"), arrays)
