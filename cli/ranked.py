"""The order of runs that ``score --rank`` prints, and how scores correlate over runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from pyro_bvae.settings.words import plain

from .formats import TableFormat, echo_table
from .tables import Table

if TYPE_CHECKING:
    from pyro_bvae.scoring import RankCorrelations, RankedRun

__all__ = ["echo_correlations", "echo_ranking", "rank_option"]

rank_option = click.option(
    "--rank",
    "is_ranked",
    is_flag=True,
    help="Print the runs from the one that other seeds agree with most (UDR), and rank correlations of scores.",
)


def echo_ranking(ranked: Sequence[RankedRun], worth: str, table_format: TableFormat) -> None:
    """Print the runs in their order, and what the order is worth."""
    rows = [
        [
            plain(one.run),
            _said(one.udr, "{:.4f}"),
            _said(one.active_units, "{:d}"),
            *(f"{value:.2f}" for value in (one.rate, one.distortion, one.elbo)),
        ]
        for one in ranked
    ]
    titles = ["", "udr", "active units", "rate", "distortion", "ELBO"]
    echo_table(Table(titles, rows), table_format, "runs, from the one that other seeds agree with most")
    click.echo(f"  {worth}", err=table_format != "text")


def echo_correlations(correlations: RankCorrelations, table_format: TableFormat) -> None:
    """Print a table of rank correlations, and which of them chance may give."""
    rows = [
        [name, *(f"{value:.2f}" for value in row)]
        for name, row in zip(correlations.columns, correlations.table, strict=True)
    ]
    heading = f"rank correlations of scores over {correlations.runs} runs"
    echo_table(Table(["", *correlations.columns], rows), table_format, heading)
    click.echo(f"  {correlations.note}", err=table_format != "text")


def _said(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)
