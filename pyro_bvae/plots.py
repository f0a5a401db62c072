"""Tensors to matplotlib figures.

Pixels are shown as they are: grey between 0 and 1, or RGB. Vectors, which are no pictures, are drawn as curves and
scatters. Figures are made without pyplot, so that no global state is touched and nothing pops up: save them with
``figure.savefig``, or name them at the end of a notebook cell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

import numpy as np
import torch
from matplotlib.animation import FuncAnimation
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from torch import Tensor
from torch.nn.functional import pad

from .datasets import pixels
from .terms import ACTIVE_ABOVE
from .traversal import Traversal

__all__ = ["animation", "curves", "reconstructions", "samples", "traversal"]

CELL = 0.5  # inches a picture is wide
FADED = "0.6"


def traversal(sweep: Traversal) -> Figure:
    """One row a latent with its KL in nats, one column a value, original and reconstruction in front; one block a base.

    Latents with a KL of at most 0.01 nats are inactive: grey, and marked so.
    """
    if sweep.images.dim() == 4:
        return _vector_traversal(sweep)
    originals = sweep.base.originals
    front = [sweep.reconstructions] if originals is None else [pixels(originals), sweep.reconstructions]
    heads = ["start"] if originals is None else ["x", "x̂"]
    rows, columns = len(sweep.latents), len(front) + len(sweep.values)
    figure, panels = _panels(len(sweep.images), rows, columns, sweep.images.shape[-2:])
    for block, panel in enumerate(panels):
        fixed = torch.stack([images[block] for images in front])[None].expand(rows, -1, -1, -1, -1)
        _show(panel, torch.cat([fixed, sweep.images[block]], dim=1))
        panel.axvline(len(front) - 0.5, color="black", linewidth=1)
        panel.set_xticks(range(columns), heads + [f"{value:.3g}" for value in sweep.values.tolist()])
        _label_latents(panel, sweep)
    return figure


def animation(sweep: Traversal) -> FuncAnimation:
    """The same sweep in time: one column a latent, one row a base, all values forth and back. Save it as a GIF.

    Raises:
        ValueError: The data are vectors, which have no picture.
    """
    if sweep.images.dim() == 4:
        raise ValueError("vectors have no picture to animate")
    order = [*range(len(sweep.values)), *range(len(sweep.values) - 2, 0, -1)]
    figure, (panel,) = _panels(1, len(sweep.images), len(sweep.latents), sweep.images.shape[-2:], width=0.9)
    picture = _show(panel, sweep.images[:, :, 0])
    labels = [_label(sweep, row, "\n") for row in range(len(sweep.latents))]
    panel.set_xticks(range(len(sweep.latents)), labels)
    panel.set_yticks([])

    def draw(frame: int) -> list[AxesImage]:
        picture.set_data(_tile(sweep.images[:, :, order[frame]]))
        panel.set_xlabel(f"value {sweep.values[order[frame]].item():+.2f}")
        return [picture]

    return FuncAnimation(figure, draw, frames=len(order), interval=100)


def reconstructions(originals: Tensor, images: Tensor, columns: int = 10) -> Figure:
    """Originals ``(N, *shape)`` above their reconstructions; for vectors, one against the other."""
    originals = pixels(originals)
    if images.dim() == 2:
        return _vector_reconstructions(originals, images)
    columns = min(columns, len(images))
    originals, images = _whole_rows(originals, columns), _whole_rows(images, columns)
    blocks = len(images) // columns
    pairs = torch.stack([originals.unflatten(0, (blocks, columns)),
                         images.unflatten(0, (blocks, columns))], dim=1)  # fmt: skip
    figure, (panel,) = _panels(1, 2 * blocks, columns, images.shape[-2:])
    _show(panel, pairs.flatten(0, 1))
    panel.set_xticks([])
    panel.set_yticks(range(2 * blocks), ["x", "x̂"] * blocks)
    return figure


def samples(images: Tensor, data: Tensor | None = None, columns: int = 10) -> Figure:
    """Draws ``(N, *shape)`` in a grid; for vectors, pairs of features, over ``data`` where given."""
    if images.dim() == 2:
        return _vector_samples(images, data)
    columns = min(columns, len(images))
    images = _whole_rows(images, columns)
    rows = len(images) // columns
    figure, (panel,) = _panels(1, rows, columns, images.shape[-2:])
    _show(panel, images.unflatten(0, (rows, columns)))
    panel.set_xticks([])
    panel.set_yticks([])
    return figure


def curves(history: Sequence[Mapping[str, Any]]) -> Figure:
    """Loss, distortion, rate and the KL of each latent against the step, training and held-out, nats an image."""
    figure = Figure(figsize=(14, 3.2), layout="constrained")
    panels = figure.subplots(1, 4)
    steps = [record["step"] for record in history]
    marker = "." if len(steps) < 10 else None
    for panel, name in zip(panels, ("loss", "distortion", "rate"), strict=False):
        panel.plot(steps, [record[name] for record in history], label="training", marker=marker)
        if name != "loss":
            held_out = [record[f"held_out_{name}"] for record in history]
            panel.plot(steps, held_out, label="held out", marker=marker)
            panel.legend()
        panel.set(title=name, xlabel="step", ylabel="nats an image")
    panels[3].set(title="KL of each latent, held out", xlabel="step", ylabel="nats an image")
    if history and history[-1]["held_out_kl_per_latent"] is not None:
        kl = [record["held_out_kl_per_latent"] for record in history]
        panels[3].plot(steps, kl, marker=marker, label=[f"z{latent}" for latent in range(len(kl[0]))])
        if len(kl[0]) <= 12:
            panels[3].legend(fontsize=6, ncols=2)
    return figure


def _panels(
    blocks: int, rows: int, columns: int, sides: Sequence[int], width: float = CELL
) -> tuple[Figure, list[Axes]]:
    """A figure of ``blocks`` panels, each sized for a grid of pictures with ``sides`` (height, width)."""
    across = ceil(blocks**0.5)
    down = ceil(blocks / across)
    height = width * sides[0] / sides[1]
    size = (across * (columns * width + 1.4), down * (rows * height + 0.6))
    figure = Figure(figsize=size, layout="constrained", dpi=120)
    FigureCanvasAgg(figure)
    panels = list(figure.subplots(down, across, squeeze=False).flat)
    for panel in panels[blocks:]:
        panel.set_axis_off()
    return figure, panels[:blocks]


def _whole_rows(images: Tensor, columns: int) -> Tensor:
    """The pictures, with white ones behind them that fill the last row."""
    missing = -len(images) % columns
    return torch.cat([images, images.new_ones(missing, *images.shape[1:])])


def _show(panel: Axes, grid: Tensor) -> AxesImage:
    """Show pictures ``(R, C, channels, H, W)`` with the centre of each at its column and row."""
    rows, columns, _, height, width = grid.shape
    extent = (-0.5, columns - 0.5, rows - 0.5, -0.5)
    picture = panel.imshow(_tile(grid), extent=extent, aspect=height / width, cmap="gray", vmin=0, vmax=1)
    panel.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False, labelsize=7)
    panel.set_frame_on(False)
    return picture


def _tile(grid: Tensor) -> np.ndarray:
    """Pictures ``(R, C, channels, H, W)`` as one, with a white line around each: ``(h, w)`` grey or ``(h, w, 3)``."""
    channels = grid.shape[2]
    grid = grid if channels in (1, 3) else grid.mean(2, keepdim=True)
    framed = pad(grid.clamp(0, 1), (1, 1, 1, 1), value=1.0)
    whole = framed.permute(0, 3, 1, 4, 2).flatten(0, 1).flatten(1, 2)  # (R·H, C·W, channels)
    return whole.squeeze(-1).numpy()


def _label(sweep: Traversal, row: int, separator: str) -> str:
    name = f"z{sweep.latents[row]}"
    if sweep.kl is None:
        return name
    digits = 2 if sweep.kl[row] >= 0.1 else 3
    return f"{name}{separator}{sweep.kl[row]:.{digits}f}" + ("" if _is_active(sweep, row) else f"{separator}inactive")


def _is_active(sweep: Traversal, row: int) -> bool:
    return sweep.kl is None or sweep.kl[row] > ACTIVE_ABOVE


def _label_latents(panel: Axes, sweep: Traversal) -> None:
    rows = range(len(sweep.latents))
    panel.set_yticks(rows, [_label(sweep, row, "  ") for row in rows])
    for row, text in zip(rows, panel.get_yticklabels(), strict=True):
        text.set_color("black" if _is_active(sweep, row) else FADED)
    if sweep.kl is not None:
        panel.set_ylabel("latent, KL in nats", fontsize=7)


def _vector_traversal(sweep: Traversal) -> Figure:
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
        panel.set_title(_label(sweep, row, "  "), fontsize=8, color="black" if _is_active(sweep, row) else FADED)
    figure.supxlabel("value of the latent (KL in nats above)", fontsize=8)
    figure.supylabel("mean of each feature", fontsize=8)
    return figure


def _vector_reconstructions(originals: Tensor, images: Tensor) -> Figure:
    figure = Figure(figsize=(4, 4), layout="constrained")
    panel = figure.subplots()
    panel.scatter(originals.flatten().numpy(), images.flatten().numpy(), s=4)
    ends = [originals.min().item(), originals.max().item()]
    panel.plot(ends, ends, color=FADED, linewidth=1)
    panel.set(xlabel="data", ylabel="reconstruction", title="all features")
    return figure


def _vector_samples(images: Tensor, data: Tensor | None) -> Figure:
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
