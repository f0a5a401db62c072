"""How latents depend on ground-truth factors: heat maps, and responses of the mean code to each factor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..terms import ACTIVE_ABOVE
from .labels import FADED_GREY

__all__ = ["heat_map", "responses"]

WHITE_ABOVE = 0.6  # share of a table's largest number above which a number is white on its dark cell


def heat_map(table: np.ndarray, names: Sequence[str], title: str, kl: Sequence[float] | None = None) -> Figure:
    """A table of latents by factors as a heat map, each cell with its number.

    Args:
        table: ``(K, F)``, from 0 to 1.
        names: The factors, F of them.
        title: What the numbers are.
        kl: Mean KL of each latent in nats; inactive ones are grey.
    """
    latents, factors = table.shape
    figure = Figure(figsize=(1.8 + 0.75 * factors, 1.2 + 0.3 * latents), layout="constrained", dpi=120)
    panel = figure.subplots()
    picture = panel.imshow(table, cmap="Blues", vmin=0, vmax=max(1e-12, table.max()), aspect="auto")
    for (latent, factor), value in np.ndenumerate(table):
        colour = "white" if value > WHITE_ABOVE * table.max() else "black"
        panel.text(factor, latent, f"{value:.2f}", ha="center", va="center", fontsize=7, color=colour)
    panel.set_xticks(range(factors), names, fontsize=8)
    panel.set_yticks(range(latents), [f"z{latent}" for latent in range(latents)], fontsize=8)
    for text, latent in zip(panel.get_yticklabels(), range(latents), strict=True):
        text.set_color(FADED_GREY if _is_inactive(kl, latent) else "black")
    panel.tick_params(length=0)
    panel.set_title(title, fontsize=8)
    figure.colorbar(picture, ax=panel).ax.tick_params(labelsize=7)
    return figure


def responses(
    codes: np.ndarray, factors: np.ndarray, names: Sequence[str], kl: Sequence[float] | None = None
) -> Figure:
    """The mean code against each factor: one row a latent, one column a factor, a band of one standard deviation.

    A latent that follows one factor has a slope in that column and is flat in all others; the width of the band is the
    effect of the other factors. Where two factors are a position, called "posX" and "posY" or "x" and "y", a first
    column maps the mean code over both, as both papers do.

    Args:
        codes: Posterior means ``(N, K)``.
        factors: Classes ``(N, F)``, numbered from 0.
        names: The factors, F of them.
        kl: Mean KL of each latent in nats, to sort the rows by; inactive ones are grey.

    Source: Higgins et al., β-VAE, https://openreview.net/forum?id=Sy2fzU9gl, figure 7; Burgess et al., Understanding
    disentangling in β-VAE, https://arxiv.org/abs/1804.03599, figure 4
    """
    latents = range(codes.shape[1]) if kl is None else sorted(range(codes.shape[1]), key=lambda latent: -kl[latent])
    position = _position(names)
    widths = [0.6] * (position is not None) + [1.0] * len(names)
    figure = Figure(figsize=(1.0 + 1.5 * sum(widths), 0.5 + 0.85 * len(latents)), layout="constrained", dpi=120)
    grid = figure.subplots(len(latents), len(widths), squeeze=False, sharex="col", width_ratios=widths)
    for row, latent in enumerate(latents):
        grid[row, 0].set_ylabel(f"z{latent}" if kl is None else f"z{latent}  {kl[latent]:.2f}", fontsize=7)
    caption = "mean code ± one deviation; KL in nats on the left"
    if position is not None:
        most = _draw_maps(grid[:, 0], codes[:, latents], factors[:, position])
        grid[0, 0].set_title(", ".join(names[factor] for factor in position), fontsize=8)
        caption += f"; maps from −{most:.1f}, blue, to {most:.1f}, red"
    colours = [FADED_GREY if _is_inactive(kl, latent) else "C0" for latent in latents]
    for panels, name, column in zip(grid.T[-len(names) :], names, factors.T, strict=True):
        _draw_lines(panels, codes[:, latents], column, colours)
        panels[0].set_title(name, fontsize=8)
    _share_y(grid[:, -len(names) :])
    figure.supxlabel(f"value of the factor ({caption})", fontsize=7)
    return figure


def _position(names: Sequence[str]) -> list[int] | None:
    """The columns of the factors that are called x and y, or posX and posY."""
    plain = [name.lower().removeprefix("pos").strip("_ ") for name in names]
    return [plain.index("x"), plain.index("y")] if {"x", "y"} <= {*plain} else None


def _draw_maps(panels: np.ndarray, codes: np.ndarray, position: np.ndarray) -> float:
    """Draw the mean code of each latent at each position, x to the right and y down.

    Returns:
        The value of the strongest red.
    """
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
    limits = [limit for panel in panels.flat for limit in panel.get_ylim()]
    for panel in panels.flat:
        panel.set_ylim(min(limits), max(limits))
    for panel in panels[:, 1:].flat:
        panel.tick_params(labelleft=False)


def _is_inactive(kl: Sequence[float] | None, latent: int) -> bool:
    return kl is not None and kl[latent] <= ACTIVE_ABOVE


def _moments(codes: np.ndarray, column: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The values of a factor, and the codes' mean and standard deviation at each, ``(V, K)``."""
    values = np.unique(column)
    groups = [codes[column == value] for value in values]
    return values, np.stack([group.mean(0) for group in groups]), np.stack([group.std(0) for group in groups])
