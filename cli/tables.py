"""The table of a comparison, as it is printed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pyro_bvae.settings.shown import short_names
from pyro_bvae.settings.words import plain

if TYPE_CHECKING:
    from pyro_bvae.comparison import LabelSummary, MeanDeviation

__all__ = ["print_comparison"]

COLUMNS = {
    "elbo": "ELBO",
    "distortion": "distortion",
    "rate": "rate",
    "bits_per_dim": "bits/dim",
    "mse": "MSE",
    "ssim": "SSIM",
    "probe_accuracy": "probe",
    "active_units": "active",
    "coverage_90": "in 90%",
    "beta": "β",
    "slope": "slope dD/dR",
}
LONGEST_LABEL = 60  # characters of a label in the table
DIGITS = {"bits_per_dim": 3, "mse": 4, "ssim": 3, "probe_accuracy": 3, "coverage_90": 3, "beta": 3, "slope": 3}


def print_comparison(summaries: Sequence[LabelSummary], target: float | None, out: Path) -> None:
    """The tables of a comparison, one a data set, and what is to be said of them."""
    from pyro_bvae.comparison import LEAST_RATE, departure

    by_data: dict[str, list[LabelSummary]] = {}
    for summary in summaries:
        by_data.setdefault(summary.data, []).append(summary)
    if len(by_data) > 1:
        click.echo(f"{len(by_data)} different data, a table each: no number of one compares with one of another.")
    for data, group in by_data.items():
        if len(by_data) > 1:
            click.echo(f"data    {data}")
        _print_table(group)
    if any(len({summary.nats for summary in group}) > 1 for group in by_data.values()):
        if any(summary.nats == "no probability" for summary in summaries):
            click.echo("* cross-entropy of pixels: no log-probability, its nats compare with no other row's.")
        click.echo("Nats of densities and of masses do not compare; bits/dim, MSE, SSIM and probe do.")
    falling = [summary.label for summary in summaries if summary.still_falling]
    if falling:
        click.echo(f"still falling: the held-out loss of {', '.join(falling)}; train for longer before you rank them")
    if target is not None:
        _print_missed(summaries, target)
    median = departure(summaries)
    if median is not None:
        click.echo(
            f"median |slope + β|/β of rates above {LEAST_RATE:g} nat, without the ends: {median:.2f}; "
            "at the optimum the slope is −β, but for the spacing of the βs"
        )
    seeds = max((summary.seeds for summary in summaries), default=1)
    what = "means ± standard deviations over seeds" if seeds > 1 else "one seed each"
    pictures = " and the PNGs beside it" if any(out.glob("*.png")) else ""
    click.echo(f"{what}, held out; more in {plain(out / 'comparison.csv')}{pictures}")


def _print_table(summaries: Sequence[LabelSummary]) -> None:
    """One line a label; columns of which no label has a number are left out."""
    scores = list(summaries[0].scores) if summaries else []
    rows = [summary.as_dict() for summary in summaries]
    titles = COLUMNS | {name: name for name in scores}
    titles = {name: title for name, title in titles.items() if any(row[name] is not None for row in rows)}
    digits = dict.fromkeys(titles, 2) | dict.fromkeys(scores, 3) | DIGITS
    labels = short_names([summary.label for summary in summaries], LONGEST_LABEL)
    width = max(map(len, labels), default=6) + 2
    click.echo(" " * width + "".join(f"{title:>{_width(title)}}" for title in titles.values()))
    is_mixed = len({row["nats"] for row in rows}) > 1
    for label, row in zip(labels, rows, strict=True):
        mark = "*" if is_mixed and row["nats"] == "no probability" else ""
        cells = (f"{_cell(row[name], digits[name]):>{_width(title)}}" for name, title in titles.items())
        click.echo(f"{label + mark:<{width}}" + "".join(cells))


def _print_missed(summaries: Sequence[LabelSummary], target: float) -> None:
    """Name the labels whose held-out rate is more than 2% from the target."""
    rates = {summary.label: summary.measures["rate"] for summary in summaries}
    missed = [label for label, rate in rates.items() if rate is not None and abs(rate.mean / target - 1) > 0.02]
    if missed:
        click.echo(
            f"not within 2% of a rate of {target:g} nats on held-out data: {', '.join(missed)}; train for longer"
        )


def _width(title: str) -> int:
    return max(17, len(title) + 2)


def _cell(value: MeanDeviation | float | None, digits: int) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.{digits}f}"
    mean = f"{value.mean:.{digits}f}"
    return mean if value.deviation is None else f"{mean} ± {value.deviation:.{digits}f}"
