"""How latents depend on ground-truth factors: heat maps, and responses of the mean code to each factor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..terms import ACTIVE_ABOVE
from .bounds import DOTS_PER_INCH, MOST_LATENTS, most_active, some_of
from .labels import FADED_GREY, draws_plain_text, labels, say_below

__all__ = ["heat_map", "responses"]

WHITE_ABOVE = 0.6  # share of a table's largest number above which a number is white on its dark cell
MOST_COLUMNS = 30  # factors in a heat map
MOST_ROWS, MOST_FACTORS = 20, 12  # latents and factors in responses, each pair a panel of its own
LONGEST_UPRIGHT, LONGEST_TITLE = 10, 18  # characters of a name that fits below its column, and above a panel
MOST_PLACES, MOST_VALUES = 64, 200  # values a side of a map, and along a curve; of more, neighbours are put together


@draws_plain_text
def heat_map(
    table: np.ndarray,
    names: Sequence[str],
    title: str,
    kl: Sequence[float] | None = None,
    units: Sequence[str] = (),
) -> Figure:
    """A table of latents by factors as a heat map, each cell with its number.

    Of many latents the 50 with the most KL are drawn, or the first, and of many factors the first 30.

    Args:
        table: ``(K, F)``, from 0 to 1; NaN leaves a cell empty.
        names: The factors, F of them.
        title: What the numbers are.
        kl: Mean KL of each latent in nats; inactive ones are grey.
        units: What the latents are called; by default z0, z1 and so on.
    """
    latents = sorted(_rows(len(table), kl, MOST_LATENTS))
    drawn, greatest = table[latents, :MOST_COLUMNS], max(1e-12, float(np.nanmax(table, initial=0.0)))
    factors = drawn.shape[1]
    size = (max(4.0, 1.8 + 0.75 * factors), 1.7 + 0.3 * len(latents))
    figure = Figure(figsize=size, layout="constrained", dpi=DOTS_PER_INCH)
    panel = figure.subplots()
    picture = panel.imshow(drawn, cmap="Blues", vmin=0, vmax=greatest, aspect="auto")
    for (row, factor), value in np.ndenumerate(drawn):
        colour = "white" if value > WHITE_ABOVE * greatest else "black"
        said = "" if np.isnan(value) else f"{value:.2f}"
        panel.text(factor, row, said, ha="center", va="center", fontsize=7, color=colour)
    _name_columns(panel, labels(names)[:factors])
    panel.set_yticks(range(len(latents)), [_unit(latent, units) for latent in latents], fontsize=8)
    for text, latent in zip(panel.get_yticklabels(), latents, strict=True):
        text.set_color(FADED_GREY if _is_inactive(kl, latent) else "black")
    panel.tick_params(length=0)
    panel.set_title(title, fontsize=8)
    figure.colorbar(picture, ax=panel).ax.tick_params(labelsize=7)
    say_below(figure, some_of(len(latents), len(table), "latents"), some_of(factors, len(names), "factors"))
    return figure


@draws_plain_text
def responses(
    codes: np.ndarray,
    factors: np.ndarray,
    names: Sequence[str],
    kl: Sequence[float] | None = None,
    units: Sequence[str] = (),
) -> Figure:
    """The mean code against each factor: one row a latent, one column a factor, a band of one standard deviation.

    A latent that follows one factor has a slope in that column and is flat in all others; the width of the band is the
    effect of the other factors. Where two factors are a position, called "posX" and "posY" or "x" and "y", a first
    column maps the mean code over both, as both papers do.

    Of many latents the 20 with the most KL are drawn, or the first, and of many factors the first 12. A factor of more
    than 200 values has as many groups of neighbouring ones.

    Args:
        codes: Posterior means ``(N, K)``.
        factors: Classes ``(N, F)``, numbered from 0.
        names: The factors, F of them.
        kl: Mean KL of each latent in nats, to sort the rows by; inactive ones are grey.
        units: What the latents are called; by default z0, z1 and so on.

    Source: Higgins et al., β-VAE, https://openreview.net/forum?id=Sy2fzU9gl, figure 7; Burgess et al., Understanding
    disentangling in β-VAE, https://arxiv.org/abs/1804.03599, figure 4
    """
    latents = _rows(codes.shape[1], kl, MOST_ROWS)
    position, titles = _position(names), labels(names, LONGEST_TITLE)[:MOST_FACTORS]
    widths = [0.6] * (position is not None) + [1.0] * len(titles)
    size = (1.0 + 1.5 * sum(widths), 0.7 + 0.85 * len(latents))
    figure = Figure(figsize=(max(4.0, size[0]), max(2.0, size[1])), layout="constrained", dpi=DOTS_PER_INCH)
    grid = figure.subplots(len(latents), len(widths), squeeze=False, sharex="col", width_ratios=widths)
    for row, latent in enumerate(latents):
        name = _unit(latent, units)
        grid[row, 0].set_ylabel(name if kl is None else f"{name}  {kl[latent]:.2f}", fontsize=7)
    caption = "mean code ± one deviation" + ("" if kl is None else "; KL in nats on the left")
    if position is not None:
        most = _draw_maps(grid[:, 0], codes[:, latents], factors[:, position])
        grid[0, 0].set_title(", ".join(labels([names[factor] for factor in position], LONGEST_UPRIGHT)), fontsize=8)
        caption += f"; maps from −{most:.1f}, blue, to {most:.1f}, red"
    colours = [FADED_GREY if _is_inactive(kl, latent) else "C0" for latent in latents]
    curves = grid[:, len(widths) - len(titles) :]
    for panels, name, column in zip(curves.T, titles, factors.T, strict=False):
        _draw_lines(panels, codes[:, latents], column, colours)
        panels[0].set_title(name, fontsize=8)
    _share_y(curves)
    left_out = (some_of(len(latents), codes.shape[1], "latents"), some_of(len(titles), len(names), "factors"))
    say_below(figure, f"value of the factor ({caption})", *left_out)
    return figure


def _unit(latent: int, units: Sequence[str]) -> str:
    return units[latent] if units else f"z{latent}"


def _rows(latents: int, kl: Sequence[float] | None, most: int) -> list[int]:
    """The latents that are drawn, by falling KL where it is known."""
    return list(range(min(latents, most))) if kl is None else most_active(kl, most)


def _name_columns(panel: Axes, names: Sequence[str]) -> None:
    """Write names below columns, aslant where they would run into each other."""
    panel.set_xticks(range(len(names)), names, fontsize=8)
    if max(map(len, names), default=0) > LONGEST_UPRIGHT:
        for text in panel.get_xticklabels():
            text.set(rotation=30, ha="right", rotation_mode="anchor")


def _position(names: Sequence[str]) -> list[int] | None:
    """The columns of the factors that are called x and y, or posX and posY."""
    plain = [name.lower().removeprefix("pos").strip("_ ") for name in names]
    return [plain.index("x"), plain.index("y")] if {"x", "y"} <= {*plain} else None


def _draw_maps(panels: np.ndarray, codes: np.ndarray, position: np.ndarray) -> float:
    """Draw the mean code of each latent at each position, x to the right and y down.

    Returns:
        The value of the strongest red.
    """
    position = np.stack([_grouped(column, MOST_PLACES) for column in position.T], axis=1)
    columns, rows = position.max(0) + 1
    place = position[:, 1] * columns + position[:, 0]
    counts = np.bincount(place, minlength=rows * columns)
    sums = [np.bincount(place, weights=code, minlength=rows * columns) for code in codes.T]
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan).reshape(-1, rows, columns)
    most = float(np.nanmax(np.abs(means)))
    for panel, mean in zip(panels, means, strict=True):
        panel.imshow(mean, cmap="RdBu_r", vmin=-most, vmax=most, aspect="auto")
        panel.tick_params(labelsize=6)
    return most


def _grouped(classes: np.ndarray, most: int) -> np.ndarray:
    """Classes numbered from 0, neighbouring ones put together so that there are at most ``most``."""
    values = int(classes.max()) + 1
    return classes if values <= most else classes * most // values


def _draw_lines(panels: np.ndarray, codes: np.ndarray, column: np.ndarray, colours: Sequence[str]) -> None:
    """Draw the mean code of each latent at each value of one factor, in a band of one standard deviation."""
    values, means, deviations = _moments(codes, column)
    for panel, colour, mean, deviation in zip(panels, colours, means.T, deviations.T, strict=True):
        panel.fill_between(values, mean - deviation, mean + deviation, color=colour, alpha=0.25, linewidth=0)
        panel.plot(values, mean, color=colour, marker="." if len(values) < 8 else "")
        panel.tick_params(labelsize=6)
        panel.xaxis.set_major_locator(MaxNLocator(4, integer=True))


def _share_y(panels: np.ndarray) -> None:
    """Give panels one range, and numbers on the left alone."""
    ends = np.array([panel.dataLim.intervaly for panel in panels.flat])
    low, high = ends.min(), ends.max()
    margin = 0.05 * (high - low) or 0.05
    for panel in panels.flat:
        panel.set_ylim(low - margin, high + margin)
    for panel in panels[:, 1:].flat:
        panel.tick_params(labelleft=False)


def _is_inactive(kl: Sequence[float] | None, latent: int) -> bool:
    return kl is not None and kl[latent] <= ACTIVE_ABOVE


def _moments(codes: np.ndarray, column: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The values of a factor, and the codes' mean and standard deviation at each, ``(V, K)``."""
    groups = _grouped(column, MOST_VALUES)
    present, firsts = np.unique(groups, return_index=True)
    members = [codes[groups == group] for group in present]
    return column[firsts], np.stack([group.mean(0) for group in members]), np.stack([group.std(0) for group in members])
