"""Pictures of data under each class: classes against data, or data against classes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from matplotlib.figure import Figure

from ..datasets import pixels
from ..traversal import ClassSweep
from . import vectors
from .bounds import MOST_LATENTS, MOST_STARTS, most_pictures, some_of
from .labels import draws_plain_text, labels, say_below
from .pictures import make_panels, show

__all__ = ["classes"]


@draws_plain_text
def classes(sweep: ClassSweep, styles: bool = False, held: Sequence[str] = ()) -> Figure:
    """One row a class, one column a datum, below the datum itself; of vectors, the pairs of features of each class.

    Args:
        sweep: What to draw.
        styles: Whether rows are data and columns classes, in which each row has one style.
        held: What other sites are held at, such as "c = 0.5", to stand below.
    """
    if sweep.images.dim() == 3:
        under = zip(_heads(sweep), sweep.images.unbind(1), strict=True)
        return vectors.pairs({"base": sweep.reconstructions, **dict(under)})
    data, there = _bounded(sweep)
    heads = _heads(sweep)[: there - 1]
    front = "start" if sweep.base.originals is None else "x"
    first = sweep.reconstructions if sweep.base.originals is None else pixels(sweep.base.originals)
    grid = torch.cat([first[:data, None], sweep.images[:data, : there - 1]], 1)  # (N, 1 + C, channels, H, W)
    names = [front, *heads]
    grid = grid if styles else grid.transpose(0, 1)
    sides = grid.shape[-2:]
    figure, (panel,) = make_panels(1, grid.shape[0], grid.shape[1], sides, names=[] if styles else names)
    show(panel, grid)
    line = panel.axvline if styles else panel.axhline
    line(0.5, color="black", linewidth=1)
    panel.set_xticks(range(len(names)), names) if styles else panel.set_xticks([])
    panel.set_yticks([]) if styles else panel.set_yticks(range(len(names)), names)
    said = [some_of(data, len(sweep.images), "data"), some_of(there - 1, len(sweep.names), "classes")]
    (site,) = labels([sweep.site])
    say_below(figure, f"{'columns' if styles else 'rows'}: classes of {site}", *held, *said)
    return figure


def _heads(sweep: ClassSweep) -> list[str]:
    return labels(sweep.names)


def _bounded(sweep: ClassSweep) -> tuple[int, int]:
    """How many data are drawn, and how many pictures of each."""
    most = most_pictures(sweep.images.shape[-2:])
    each = min(1 + sweep.images.shape[1], 1 + MOST_LATENTS, most)
    return max(1, min(len(sweep.images), MOST_STARTS, most // each)), each
