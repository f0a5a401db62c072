"""What latents know about ground-truth factors: heat maps, and responses of the mean code to each factor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..terms import ACTIVE_ABOVE
from .labels import FADED

__all__ = ["heat_map", "responses"]


def heat_map(table: np.ndarray, names: Sequence[str], title: str, kl: Sequence[float] | None = None) -> Figure:
    """A table of latents by factors, one cell each, with its number.

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
        colour = "white" if value > 0.6 * table.max() else "black"
        panel.text(factor, latent, f"{value:.2f}", ha="center", va="center", fontsize=7, color=colour)
    panel.set_xticks(range(factors), names, fontsize=8)
    panel.set_yticks(range(latents), [f"z{latent}" for latent in range(latents)], fontsize=8)
    for text, latent in zip(panel.get_yticklabels(), range(latents), strict=True):
        text.set_color(FADED if _is_inactive(kl, latent) else "black")
    panel.tick_params(length=0)
    panel.set_title(title, fontsize=8)
    figure.colorbar(picture, ax=panel).ax.tick_params(labelsize=7)
    return figure


def responses(
    codes: np.ndarray, factors: np.ndarray, names: Sequence[str], kl: Sequence[float] | None = None
) -> Figure:
    """The mean code against each factor: one row a latent, one column a factor, a band of one standard deviation.

    A latent that follows one factor is a slope in that column and flat in all others; a wide band is all that the other
    factors do to it.

    Args:
        codes: Posterior means ``(N, K)``.
        factors: Classes ``(N, F)``, numbered from 0.
        names: The factors, F of them.
        kl: Mean KL of each latent in nats, to sort the rows by; inactive ones are grey.

    Source: Burgess et al., Understanding disentangling in β-VAE, https://arxiv.org/abs/1804.03599, figure 4
    """
    latents = range(codes.shape[1]) if kl is None else sorted(range(codes.shape[1]), key=lambda latent: -kl[latent])
    size = (1.0 + 1.5 * len(names), 0.5 + 0.85 * len(latents))
    figure = Figure(figsize=size, layout="constrained", dpi=120)
    grid = figure.subplots(len(latents), len(names), squeeze=False, sharey=True, sharex="col")
    for column, name in enumerate(names):
        values, means, deviations = _moments(codes, factors[:, column])
        for row, latent in enumerate(latents):
            colour = FADED if _is_inactive(kl, latent) else "C0"
            low, high = means[:, latent] - deviations[:, latent], means[:, latent] + deviations[:, latent]
            panel = grid[row, column]
            panel.fill_between(values, low, high, color=colour, alpha=0.25, linewidth=0)
            panel.plot(values, means[:, latent], color=colour, marker="." if len(values) < 8 else "")
            panel.tick_params(labelsize=6)
            panel.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        grid[0, column].set_title(name, fontsize=8)
    for row, latent in enumerate(latents):
        said = f"z{latent}" if kl is None else f"z{latent}  {kl[latent]:.2f}"
        grid[row, 0].set_ylabel(said, fontsize=7)
    figure.supxlabel("value of the factor (mean code ± one deviation; KL in nats on the left)", fontsize=7)
    return figure


def _is_inactive(kl: Sequence[float] | None, latent: int) -> bool:
    return kl is not None and kl[latent] <= ACTIVE_ABOVE


def _moments(codes: np.ndarray, column: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The values of a factor, and the codes' mean and standard deviation at each, ``(V, K)``."""
    values = np.unique(column)
    groups = [codes[column == value] for value in values]
    return values, np.stack([group.mean(0) for group in groups]), np.stack([group.std(0) for group in groups])
