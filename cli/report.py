"""``pyro-bvae report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pyro_bvae.settings.words import plain

from .kinds import RunPath
from .options import data_options, device_option, programs_given
from .output import Stem
from .progress import LONGEST_SILENCE, Counter
from .settings import given_once

if TYPE_CHECKING:
    from pyro_bvae import Run

__all__ = ["command", "report_at_the_end"]


@click.command("report")
@click.argument("runs", nargs=-1, required=True, type=RunPath())
@click.option("--out", type=Stem(".html"), help="The file.  [default: report.html in RUN, or beside several]")
@click.option(
    "--weights-limit",
    type=click.FloatRange(0, 1e6),
    metavar="MB",
    help="Of network weights in the page, all runs together; beyond it encoders are left out, then sweeps take the "
    "place of decoders.  [default: 16, and 5 for a comparison]",
)
@data_options
@device_option
def command(
    runs: tuple[Path, ...],
    out: Path | None,
    weights_limit: float | None,
    dataset: str | None,
    data_root: Path | None,
    device: str,
) -> None:
    """Write RUNS, or a comparison's folder, as one HTML file that opens from disk, offline.

    It holds what was fitted and how, the curves, the numbers with their meaning, the figures, the command that repeats
    it, and sliders that are alive: encoder and decoder run in the page.

    \b
    Examples:
        pyro-bvae report runs/digits-beta6-seed0
        pyro-bvae report runs/digits-beta6-seed0 runs/mnist-beta6-seed0 --out lab-report.html
        pyro-bvae report runs/betas
    """
    from contextlib import closing

    import pyro_bvae
    from pyro_bvae.training import resolve_device

    with closing(Counter(LONGEST_SILENCE)) as counter:
        file = pyro_bvae.report(
            given_once("run", runs),
            None if out is None else out.with_name(f"{out.name}.html"),
            weights_limit=weights_limit,
            device=str(resolve_device(device)),
            dataset=dataset,
            data_root=data_root,
            **programs_given(),
            progress=counter,
        )
    click.echo(f"{plain(file)} ({file.stat().st_size / 1e6:.1f} MB)")


def report_at_the_end(run: Run | Path, silent: bool, **place: Any) -> None:
    """Write the report of a fit or a comparison that has ended; what is wrong with it ends nothing.

    Args:
        run: The run, or the folder of the comparison.
        silent: Whether standard output is for JSON.
        place: Where the data lie now: `dataset` and `data_root`.
    """
    import pyro_bvae
    from pyro_bvae.plots import optional

    with optional("report.html"):
        file = pyro_bvae.report(run, **place)
        click.echo(f"report  {plain(file)}", err=silent)
