"""A block of a traversal: the datum that it starts from, its reconstruction, and the sweep of each latent in a row."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from matplotlib.axes import Axes
from torch import Tensor

from ..datasets import pixels
from ..traversal import Traversal
from .labels import label_latents
from .pictures import show

__all__ = ["columns_of", "draw_block"]


def columns_of(sweep: Traversal) -> int:
    """How many pictures stand in a row of a block."""
    return len(_front(sweep)) + len(sweep.values)


def draw_block(panel: Axes, sweep: Traversal, start: int, texts: Sequence[str]) -> None:
    """Draw one start of a traversal of images: x, x̂ and the values above the columns, the latents beside the rows.

    Args:
        panel: Where to draw.
        sweep: The traversal.
        start: Which of its starts.
        texts: The label of each row, see `labels.row_labels`.
    """
    front = _front(sweep)
    fixed = torch.stack([images[start] for images in front.values()])[None].expand(len(sweep.latents), -1, -1, -1, -1)
    show(panel, torch.cat([fixed, sweep.images[start]], dim=1))
    panel.axvline(len(front) - 0.5, color="black", linewidth=1)
    panel.set_xticks(range(columns_of(sweep)), [*front, *map(_said, sweep.values.tolist())])
    label_latents(panel, sweep, texts)


def _front(sweep: Traversal) -> dict[str, Tensor]:
    """What stands before the sweeps, by its head."""
    originals = sweep.base.originals
    if originals is None:
        return {"start": sweep.reconstructions}
    return {"x": pixels(originals), "x̂": sweep.reconstructions}


def _said(value: float) -> str:
    """A value of a sweep; the middle of a range of float32 may be all but 0."""
    return f"{round(value, 6) + 0.0:.3g}"
