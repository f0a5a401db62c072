"""A column of a comparison as a curve over the setting that varies, with the deviations over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from statistics import mean, stdev
from typing import Any

from matplotlib.figure import Figure

from .axes import are_numbers, draw_axis, in_order, places
from .bounds import DOTS_PER_INCH, some_of
from .labels import draws_plain_text, labels, say_below

__all__ = ["column_curve"]

LONGEST_TITLE = 40  # characters


@draws_plain_text
def column_curve(runs: Sequence[tuple[Any, float]], setting: str, title: str) -> Figure:
    """A column against the setting that varies: small dots are runs, large ones means over seeds, with deviations.

    Numbers that span decades have a logarithmic axis; names stand beside each other in their order.

    Args:
        runs: The value of the setting and the number in the column, one pair a run. Those that are not finite have no
            place.
        setting: Its name.
        title: What the numbers are.
    """
    figure = Figure(figsize=(5.2, 4.2), layout="constrained", dpi=DOTS_PER_INCH)
    panel = figure.subplots()
    values = in_order(value for value, _ in runs)
    across = dict(zip(values, places(values), strict=True))
    groups: dict[Any, list[float]] = {value: [] for value in values}
    for value, number in runs:
        if isfinite(number):
            groups[value].append(number)
    groups = {value: numbers for value, numbers in groups.items() if numbers}
    means = [mean(numbers) for numbers in groups.values()]
    deviations = [stdev(numbers) if len(numbers) > 1 else 0.0 for numbers in groups.values()]
    centres = [across[value] for value in groups]
    if any(len(numbers) > 1 for numbers in groups.values()):
        for value, numbers in groups.items():
            panel.scatter([across[value]] * len(numbers), numbers, s=10, color="C0", alpha=0.5, lw=0)
        panel.errorbar(centres, means, deviations, color="C0", fmt="none", capsize=3, linewidth=1)
    panel.plot(centres, means, color="C0", marker="o", markersize=4.5, linewidth=1.0 if are_numbers(values) else 0.0)
    panel.set_ylabel(labels([title], LONGEST_TITLE)[0])
    panel.spines[["top", "right"]].set_visible(False)
    panel.margins(x=0.08)
    if values:
        draw_axis(panel, setting, values)
    there = sum(map(len, groups.values()))
    what = "means ± standard deviations over seeds" if any(deviations) else ""
    say_below(figure, what, some_of(there, len(runs), "runs, those whose numbers are finite"))
    return figure
