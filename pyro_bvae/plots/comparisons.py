"""Figures of several runs side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ..datasets import pixels
from ..evaluation.rate_distortion import lower_hull
from ..traversal import Traversal
from .blocks import columns_of, draw_block
from .bounds import DOTS_PER_INCH, MOST_LABELS, most_pictures, part_of, some_of
from .labels import draws_plain_text, labels, row_labels, say_below
from .pictures import make_panels, show

__all__ = ["Point", "gallery", "rate_distortion", "side_by_side"]

LONGEST_LABEL = 40  # characters
TITLES = {"no probability": "cross-entropy of grey pixels"}


@dataclass(frozen=True)
class Point:
    """A run in the rate–distortion plane.

    Attributes:
        label: The name that runs of other seeds share.
        nats: The kind of nats, see `evaluation.Evaluation`.
        rate: R, nats an image.
        distortion: D, nats an image.
        beta: The β of the training, where the run lies on a curve.
        curve: The curve's name; by default runs of one label are a curve of their own.
    """

    label: str
    nats: str
    rate: float
    distortion: float
    beta: float | None = None
    curve: str | None = None


@draws_plain_text
def gallery(originals: Tensor, rows: Mapping[str, tuple[Tensor, Tensor]]) -> Figure:
    """Originals on top, and below them for each choice a row with its reconstructions of these and its samples.

    Of many choices the first 30 are drawn.

    Args:
        originals: Images ``(N, C, H, W)``.
        rows: For each label reconstructions ``(N, C, H, W)`` and samples ``(M, C, H, W)``.
    """
    originals = pixels(originals)
    made = list(rows.values())[:MOST_LABELS]
    blank = torch.ones_like(made[0][1])
    lines = [torch.cat([originals, blank])] + [torch.cat(pair) for pair in made]
    grid = torch.stack(lines)  # (choices + 1, N + M, C, H, W)
    names = labels(["originals", *rows], LONGEST_LABEL)[: len(grid)]
    figure, (panel,) = make_panels(1, len(grid), grid.shape[1], grid.shape[-2:], names=names)
    show(panel, grid)
    panel.axvline(len(originals) - 0.5, color="black", linewidth=1)
    panel.set_yticks(range(len(grid)), names)
    middles = [len(originals) / 2 - 0.5, len(originals) + len(blank) / 2 - 0.5]
    panel.set_xticks(middles, ["originals and reconstructions", "samples"])
    say_below(figure, some_of(len(made), len(rows), "choices"))
    return figure


@draws_plain_text
def rate_distortion(points: Sequence[Point]) -> Figure:
    """Distortion against rate, held out, nats a datum: small dots are runs, large ones means over seeds.

    Runs of one curve share a colour, and the line is their lower convex hull, the achievable frontier. β stands beside
    the corners of the hull, where there is room. Nats of different kinds have panels of their own, for their
    distortions do not compare. Runs whose terms are not finite have no place.

    Args:
        points: One a run.
    """
    there, points = len(points), [point for point in points if isfinite(point.rate) and isfinite(point.distortion)]
    kinds = list(dict.fromkeys(point.nats for point in points)) or ["no run has a place here"]
    figure = Figure(figsize=(5.2 * len(kinds), 4.2), layout="constrained", dpi=DOTS_PER_INCH)
    for panel, kind in zip(figure.subplots(1, len(kinds), squeeze=False).flat, kinds, strict=True):
        curves: dict[str, list[Point]] = {}
        for point in points:
            if point.nats == kind:
                curves.setdefault(point.curve or point.label, []).append(point)
        names = labels([*curves], LONGEST_LABEL)
        drawn = [
            _draw_curve(panel, name, runs, f"C{number}")
            for number, (name, runs) in enumerate(zip(names, curves.values(), strict=True))
        ]
        _write_betas(panel, [corner for corners in drawn for corner in corners])
        panel.set(xlabel="rate, nats a datum", ylabel="distortion, nats a datum", title=TITLES.get(kind, kind))
        panel.locator_params(nbins=5)  # runs that lie close have long numbers
        panel.spines[["top", "right"]].set_visible(False)
        if curves:
            handles, texts = (some[:MOST_LABELS] for some in panel.get_legend_handles_labels())
            panel.legend(handles, texts, fontsize=7, frameon=False, handletextpad=0)
    say_below(figure, some_of(len(points), there, "runs, those whose terms are finite"))
    return figure


@dataclass(frozen=True)
class _Corner:
    """A mean on the hull of its curve."""

    place: tuple[float, float]
    beta: float
    color: str


def _draw_curve(panel: Axes, name: str, runs: Sequence[Point], color: str) -> list[_Corner]:
    """Draw the runs of a curve, their means over seeds, and the hull of the means.

    Returns:
        The corners of the hull; none where runs of different β are averaged because they lie on no curve.
    """
    seeds: dict[float | None, list[tuple[float, float]]] = {}
    for run in runs:
        seeds.setdefault(run.beta if run.curve else None, []).append((run.rate, run.distortion))
    rates, distortions = np.transpose([np.mean(group, axis=0) for group in seeds.values()])
    hull = lower_hull(rates, distortions)
    panel.plot(rates[hull], distortions[hull], color=color, linewidth=1)
    panel.scatter([run.rate for run in runs], [run.distortion for run in runs], s=6, color=color, alpha=0.5, lw=0)
    panel.scatter(rates, distortions, s=22, color=color, lw=0, label=name, zorder=3)
    betas = list(seeds)
    corners = [(corner, betas[corner]) for corner in hull]
    return [_Corner((rates[corner], distortions[corner]), beta, color) for corner, beta in corners if beta is not None]


def _write_betas(panel: Axes, corners: Sequence[_Corner]) -> None:
    """Write β beside the corners, but not where another β stands too near."""
    room = np.array([0.1 * np.ptp(panel.get_xlim()), 0.06 * np.ptp(panel.get_ylim())])
    labelled: list[tuple[float, float]] = []
    for corner in corners:
        if all((np.abs(np.subtract(corner.place, other)) > room).any() for other in labelled):
            text = f"β {corner.beta:g}"
            panel.annotate(text, corner.place, (4, 3), textcoords="offset points", fontsize=7, color=corner.color)
            labelled.append(corner.place)


@draws_plain_text
def side_by_side(sweeps: Mapping[str, Traversal]) -> Figure:
    """The traversals of several choices around the same first datum, a panel each; as many as there is room for.

    Each panel begins with the datum and its reconstruction by that choice.
    """
    parts = [part_of(sweep) for sweep in sweeps.values()]
    rows, columns = max(len(part.latents) for part, _ in parts), max(columns_of(part) for part, _ in parts)
    sides = parts[0][0].images.shape[-2:]
    most = min(MOST_LABELS, max(1, most_pictures(sides) // (rows * columns)))
    names = labels([*sweeps], LONGEST_LABEL)[:most]
    texts = [row_labels(part) for part, _ in parts[:most]]
    figure, panels = make_panels(len(names), rows, columns, sides, names=[text for some in texts for text in some])
    for panel, name, (sweep, left_out), beside in zip(panels, names, parts, texts, strict=False):
        draw_block(panel, sweep, 0, beside)
        panel.set_title(f"{name}  ({left_out})" if left_out else name, fontsize=9)
    say_below(figure, some_of(len(names), len(sweeps), "choices"))
    return figure
