"""Figures of one run: traversals, reconstructions, samples and curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from matplotlib.animation import FuncAnimation
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from PIL import Image
from torch import Tensor

from ..datasets import pixels
from ..files import atomic_write
from ..traversal import Traversal
from . import vectors
from .blocks import columns_of, draw_block
from .bounds import MOST_MOVING, MOST_POINTS, most_active, most_pictures, part_of, pictures_note, some_of, spread
from .labels import draws_plain_text, label, row_labels, say_below
from .pictures import make_panels, optional, show, tile, whole_rows

__all__ = ["animation", "curves", "film", "reconstructions", "samples", "traversal"]

MOST_FRAMES = 200  # of a film


@draws_plain_text
def traversal(sweep: Traversal, notes: Sequence[str] = (), held: Sequence[str] = ()) -> Figure:
    """One row a latent, one column a value, after the original and its reconstruction; one block a base code.

    Beside each row stands the KL of its latent in nats. Latents with a KL of at most 0.01 nats are grey and marked as
    inactive. Vectors, which are no pictures, have one panel a latent: the mean of each feature against its value.

    Args:
        sweep: The traversal to draw.
        notes: A note for the label of each row, for example the factor that its latent follows.
        held: What other sites are held at, such as "y = 3", to stand below.
    """
    if sweep.images.dim() == 4:
        return vectors.vector_traversal(sweep)
    sweep, left_out = part_of(sweep)
    texts = row_labels(sweep, notes[: len(sweep.latents)])
    rows, columns = len(sweep.latents), columns_of(sweep)
    figure, panels = make_panels(len(sweep.images), rows, columns, sweep.images.shape[-2:], names=texts)
    for block, panel in enumerate(panels):
        draw_block(panel, sweep, block, texts)
    say_below(figure, *held, left_out)
    return figure


@draws_plain_text
def animation(sweep: Traversal) -> FuncAnimation:
    """A traversal as an animation over the values and back: one column a latent, one row a base code.

    Args:
        sweep: The traversal to draw. Save the result with ``.save("sweep.gif", writer="pillow")``.

    Raises:
        ValueError: The data are vectors, which have no picture.
    """
    if sweep.images.dim() == 4:
        raise ValueError("vectors have no picture to animate")
    sweep, left_out = part_of(sweep, MOST_MOVING)
    order = [*range(len(sweep.values)), *range(len(sweep.values) - 2, 0, -1)]
    figure, (panel,) = make_panels(1, len(sweep.images), len(sweep.latents), sweep.images.shape[-2:], enlarged=1.8)
    picture = show(panel, sweep.images[:, :, 0])
    labels = [label(sweep, row, "\n") for row in range(len(sweep.latents))]
    panel.set_xticks(range(len(sweep.latents)), labels)
    panel.set_yticks([])

    def draw(frame: int) -> list[AxesImage]:
        picture.set_data(tile(sweep.images[:, :, order[frame]]))
        value = f"value {sweep.values[order[frame]].item():+.2f}"
        panel.set_xlabel(f"{value}; {left_out}" if left_out else value)
        return [picture]

    return FuncAnimation(figure, draw, frames=len(order), interval=100)


def film(frames: Sequence[Path], file: Path) -> None:
    """Write picture files as one GIF, in their order; the last one stays for two seconds.

    A frame that cannot be read is left out, with a warning that names it. Of many frames 200 are taken, evenly spread.

    Raises:
        ValueError: None of them can be read.
    """
    pictures = []
    for frame in (frames[number] for number in spread(len(frames), MOST_FRAMES)):
        with optional(frame), Image.open(frame) as opened:
            pictures.append(opened.convert("RGB"))
    if not pictures:
        raise ValueError("there is no frame that can be read")
    same = [picture.resize(pictures[-1].size) for picture in pictures]
    durations = [200] * (len(same) - 1) + [2000]
    with atomic_write(file) as partial:
        same[0].save(partial, save_all=True, append_images=same[1:], duration=durations, loop=0)


@draws_plain_text
def reconstructions(originals: Tensor, images: Tensor, columns: int = 10) -> Figure:
    """Originals above their reconstructions; for vectors, both in pairs of features.

    Args:
        originals: Data ``(N, *shape)``, uint8 or float.
        images: Their reconstructions.
        columns: Pictures a row.
    """
    if images.dim() == 2:
        return vectors.pairs({"data": pixels(originals), "reconstructions": images})
    there, most = len(images), most_pictures(images.shape[-2:]) // 2
    originals, images = pixels(originals[:most]), images[:most]
    columns = min(columns, len(images))
    originals, images = whole_rows(originals, columns), whole_rows(images, columns)
    blocks = len(images) // columns
    pairs = torch.stack([originals.unflatten(0, (blocks, columns)),
                         images.unflatten(0, (blocks, columns))], dim=1)  # fmt: skip
    names = ["x", "x̂"] * blocks
    figure, (panel,) = make_panels(1, len(names), columns, images.shape[-2:], names=names)
    show(panel, pairs.flatten(0, 1))
    panel.set_xticks([])
    panel.set_yticks(range(len(names)), names)
    say_below(figure, pictures_note(images.shape[1:], there, "images", each=2))
    return figure


@draws_plain_text
def samples(images: Tensor, data: Tensor | None = None, columns: int = 10) -> Figure:
    """Draws in a grid; for vectors, scatters of pairs of features.

    Args:
        images: Draws ``(N, *shape)``.
        data: For vectors, data to draw behind the draws, in grey.
        columns: Pictures a row.
    """
    if images.dim() == 2:
        return vectors.pairs({"samples": images} if data is None else {"data": data, "samples": images})
    there, most = len(images), most_pictures(images.shape[-2:])
    images = images[:most]
    columns = min(columns, len(images))
    images = whole_rows(images, columns)
    rows = len(images) // columns
    figure, (panel,) = make_panels(1, rows, columns, images.shape[-2:])
    show(panel, images.unflatten(0, (rows, columns)))
    panel.set_xticks([])
    panel.set_yticks([])
    say_below(figure, pictures_note(images.shape[1:], there, "samples"))
    return figure


@draws_plain_text
def curves(history: Sequence[Mapping[str, Any]], units: Sequence[str] = ()) -> Figure:
    """Loss, distortion, rate and the KL of each latent against the step, training and held-out, nats a datum.

    Of a long history 1,000 lines are drawn, evenly spread, and of many latents the 50 that end with the most KL.

    Args:
        history: The lines of a run's history.
        units: What each KL is of, such as ``y``; by default z0, z1 and so on.
    """
    figure = Figure(figsize=(14, 3.2), layout="constrained")
    panels = figure.subplots(1, 4)
    lines = [history[number] for number in spread(len(history), MOST_POINTS)]
    steps = [record["step"] for record in lines]
    marker = "." if len(steps) < 10 else None
    for panel, name in zip(panels, ("loss", "distortion", "rate"), strict=False):
        panel.plot(steps, [record[name] for record in lines], label="training", marker=marker)
        if name != "loss":
            held_out = [record[f"held_out_{name}"] for record in lines]
            panel.plot(steps, held_out, label="held out", marker=marker)
            panel.legend()
        panel.set(title=name, xlabel="step", ylabel="nats a datum")
    panels[3].set(title="KL of each latent, held out", xlabel="step", ylabel="nats a datum")
    left_out = ""
    if lines and lines[-1]["held_out_kl_per_latent"] is not None:
        kl = [record["held_out_kl_per_latent"] for record in lines]
        left_out = _draw_kl(panels[3], steps, kl, marker, units)
    say_below(figure, some_of(len(lines), len(history), "lines of the history"), left_out)
    return figure


def _draw_kl(
    panel: Axes, steps: Sequence[int], kl: Sequence[Sequence[float]], marker: str | None, units: Sequence[str]
) -> str:
    """Draw the KL of each latent against the step; returns what was left out."""
    latents = sorted(most_active(kl[-1]))
    panel.plot(steps, [[line[latent] for latent in latents] for line in kl], marker=marker,
               label=[units[latent] if units else f"z{latent}" for latent in latents])  # fmt: skip
    if len(latents) <= 12:
        panel.legend(fontsize=6, loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return some_of(len(latents), len(kl[-1]), "latents")
