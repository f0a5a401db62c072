"""What is printed of a comparison: its tables, and what has to be known before one reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pyro_bvae.settings.words import plain

from .formats import TableFormat, echo_table
from .tables import Table

if TYPE_CHECKING:
    from pyro_bvae.comparison import LabelSummary

__all__ = ["print_comparison"]


def print_comparison(
    summaries: Sequence[LabelSummary], target: float | None, out: Path, table_format: TableFormat = "text"
) -> None:
    """The tables of a comparison, one a data set, and what is to be said of them."""
    from pyro_bvae.comparison import LEAST_RATE, departure, table_of

    by_data: dict[str, list[LabelSummary]] = {}
    for summary in summaries:
        by_data.setdefault(summary.data, []).append(summary)
    say = partial(click.echo, err=table_format != "text")
    if len(by_data) > 1:
        say(f"{len(by_data)} different data, a table each: no number of one compares with one of another.")
    for data, group in by_data.items():
        echo_table(Table(*table_of(group)), table_format, f"data    {data}" if len(by_data) > 1 else "")
    if any(len({summary.nats for summary in group}) > 1 for group in by_data.values()):
        if any(summary.nats == "no probability" for summary in summaries):
            say("* cross-entropy of pixels: no log-probability, its nats compare with no other row's.")
        say("Nats of densities and of masses do not compare; bits/dim, MSE, SSIM and probe do.")
    falling = [summary.label for summary in summaries if summary.still_falling]
    if falling:
        say(f"still falling: the held-out loss of {', '.join(falling)}; train for longer before you rank them")
    if target is not None:
        _print_missed(summaries, target, say)
    median = departure(summaries)
    if median is not None:
        say(
            f"median |slope + β|/β of rates above {LEAST_RATE:g} nat, without the ends: {median:.2f}; "
            "at the optimum the slope is −β, but for the spacing of the βs"
        )
    seeds = max((summary.seeds for summary in summaries), default=1)
    what = "means ± standard deviations over seeds" if seeds > 1 else "one seed each"
    pictures = " and the PNGs beside it" if any(out.glob("*.png")) else ""
    say(f"{what}, held out; more in {plain(out / 'comparison.csv')}{pictures}")


def _print_missed(summaries: Sequence[LabelSummary], target: float, say: Callable[[str], None]) -> None:
    """Name the labels whose held-out rate is more than 2% from the target."""
    rates = {summary.label: summary.measures["rate"] for summary in summaries}
    missed = [label for label, rate in rates.items() if rate is not None and abs(rate.mean / target - 1) > 0.02]
    if missed:
        say(f"not within 2% of a rate of {target:g} nats on held-out data: {', '.join(missed)}; train for longer")
