"""The picture of an exported decoder: `python tests/exported.py FILE [--data-root DATA] [--epochs 5]`.

Fits a run of MNIST where it lies under the data root, and of the digits otherwise. Exports it as ONNX, and lets
onnxruntime encode held-out images and decode their codes. FILE then shows the images, what torch makes of the codes,
what onnxruntime makes of them, and the difference of the two, enlarged.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from matplotlib.figure import Figure

from pyro_bvae import BetaVAE, Run, datasets, export, fit, plots
from pyro_bvae.generation import images_of

COUNT = 12  # images
ENLARGED = 5e6  # the difference, so that the last digits of 32 bits are seen


def main() -> None:
    """Fit, export, run, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--epochs", type=int, default=5)
    arguments = parser.parse_args()
    has_mnist = arguments.data_root is not None and (arguments.data_root / "MNIST").is_dir()
    data = datasets.load("mnist", arguments.data_root) if has_mnist else datasets.load("digits")
    torch.manual_seed(0)
    run = fit(BetaVAE(data.shape, latent_dim=10, hidden=(400,), beta=6.0), data, epochs=arguments.epochs)
    x = datasets.pixels(data.images[data.held_out[:COUNT]])
    with tempfile.TemporaryDirectory() as folder:
        z, exported = through_onnxruntime(run, x, Path(folder) / "model.onnx")
    own = images_of(run.model, torch.from_numpy(z)).numpy()
    farthest = float(np.abs(own - exported).max())
    print(f"{data.name}, step {run.step:,}: the two differ by {farthest:.1e} at most, of pixels from 0 to 1")
    rows = {"held out": x.numpy(), "torch": own, "onnxruntime": exported}
    rows["difference\n× 5 million"] = np.abs(own - exported) * ENLARGED
    arguments.file.write_bytes(plots.png_of(drawn(rows)))


def through_onnxruntime(run: Run, x: torch.Tensor, file: Path) -> tuple[np.ndarray, np.ndarray]:
    """The codes of images ``(B, C, H, W)``, means of q(z | x), and the mean images of these codes."""
    encoder, decoder = (onnxruntime.InferenceSession(part) for part in export(run, file))
    (z,) = encoder.run(["loc"], {"x": x.numpy()})
    (mean,) = decoder.run(["mean"], {"z": z})
    return z, mean


def drawn(rows: dict[str, np.ndarray]) -> Figure:
    """One row of grey pictures ``(B, 1, H, W)`` a name."""
    figure = Figure(figsize=(COUNT * 0.62 + 1.2, len(rows) * 0.66), dpi=120)
    figure.subplots_adjust(left=0.13, right=0.995, bottom=0.02, top=0.98, hspace=0.08)
    panels = figure.subplots(len(rows), 1)
    for panel, (name, images) in zip(panels, rows.items(), strict=True):
        panel.imshow(np.hstack(list(images[:, 0])), cmap="gray", vmin=0, vmax=1)
        panel.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
        panel.set(xticks=[], yticks=[])
    return figure


if __name__ == "__main__":
    main()
