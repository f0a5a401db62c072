"""Figures of vectors: curves, scatters and covariances of their features."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

import torch
from matplotlib.figure import Figure
from torch import Tensor

from ..codes import Codes
from ..traversal import Traversal
from .labels import FADED_GREY, is_active, label

__all__ = ["covariances", "latents", "pairs", "vector_traversal"]

MOST_FEATURES = 5  # in a pair plot
MOST_POINTS = 1000  # of each set in a scatter
ALIKE_WITHIN = 10.0  # the largest ratio of deviations that one scale can show


def vector_traversal(sweep: Traversal) -> Figure:
    """One panel a latent: the mean of each feature against the latent's value, around the first base."""
    across = min(5, len(sweep.latents))
    down = ceil(len(sweep.latents) / across)
    figure = Figure(figsize=(max(2.6 * across, 4), 2.2 * down), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False, sharey=True).flat
    for row, panel in enumerate(panels):
        if row >= len(sweep.latents):
            panel.set_axis_off()
            continue
        features, lines = sweep.images.shape[-1], sweep.images[0, row]
        if sweep.units is not None:
            lines = (lines - sweep.units[0]) / sweep.units[1]
        panel.plot(sweep.values.numpy(), lines.numpy(), label=[f"x{i}" for i in range(features)])
        if row == 0 and features <= 12:
            panel.legend(fontsize=6, ncols=2)
        panel.set_title(label(sweep, row, "  "), fontsize=8, color="black" if is_active(sweep, row) else FADED_GREY)
    figure.supxlabel("value of the latent (KL in nats above)", fontsize=8)
    unit = "" if sweep.units is None else ", in deviations of the data"
    figure.supylabel(f"mean of each feature{unit}", fontsize=8)
    return figure


def pairs(sets: Mapping[str, Tensor]) -> Figure:
    """Scatters of each pair of the first five features, with their histograms on the diagonal.

    Args:
        sets: For each label vectors ``(N, D)``; the first set is drawn grey, behind the others.
    """
    features = min(MOST_FEATURES, next(iter(sets.values())).shape[1])
    side = 1.6 * features + 0.6
    figure = Figure(figsize=(side, side), layout="constrained")
    panels = figure.subplots(features, features, squeeze=False, sharex="col")
    for number, (name, vectors) in enumerate(sets.items()):
        color, points = FADED_GREY if number == 0 else f"C{number - 1}", vectors[:MOST_POINTS].numpy()
        for i in range(features):
            panels[i, i].hist(points[:, i], bins=30, density=True, histtype="step", color=color, label=name)
            for j in range(i):
                panels[i, j].scatter(points[:, j], points[:, i], s=2, color=color, linewidths=0, alpha=0.6)
                panels[j, i].set_axis_off()
    for i in range(features):
        panels[i, 0].set_ylabel(f"x{i}" if i else "")
        panels[-1, i].set_xlabel(f"x{i}")
        panels[i, i].set_yticks([])
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="upper right")
    return figure


def covariances(sets: Mapping[str, Tensor]) -> Figure:
    """The covariance of the features of each set, on one scale, with its largest difference from that of the first.

    Where features have units of their own, they are in deviations of the first set.

    Args:
        sets: For each label vectors ``(N, D)``; the covariance of one vector is 0.
    """
    matrices = {
        name: torch.cov(vectors.T, correction=min(1, len(vectors) - 1)).reshape(vectors.shape[1], -1)
        for name, vectors in sets.items()
    }
    deviations = _deviations(next(iter(matrices.values())))
    if deviations is not None:
        matrices = {name: matrix / deviations / deviations[:, None] for name, matrix in matrices.items()}
    first = next(iter(matrices.values()))
    limit = max(float(matrix.abs().max()) for matrix in matrices.values())
    figure = Figure(figsize=(3.2 * len(sets) + 0.6, 3.4), layout="constrained")
    panels = list(figure.subplots(1, len(sets), squeeze=False).flat)
    for panel, (name, matrix) in zip(panels, matrices.items(), strict=True):
        shown = panel.imshow(matrix.numpy(), cmap="RdBu_r", vmin=-limit, vmax=limit)
        off = "" if matrix is first else f", off by at most {float((matrix - first).abs().max()):.2f}"
        panel.set_title(f"{name}{off}", fontsize=9)
    unit = "" if deviations is None else ", in deviations of the data"
    figure.colorbar(shown, ax=panels, label=f"covariance{unit}")
    return figure


def _deviations(covariance: Tensor) -> Tensor | None:
    """The deviation of each feature, 1 where it is 0; None where all are of a similar size."""
    deviations = covariance.diagonal().sqrt()
    varied = deviations[deviations > 0]
    if len(varied) == 0 or varied.max() <= ALIKE_WITHIN * varied.min():
        return None
    return torch.where(deviations > 0, deviations, 1.0)


def latents(codes: Codes) -> Figure:
    """A scatter of the two latents whose posterior means vary most; a few posteriors have their standard deviations."""
    order = codes.loc.var(0, correction=0).argsort(descending=True)[:2].tolist()
    first, second = order[0], order[-1]
    points, few = codes.loc[:MOST_POINTS], slice(0, 20)
    figure = Figure(figsize=(4.4, 4.2), layout="constrained")
    panel = figure.subplots()
    panel.scatter(points[:, first], points[:, second], s=3, color=FADED_GREY, label="posterior means")
    panel.errorbar(
        points[few, first], points[few, second], codes.scale[few, second], codes.scale[few, first],
        fmt=".", linewidth=0.8, label="± one standard deviation",
    )  # fmt: skip
    panel.set(xlabel=f"z{first}", ylabel=f"z{second}", aspect="equal")
    panel.legend(fontsize=7)
    return figure
