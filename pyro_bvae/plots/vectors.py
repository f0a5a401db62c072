"""Vectors, which are no pictures: curves and scatters of their features."""

from __future__ import annotations

from math import ceil

from matplotlib.figure import Figure
from torch import Tensor

from ..traversal import Traversal
from .labels import FADED, is_active, label

__all__ = ["vector_reconstructions", "vector_samples", "vector_traversal"]


def vector_traversal(sweep: Traversal) -> Figure:
    """One panel a latent: the mean of each feature against the latent's value, around the first base."""
    across = min(5, len(sweep.latents))
    down = ceil(len(sweep.latents) / across)
    figure = Figure(figsize=(2.6 * across, 2.2 * down), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False, sharey=True).flat
    for row, panel in enumerate(panels):
        if row >= len(sweep.latents):
            panel.set_axis_off()
            continue
        features = sweep.images.shape[-1]
        panel.plot(sweep.values.numpy(), sweep.images[0, row].numpy(), label=[f"x{i}" for i in range(features)])
        if row == 0 and features <= 12:
            panel.legend(fontsize=6, ncols=2)
        panel.set_title(label(sweep, row, "  "), fontsize=8, color="black" if is_active(sweep, row) else FADED)
    figure.supxlabel("value of the latent (KL in nats above)", fontsize=8)
    figure.supylabel("mean of each feature", fontsize=8)
    return figure


def vector_reconstructions(originals: Tensor, images: Tensor) -> Figure:
    """All features of vectors against those of their reconstructions."""
    figure = Figure(figsize=(4, 4), layout="constrained")
    panel = figure.subplots()
    panel.scatter(originals.flatten().numpy(), images.flatten().numpy(), s=4)
    ends = [originals.min().item(), originals.max().item()]
    panel.plot(ends, ends, color=FADED, linewidth=1)
    panel.set(xlabel="data", ylabel="reconstruction", title="all features")
    return figure


def vector_samples(images: Tensor, data: Tensor | None) -> Figure:
    """Scatters of the first features against each other, at most three."""
    features = min(3, images.shape[1])
    pairs = [(i, j) for i in range(features) for j in range(i + 1, features)] or [(0, 0)]
    figure = Figure(figsize=(3.4 * len(pairs), 3.2), layout="constrained")
    for panel, (i, j) in zip(figure.subplots(1, len(pairs), squeeze=False).flat, pairs, strict=True):
        if data is not None:
            panel.scatter(*data[:, [i, j]].T.numpy(), s=4, color=FADED, label="data")
        panel.scatter(*images[:, [i, j]].T.numpy(), s=4, label="samples")
        panel.set(xlabel=f"feature {i}", ylabel=f"feature {j}")
        panel.legend()
    return figure
