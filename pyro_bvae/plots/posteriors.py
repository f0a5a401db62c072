"""What the guide takes for the posterior of a few data, and draws of the posterior itself."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse
from torch import Tensor

from ..datasets import pixels
from ..evaluation.hamiltonian import ChainsOfImages
from .bounds import DOTS_PER_INCH, MOST_POINTS, most_active, some_of, spread
from .labels import FADED_GREY, draws_plain_text, say_below

__all__ = ["posteriors"]

MOST_PANELS = 9
INSET = (0.77, 0.77, 0.22, 0.22)  # of a panel: where its image stands
DEVIATIONS = (1, 2)  # of the guide, at which its ellipses lie


@draws_plain_text
def posteriors(chains: ChainsOfImages, kl: Sequence[float] | None = None) -> Figure:
    """Draws of the posterior of each image by NUTS, over the ellipses of the guide at one and two deviations.

    The two latents with the most KL are drawn, or the two that the posteriors are narrowest in. A code of one latent
    has histograms.

    Args:
        chains: Of some images, of which 9 are drawn at most.
        kl: Mean KL of each latent in nats.
    """
    there, latents = len(chains.draws), chains.draws.shape[-1]
    count = min(there, MOST_PANELS)
    narrow = (-chains.draws.flatten(1, 2).std(1).mean(0)).tolist()
    chosen = most_active(narrow if kl is None else kl, 2)
    across = count if count <= 3 else ceil(count**0.5)
    down = ceil(count / across)
    figure = Figure(figsize=(2.7 * across + 0.4, 2.8 * down + 0.5), layout="constrained", dpi=DOTS_PER_INCH)
    FigureCanvasAgg(figure)
    panels = list(figure.subplots(down, across, squeeze=False).flat)
    for panel in panels[count:]:
        panel.set_axis_off()
    for number, panel in enumerate(panels[:count]):
        draws, of_guide = chains.draws[number].flatten(0, 1)[:, chosen], chains.guide_draws[number][:, chosen]
        if latents == 1:
            _draw_histograms(panel, draws, of_guide)
        else:
            _draw_plane(panel, draws, of_guide)
        panel.set_xlabel(f"{chains.site}{chosen[0]}", fontsize=8)
        panel.set_ylabel("density" if latents == 1 else f"{chains.site}{chosen[1]}", fontsize=8)
        panel.tick_params(labelsize=7)
        panel.locator_params(axis="x", nbins=5)
        panel.set_title(f"r-hat {float(chains.r_hat[number].max()):.2f}", fontsize=8)
        _draw_image(panel, chains.images[number])
    panels[0].legend(fontsize=7, loc="lower left")
    of_latents = some_of(len(chosen), latents, "latents")
    points = some_of(MOST_POINTS, chains.draws[0].flatten(0, 1).shape[0], "draws")
    say_below(figure, some_of(count, there, "images"), of_latents, points)
    return figure


def _draw_plane(panel: Axes, draws: Tensor, of_guide: Tensor) -> None:
    shown = draws[torch.from_numpy(spread(len(draws), MOST_POINTS))]
    panel.scatter(shown[:, 0], shown[:, 1], s=3, color=FADED_GREY, linewidths=0, label="NUTS")
    (across, up), covariance = of_guide.mean(0).tolist(), of_guide.T.cov().numpy()
    variances, axes = np.linalg.eigh(covariance)
    for deviations in DEVIATIONS:
        width, height = 2 * deviations * np.sqrt(variances)
        angle = np.degrees(np.arctan2(axes[1, 0], axes[0, 0]))
        style: dict[str, Any] = {"angle": angle, "fill": False, "color": "C0", "linewidth": 1.2}
        style |= {"label": "guide, 1 and 2 deviations"} if deviations == DEVIATIONS[0] else {}
        panel.add_patch(Ellipse((across, up), width, height, **style))
    panel.autoscale_view()
    panel.margins(0.1)


def _draw_histograms(panel: Axes, draws: Tensor, of_guide: Tensor) -> None:
    for values, color, name in ((draws, FADED_GREY, "NUTS"), (of_guide, "C0", "guide")):
        panel.hist(values[:, 0].numpy(), bins=30, density=True, histtype="step", color=color, label=name)


def _draw_image(panel: Axes, image: Tensor) -> None:
    """Show an image in a corner of its panel; a vector has none."""
    if image.dim() == 3 and image.shape[0] in (1, 3):
        inset = panel.inset_axes(INSET)
        inset.imshow(pixels(image).permute(1, 2, 0).numpy(), cmap="gray", vmin=0, vmax=1)
        inset.set_axis_off()
