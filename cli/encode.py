"""``pyro-bvae encode``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .options import Name, at_option, device_option, open_run, run_argument

__all__ = ["command"]


@click.command("encode")
@run_argument
@click.option(
    "--split", type=Name("split", ("all", "train", "held-out")), default="all", show_default=True, help="Which data."
)
@click.option("--out", type=click.Path(path_type=Path), help="The npz.  [default: RUN/codes.npz]")
@at_option
@device_option
def command(run: Path, split: str, out: Path | None, at: int | None, device: str) -> None:
    """Write the codes of the data: an npz with loc, scale, index, and labels or factors where there are any.

    \b
    Example:
        pyro-bvae encode runs/digits-beta6-seed0 --split held-out --out codes.npz
    """
    import numpy as np
    import torch

    from pyro_bvae.codes import encode

    opened = open_run(run, device, at)
    data = opened.dataset()
    index = {"all": torch.arange(len(data)), "train": data.train, "held-out": data.held_out}[split]
    codes = encode(opened.model, data.images[index])
    arrays: dict[str, Any] = {"loc": codes.loc.numpy(), "scale": codes.scale.numpy(), "index": index.numpy()}
    if data.labels is not None:
        arrays["labels"] = data.labels[index].numpy()
    if data.factors is not None:
        arrays["factors"] = data.factors[index].numpy()
    if data.factor_names is not None:
        arrays["factor_names"] = np.array(data.factor_names)
    file = out or run / "codes.npz"
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "wb") as opened_file:
        np.savez_compressed(opened_file, **arrays)
    click.echo(file)
