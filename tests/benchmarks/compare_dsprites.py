"""Real dSprites beside those that pyro_bvae draws: counts the pixels that differ, and makes a picture of a few.

    python tests/benchmarks/compare_dsprites.py REAL.npz figures/dsprites.png

REAL.npz is the published file, or part of it: ``imgs`` and ``latents_classes``.
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from matplotlib.figure import Figure

from pyro_bvae.datasets import dsprites
from pyro_bvae.plots.pictures import show

SHOWN = 14


def main(real: str, picture: str) -> None:
    """Compare all images of ``real``, and draw the picture."""
    with np.load(real, allow_pickle=False) as file:
        images, classes = file["imgs"].astype(bool), file["latents_classes"][:, -5:]
    wrong, chosen, rows = 0, set(np.linspace(0, len(images) - 1, SHOWN).astype(int).tolist()), []
    for number, (image, (shape, scale, orientation, x, y)) in enumerate(zip(images, classes.tolist(), strict=True)):
        drawn = dsprites.draw(shape, scale, orientation)[32 * x + y, 0].numpy() > 0
        wrong += int((drawn != image).sum())
        if number in chosen:
            rows.append((image, drawn, drawn != image))
    print(f"{len(images)} images, {wrong} wrong pixels")
    grid = torch.from_numpy(np.stack(rows, axis=1).astype(np.float32))[:, :, None]  # (3, SHOWN, 1, 64, 64)
    figure = Figure(figsize=(0.62 * SHOWN + 1, 2.2), layout="constrained", dpi=110)
    panel = figure.subplots()
    show(panel, grid)
    panel.set_yticks(range(3), ["published", "drawn here", "difference"])
    panel.set_xticks([])
    figure.savefig(picture)


if __name__ == "__main__":
    main(*sys.argv[1:])
