"""Figures of vectors: curves, scatters and covariances of their features."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ..codes import Codes
from ..traversal import Traversal
from .bounds import (
    MOST_COVARIANCES,
    MOST_LINES,
    MOST_PAIRED,
    MOST_POINTS,
    part_of,
    some_of,
)
from .labels import FADED_GREY, draws_plain_text, is_active, label, labels, say_below

__all__ = ["covariances", "latents", "pairs", "vector_traversal"]

ALIKE_WITHIN = 10.0  # the largest ratio of deviations that one scale can show


def vector_traversal(sweep: Traversal) -> Figure:
    """One panel a latent: the mean of each feature against the latent's value, around the first base.

    Of many features those 12 are drawn that move most, over all latents.
    """
    sweep, left_out = part_of(sweep)
    curves = sweep.images[0] if sweep.units is None else (sweep.images[0] - sweep.units[0]) / sweep.units[1]
    moves = (curves.amax(1) - curves.amin(1)).nan_to_num().amax(0)  # (L, V, D) to (D,)
    features = moves.argsort(descending=True, stable=True)[:MOST_LINES].sort().values
    across = min(5, len(sweep.latents))
    down = ceil(len(sweep.latents) / across)
    figure = Figure(figsize=(max(2.6 * across, 4), 2.2 * down + 0.3), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False, sharey=True).flat
    for row, panel in enumerate(panels):
        if row >= len(sweep.latents):
            panel.set_axis_off()
            continue
        lines = curves[row][:, features]
        panel.plot(sweep.values.numpy(), lines.numpy(), label=[f"x{feature}" for feature in features.tolist()])
        if row == 0:
            panel.legend(fontsize=6, ncols=2)
        panel.set_title(label(sweep, row, "  "), fontsize=8, color="black" if is_active(sweep, row) else FADED_GREY)
    chosen = some_of(len(features), len(moves), "features, those that move most")
    say_below(figure, "value of the latent (KL in nats above)", left_out, chosen)
    figure.supylabel("mean of each feature" if sweep.units is None else "means, in deviations", fontsize=8)
    return figure


@draws_plain_text
def pairs(sets: Mapping[str, Tensor]) -> Figure:
    """Scatters of each pair of the first five features, with their histograms on the diagonal.

    Args:
        sets: For each label vectors ``(N, D)``, of which 1,000 are drawn, without those that are not finite; the first
            set is drawn grey. Points of all sets lie over each other in turn, so that none hides the others.
    """
    first = next(iter(sets.values()))
    features = min(MOST_PAIRED, first.shape[1])
    side = 1.6 * features + 0.6
    figure = Figure(figsize=(max(side, 3.4), side + 0.2), layout="constrained")
    panels = figure.subplots(features, features, squeeze=False, sharex="col")
    colors = [FADED_GREY, *(f"C{number}" for number in range(len(sets) - 1))]
    points = [_finite(vectors[:MOST_POINTS, :features]) for vectors in sets.values()]
    color_of = np.repeat(colors, [len(some) for some in points])
    mixed, together = np.random.default_rng(0).permutation(len(color_of)), torch.cat(points)
    for i in range(features):
        for color, name, some in zip(colors, labels([*sets]), points, strict=True):
            _draw_histogram(panels[i, i], some[:, i], color, name)
        for j in range(i):
            panels[i, j].scatter(together[mixed, j], together[mixed, i], s=2, c=color_of[mixed], linewidths=0)
            panels[i, j].tick_params(labelleft=j == 0)  # a row has one feature, and so one range
            panels[j, i].set_axis_off()
        panels[i, 0].set_ylabel(f"x{i}" if i else "")
        panels[-1, i].set_xlabel(f"x{i}")
        panels[i, i].set_yticks([])
    figure.legend(
        *panels[0, 0].get_legend_handles_labels(), loc="upper right" if features > 1 else "outside upper center"
    )
    counted = some_of(MOST_POINTS, max(map(len, sets.values())), "points")
    say_below(figure, some_of(features, first.shape[1], "features"), counted)
    return figure


def _finite(vectors: Tensor) -> Tensor:
    """Vectors without those that hold NaN or an infinity; in float64, for a histogram of large floats has fine bins."""
    return vectors[vectors.isfinite().all(1)].double()


def _draw_histogram(panel: Axes, values: Tensor, color: str, name: str) -> None:
    """Draw the density of values, and a line where all are equal."""
    if len(values) and values.min() < values.max():
        panel.hist(values.numpy(), bins=30, density=True, histtype="step", color=color, label=name)
    else:
        panel.plot(values[:1].repeat(2), [0.0, 1.0][: 2 * len(values[:1])], color=color, label=name)


@draws_plain_text
def covariances(sets: Mapping[str, Tensor]) -> Figure:
    """The covariance of the features of each set, on one scale, with its largest difference from that of the first.

    Of many features the first 100 are taken. Where they have units of their own, they are in deviations of the first
    set.

    Args:
        sets: For each label vectors ``(N, D)``; the covariance of one vector is 0.
    """
    matrices = [_covariance(vectors[:, :MOST_COVARIANCES]) for vectors in sets.values()]
    deviations = _deviations(matrices[0])
    if deviations is not None:
        matrices = [matrix / deviations / deviations[:, None] for matrix in matrices]
    first, there = matrices[0], next(iter(sets.values())).shape[1]
    limit = max(float(matrix.abs().max()) for matrix in matrices) or 1.0
    figure = Figure(figsize=(3.2 * len(sets) + 0.6, 3.6), layout="constrained")
    panels = list(figure.subplots(1, len(sets), squeeze=False).flat)
    for panel, name, matrix in zip(panels, labels([*sets]), matrices, strict=True):
        shown = panel.imshow(matrix.numpy(), cmap="RdBu_r", vmin=-limit, vmax=limit)
        off = "" if matrix is first else f", off by at most {float((matrix - first).abs().max()):.2g}"
        panel.set_title(f"{name}{off}", fontsize=9)
        panel.locator_params(integer=True)
    unit = "" if deviations is None else ", in deviations of the data"
    figure.colorbar(shown, ax=panels, label=f"covariance{unit}")
    say_below(figure, some_of(len(first), there, "features"))
    return figure


def _deviations(covariance: Tensor) -> Tensor | None:
    """The deviation of each feature, 1 where it is 0; None where all are of a similar size."""
    deviations = covariance.diagonal().sqrt()
    varied = deviations[deviations > 0]
    if len(varied) == 0 or varied.max() <= ALIKE_WITHIN * varied.min():
        return None
    return torch.where(deviations > 0, deviations, 1.0)


def _covariance(vectors: Tensor) -> Tensor:
    """The covariance of vectors ``(N, D)``, ``(D, D)``; 0 for a single one."""
    vectors = _finite(vectors)
    centred = vectors - vectors.mean(0) if len(vectors) else vectors
    return centred.T @ centred / max(1, len(vectors) - 1)


@draws_plain_text
def latents(codes: Codes) -> Figure:
    """A scatter of the two latents whose posterior means vary most; a few posteriors have their standard deviations.

    A code of one latent has a histogram of its posterior means.
    """
    figure = Figure(figsize=(4.4, 4.2), layout="constrained")
    panel = figure.subplots()
    if codes.loc.shape[1] == 1:
        _draw_histogram(panel, _finite(codes.loc)[:, 0], FADED_GREY, "posterior means")
        panel.set(xlabel="z0", ylabel="density")
    else:
        _draw_two(panel, codes)
        say_below(figure, some_of(MOST_POINTS, len(codes.loc), "points"))
    panel.legend(fontsize=7)
    return figure


def _draw_two(panel: Axes, codes: Codes) -> None:
    """Draw the two latents that vary most."""
    first, second = codes.loc.var(0, correction=0).argsort(descending=True)[:2].tolist()
    points, few = codes.loc[:MOST_POINTS], slice(0, 20)
    panel.scatter(points[:, first], points[:, second], s=3, color=FADED_GREY, label="posterior means")
    panel.errorbar(
        points[few, first], points[few, second], codes.scale[few, second], codes.scale[few, first],
        fmt=".", linewidth=0.8, label="± one standard deviation",
    )  # fmt: skip
    panel.set(xlabel=f"z{first}", ylabel=f"z{second}", aspect="equal")
