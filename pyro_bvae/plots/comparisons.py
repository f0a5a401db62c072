"""What several runs show side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from ..datasets import pixels
from ..traversal import Traversal
from .labels import label_latents
from .pictures import make_panels, show

__all__ = ["gallery", "rate_distortion", "side_by_side"]


def gallery(originals: Tensor, rows: Mapping[str, tuple[Tensor, Tensor]]) -> Figure:
    """One row a choice: reconstructions of the originals above it all, then samples.

    Args:
        originals: Images ``(N, C, H, W)``.
        rows: For each label reconstructions ``(N, C, H, W)`` and samples ``(M, C, H, W)``.
    """
    originals = pixels(originals)
    made = list(rows.values())
    blank = torch.ones_like(made[0][1])
    lines = [torch.cat([originals, blank])] + [torch.cat(pair) for pair in made]
    grid = torch.stack(lines)  # (choices + 1, N + M, C, H, W)
    figure, (panel,) = make_panels(1, len(grid), grid.shape[1], grid.shape[-2:])
    show(panel, grid)
    panel.axvline(len(originals) - 0.5, color="black", linewidth=1)
    panel.set_yticks(range(len(grid)), ["originals", *rows])
    middles = [len(originals) / 2 - 0.5, len(originals) + len(blank) / 2 - 0.5]
    panel.set_xticks(middles, ["originals and reconstructions", "samples"])
    return figure


def rate_distortion(points: Sequence[Mapping[str, Any]]) -> Figure:
    """Distortion against rate, held out, nats an image, one point a run.

    Nats of different kinds have panels of their own: their distortions do not compare.

    Args:
        points: Mappings with ``label``, ``nats``, ``rate`` and ``distortion``.
    """
    kinds = list(dict.fromkeys(point["nats"] for point in points))
    figure = Figure(figsize=(4.6 * len(kinds), 3.8), layout="constrained")
    for panel, kind in zip(figure.subplots(1, len(kinds), squeeze=False).flat, kinds, strict=True):
        group = [point for point in points if point["nats"] == kind]
        for label in dict.fromkeys(point["label"] for point in group):
            runs = [point for point in group if point["label"] == label]
            panel.scatter([run["rate"] for run in runs], [run["distortion"] for run in runs], s=16, label=label)
        panel.set(xlabel="rate", ylabel="distortion", title=kind)
        panel.locator_params(nbins=5)  # runs that lie close have long numbers
        panel.legend(fontsize=7)
    return figure


def side_by_side(sweeps: Mapping[str, Traversal]) -> Figure:
    """The traversals of several choices around the same first image, one panel each."""
    first = next(iter(sweeps.values()))
    figure, panels = make_panels(len(sweeps), len(first.latents), len(first.values), first.images.shape[-2:])
    for panel, (name, sweep) in zip(panels, sweeps.items(), strict=True):
        show(panel, sweep.images[0])
        panel.set_title(name, fontsize=9)
        panel.set_xticks([])
        label_latents(panel, sweep)
    return figure
