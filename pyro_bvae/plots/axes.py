"""Axes of figures along which a setting varies: numbers, on a logarithmic scale where they span decades, or names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter

from ..settings.words import number
from .labels import labels

__all__ = ["are_numbers", "colours", "draw_axis", "in_order", "name_columns", "option_title", "places", "said"]

TITLES = {"beta": "β", "beta_norm": "β_norm = βK/M", "latent_dim": "latents K", "lr": "learning rate"}
SPANS_DECADES = 30.0  # the largest value to the smallest, from which on their logarithms are spread evenly
LONGEST_NAME = 20  # characters
WIDTH, INCHES_A_LETTER = 4.4, 0.085  # of an axis in a figure of one panel, and of a name beside it
DISTINCT = 10  # colours that one tells from each other without an order


def option_title(name: str) -> str:
    """What an axis is called along which a setting varies."""
    return TITLES.get(name, name.replace("_", " "))


def are_numbers(values: Iterable[Any]) -> bool:
    """Whether all values are numbers."""
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def in_order(values: Iterable[Any]) -> list[Any]:
    """The values, each once: numbers from the smallest on, names as they come."""
    each = list(dict.fromkeys(values))
    return sorted(each) if are_numbers(each) else each


def said(values: Sequence[Any]) -> list[str]:
    """Values as they stand beside an axis."""
    texts = [number(value) if isinstance(value, float) else "none" if value is None else str(value) for value in values]
    return labels(texts, LONGEST_NAME)


def places(values: Sequence[Any]) -> list[float]:
    """Where values, in their order, lie along an axis: at themselves if they are numbers, and evenly spread if not."""
    return [float(value) for value in values] if are_numbers(values) else [*map(float, range(len(values)))]


def draw_axis(panel: Axes, name: str, values: Sequence[Any]) -> None:
    """Make the x axis of a panel one of a setting.

    Args:
        panel: What is drawn is there already, at `places`.
        name: Of the setting.
        values: In their order.
    """
    panel.set_xlabel(option_title(name))
    if not are_numbers(values):
        name_columns(panel, values, WIDTH / len(values))
        return
    positive = [value for value in values if value > 0]
    if min(values) >= 0 and len(positive) > 1 and max(positive) / min(positive) >= SPANS_DECADES:
        if len(positive) == len(values):
            panel.set_xscale("log")
        else:  # 0 is among them
            panel.set_xscale("symlog", linthresh=min(positive))
        panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))  # 10, not a power in TeX
        panel.xaxis.set_minor_formatter(NullFormatter())
    if len(values) <= DISTINCT:
        panel.set_xticks([float(value) for value in values], said(values))
        panel.minorticks_off()


def name_columns(panel: Axes, values: Sequence[Any], inches: float) -> None:
    """Write values below columns of a width, aslant where they would run into each other."""
    names = said(values)
    panel.set_xticks(range(len(values)), names, fontsize=8)
    if INCHES_A_LETTER * (max(map(len, names), default=0) + 1) > inches:
        for text in panel.get_xticklabels():
            text.set(rotation=30, ha="right", rotation_mode="anchor")


def colours(count: int) -> list[Any]:
    """A colour each: distinct ones for a few, those of a scale for many."""
    if count <= DISTINCT:
        return [f"C{number}" for number in range(count)]
    return [colormaps["viridis"](place / (count - 1)) for place in range(count)]
