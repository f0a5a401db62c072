"""What several runs show side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ..datasets import pixels
from ..evaluation.rate_distortion import lower_hull
from ..traversal import Traversal
from .labels import label_latents
from .pictures import make_panels, show

__all__ = ["gallery", "rate_distortion", "side_by_side"]

TITLES = {"no probability": "cross-entropy of grey pixels"}


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
    """Distortion against rate, held out, nats an image: small dots are runs, large ones means over seeds.

    Runs of one curve share a colour, and the line is their lower convex hull, the achievable frontier; its corners say
    their β, where there is room. Nats of different kinds have panels of their own: their distortions do not compare.

    Args:
        points: Mappings with ``label``, ``nats``, ``rate`` and ``distortion``, and of a run on a curve ``curve`` and
            ``beta``; the labels of others are curves of their own.
    """
    kinds = list(dict.fromkeys(point["nats"] for point in points))
    figure = Figure(figsize=(5.2 * len(kinds), 4.2), layout="constrained", dpi=120)
    for panel, kind in zip(figure.subplots(1, len(kinds), squeeze=False).flat, kinds, strict=True):
        group = [point for point in points if point["nats"] == kind]
        curves: dict[str, list[Mapping[str, Any]]] = {}
        for point in group:
            curves.setdefault(point.get("curve") or point["label"], []).append(point)
        drawn = [_draw_curve(panel, *curve, f"C{number}") for number, curve in enumerate(curves.items())]
        _say_betas(panel, [corner for corners in drawn for corner in corners])
        panel.set(xlabel="rate, nats an image", ylabel="distortion, nats an image", title=TITLES.get(kind, kind))
        panel.locator_params(nbins=5)  # runs that lie close have long numbers
        panel.spines[["top", "right"]].set_visible(False)
        panel.legend(fontsize=7, frameon=False, handletextpad=0)
    return figure


@dataclass(frozen=True)
class _Corner:
    """A mean on the hull of its curve."""

    place: tuple[float, float]
    beta: float
    color: str


def _draw_curve(panel: Axes, name: str, runs: Sequence[Mapping[str, Any]], color: str) -> list[_Corner]:
    """The runs of a curve, their means over seeds, and the hull of these; its corners, where they have one β."""
    seeds: dict[float | None, list[tuple[float, float]]] = {}
    for run in runs:
        seeds.setdefault(run["beta"] if run.get("curve") else None, []).append((run["rate"], run["distortion"]))
    rates, distortions = np.transpose([np.mean(group, axis=0) for group in seeds.values()])
    hull = lower_hull(rates, distortions)
    panel.plot(rates[hull], distortions[hull], color=color, linewidth=1)
    panel.scatter([run["rate"] for run in runs], [run["distortion"] for run in runs], s=6, color=color, alpha=0.5, lw=0)
    panel.scatter(rates, distortions, s=22, color=color, lw=0, label=name, zorder=3)
    betas = list(seeds)
    found = [(corner, betas[corner]) for corner in hull]
    return [_Corner((rates[corner], distortions[corner]), beta, color) for corner, beta in found if beta is not None]


def _say_betas(panel: Axes, corners: Sequence[_Corner]) -> None:
    """Write β beside the corners, but for those that lie too near to another."""
    room = np.array([0.1 * np.ptp(panel.get_xlim()), 0.06 * np.ptp(panel.get_ylim())])
    said: list[tuple[float, float]] = []
    for corner in corners:
        if all((np.abs(np.subtract(corner.place, other)) > room).any() for other in said):
            text = f"β {corner.beta:g}"
            panel.annotate(text, corner.place, (4, 3), textcoords="offset points", fontsize=7, color=corner.color)
            said.append(corner.place)


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
