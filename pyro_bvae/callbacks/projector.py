"""The codes of held-out data for TensorBoard's embedding projector: points, what is known of them, and thumbnails.

    projector_config.pbtxt    names the others
    codes.tsv                 a code a line: the posterior mean
    metadata.tsv              labels, factors, and the number among the held-out data
    sprite.png                small pictures in a square grid, row by row

All are replaced whole, so that those of an earlier step give way.

Source: https://www.tensorflow.org/tensorboard/tensorboard_projector_plugin
"""

from __future__ import annotations

from math import ceil
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate, pad

from ..codes import encode
from ..datasets import Dataset, pixels
from ..files import atomic_write
from ..plots.bounds import most_active, spread
from ..runs.run import Run
from ..settings.words import plain

__all__ = ["PROJECTOR", "write_projector"]

PROJECTOR = ("projector_config.pbtxt", "codes.tsv", "metadata.tsv", "sprite.png")
MOST_CODES, MOST_LATENTS, MOST_COLUMNS = 4000, 200, 100  # the browser takes no more to find neighbours and components
MOST_SIDE = 32  # pixels of a thumbnail; 64 × 64 of them are 2048 pixels wide, and TensorBoard takes 8192
AT_ONCE = 100  # pictures that are made small at a time


def write_projector(run: Run, folder: Path) -> None:
    """Write the codes of at most 4,000 held-out data, evenly spread, and of many latents the 200 that vary most.

    Args:
        run: Its model as it is now.
        folder: Where TensorBoard looks.
    """
    data = run.dataset()
    numbers = spread(len(data.held_out), MOST_CODES)
    chosen = data.held_out[torch.from_numpy(numbers)]
    loc = encode(run.model, data.rows(chosen)).loc.double()
    if loc.shape[1] > MOST_LATENTS:
        loc = loc[:, sorted(most_active(loc.var(0, correction=0).tolist(), MOST_LATENTS))]
    described = {**_columns(data, chosen), "number": [str(number) for number in numbers]}
    sprite = 'sprite {{ image_path: "sprite.png" single_image_dim: {0} single_image_dim: {0} }}'
    config = ['tensor_name: "codes"', 'tensor_path: "codes.tsv"', 'metadata_path: "metadata.tsv"']
    if data.is_images:
        thumbnails = [_thumbnails(data.images[part]) for part in chosen.split(AT_ONCE)]
        config.append(sprite.format(thumbnails[0].shape[1]))
        with atomic_write(folder / "sprite.png", durable=False) as partial:
            Image.fromarray(_grid(np.concatenate(thumbnails))).save(partial)
    head = [described.keys()] if len(described) > 1 else []  # a single column has none
    rows = [*head, *zip(*described.values(), strict=True)]
    texts = {
        "codes.tsv": "\n".join("\t".join(f"{value:.5g}" for value in code) for code in loc.tolist()),
        "metadata.tsv": "\n".join("\t".join(row) for row in rows),
        "projector_config.pbtxt": "embeddings {\n" + "".join(f"  {line}\n" for line in config) + "}",
    }
    for name, text in texts.items():
        with atomic_write(folder / name, durable=False) as partial:
            partial.write_text(text + "\n", encoding="utf-8")


def _columns(data: Dataset, chosen: Tensor) -> dict[str, list[str]]:
    """What is known of data: their classes by name, their attributes and factors by number."""
    columns: dict[str, list[str]] = {}
    if data.labels is not None and data.labels.dim() == 1:
        names = data.label_names
        labels = data.labels[chosen].tolist()
        columns["label"] = [
            plain(names[label]) if names and 0 <= label < len(names) else str(label) for label in labels
        ]
    elif data.labels is not None:
        columns |= _named(data.labels[chosen], data.label_names, "label")
    if data.factors is not None:
        columns |= _named(data.factors[chosen], data.factor_names, "factor")
    return columns


def _named(values: Tensor, names: object, kind: str) -> dict[str, list[str]]:
    known = [plain(name) for name in names] if isinstance(names, list | tuple) else []
    columns = values.T[:MOST_COLUMNS].tolist()
    called = known if len(known) >= len(columns) else [f"{kind} {number}" for number in range(len(columns))]
    return {name: [str(value) for value in column] for name, column in zip(called, columns, strict=False)}


def _thumbnails(images: Tensor) -> np.ndarray:
    """Small square pictures of images ``(B, C, H, W)``: bytes ``(B, side, side, 3)``, what is missing black."""
    small = pixels(images).float()
    small = small if small.shape[1] in (1, 3) else small.mean(1, keepdim=True)
    height, width = small.shape[-2:]
    if max(height, width) > MOST_SIDE:
        scale = MOST_SIDE / max(height, width)
        small = interpolate(small, (max(1, round(height * scale)), max(1, round(width * scale))), mode="area")
        height, width = small.shape[-2:]
    side = max(height, width)
    left, top = (side - width) // 2, (side - height) // 2
    square = pad(small, (left, side - width - left, top, side - height - top)).expand(-1, 3, -1, -1)
    return (255 * square).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()


def _grid(thumbnails: np.ndarray) -> np.ndarray:
    """Pictures ``(N, side, side, 3)`` as one square of rows, the last places black: ``(rows·side, rows·side, 3)``."""
    count, side = thumbnails.shape[:2]
    across = ceil(count**0.5)
    whole = np.zeros((across**2, side, side, 3), np.uint8)
    whole[:count] = thumbnails
    return whole.reshape(across, across, side, side, 3).swapaxes(1, 2).reshape(across * side, across * side, 3)
