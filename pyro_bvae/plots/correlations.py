"""A table of rank correlations between scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from .bounds import DOTS_PER_INCH
from .labels import draws_plain_text, labels, say_below

__all__ = ["rank_correlations"]

LONGEST_NAME = 34  # characters
WHITE_ABOVE = 0.6  # |ρ| above which a number is white on its dark cell


@draws_plain_text
def rank_correlations(table: np.ndarray, names: Sequence[str], note: str = "") -> Figure:
    """Spearman's ρ of each two scores: blue where they agree on the order of runs, red where they contradict.

    Args:
        table: ``(C, C)``, from −1 to 1; NaN leaves a cell empty.
        names: The scores, C of them.
        note: What is to be said below.

    Source: Locatello et al., https://arxiv.org/abs/1811.12359, figure 2
    """
    side = 2.4 + 0.36 * len(names)
    figure = Figure(figsize=(side + 0.6, side), layout="constrained", dpi=DOTS_PER_INCH)
    panel = figure.subplots()
    picture = panel.imshow(table, cmap="RdBu", vmin=-1, vmax=1)
    for (row, column), value in np.ndenumerate(table):
        if not np.isnan(value):
            colour = "white" if abs(value) > WHITE_ABOVE else "black"
            panel.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=6, color=colour)
    short = labels(names, LONGEST_NAME)
    panel.set_xticks(range(len(short)), short, fontsize=7, rotation=45, ha="right", rotation_mode="anchor")
    panel.set_yticks(range(len(short)), short, fontsize=7)
    panel.tick_params(length=0)
    figure.colorbar(picture, ax=panel, shrink=0.6).ax.tick_params(labelsize=7)
    say_below(figure, note)
    return figure
