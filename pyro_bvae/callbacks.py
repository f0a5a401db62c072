"""What one may want to see of a fit: a progress bar while it runs, figures at its end.

Pass them to `fit`; it prints and draws nothing by itself.
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import monotonic
from typing import Any, TextIO

from tqdm.auto import tqdm

from . import plots
from .files import replacing
from .fitting import Callback
from .generation import reconstruct, sample
from .runs import Run
from .terms import count_active, mean_terms
from .training import Training
from .traversal import base, traverse

__all__ = ["Figures", "Progress", "draw_figures"]


class Progress(Callback):
    """A progress bar in a terminal or notebook; in a pipe or file, a line now and then.

    Shows the loss, distortion and rate of training in nats an image, active latents, and images a second.

    Args:
        file: Where to; by default standard error.
        lines: How many lines at most, where there is no terminal.
    """

    def __init__(self, file: TextIO | None = None, lines: int = 20) -> None:
        self.file = file or sys.stderr
        self.lines = lines
        self.as_bar = self.file.isatty() or "ipykernel" in sys.modules
        self._last_look = 0.0
        self._bar = tqdm(disable=True)

    def on_start(self, run: Run, training: Training) -> None:  # noqa: ARG002
        """Open the bar."""
        self.training = training
        self._bar = tqdm(
            total=training.total,
            initial=training.step,
            unit="step",
            file=self.file,
            disable=not self.as_bar,
            dynamic_ncols=True,
            bar_format="{percentage:3.0f}% |{bar:10}| {n_fmt}/{total_fmt} [{remaining} left] {postfix}",
        )

    def on_step(self, training: Training) -> None:
        """Move the bar, and look at the means four times a second."""
        self._bar.update()
        if self.as_bar and monotonic() - self._last_look > 0.25:
            self._bar.set_postfix_str(_summary(training.means()), refresh=False)
            self._last_look = monotonic()

    def on_stop(self) -> None:
        """Close the bar."""
        self._bar.close()

    def on_record(self, record: dict[str, Any]) -> None:
        """Write a line, where there is no bar and one is due."""
        if self.as_bar:
            self._bar.set_postfix_str(_summary(record))
            self._last_look = monotonic()
            return
        step, total = record["step"], self.training.total
        before = step - self.training.eval_every
        if step == total or step * self.lines // total > before * self.lines // total:
            self.file.write(f"step {step}/{total}: {_summary(record)}\n")
            self.file.flush()


class Figures(Callback):
    """Traversal, reconstructions, samples and curves, as PNGs in the run's folder, at the end of a fit.

    Raises:
        ValueError: The run is in memory; use `draw_figures`.
    """

    def on_start(self, run: Run, training: Training) -> None:  # noqa: ARG002
        """Make sure that there is a folder to draw into."""
        if run.path is None:
            raise ValueError("figures want a run folder: give fit an out, or call draw_figures(run, folder)")

    def on_end(self, run: Run) -> None:
        """Draw them."""
        assert run.path is not None
        draw_figures(run, run.path / "figures")


def draw_figures(run: Run, folder: Path) -> list[Path]:
    """Draw what `fit` leaves behind.

    Args:
        run: A finished run whose data can be loaded.
        folder: Where the PNGs go; made if need be.

    Returns:
        The files.
    """
    vae, data = run.model, run.dataset()
    held_out = data.images[data.held_out]
    some = held_out[:20]
    kl = mean_terms(vae, held_out).kl_per_latent
    figures = {
        "traversal": plots.traversal(traverse(vae, base(vae, held_out), kl=kl)),
        "reconstructions": plots.reconstructions(some, reconstruct(vae, some)[1]),
        "samples": plots.samples(sample(vae, 100, draw=not data.is_images)[1], None if data.is_images else data.images),
        "curves": plots.curves(run.history),
    }
    files = [folder / f"{name}.png" for name in figures]
    for file, figure in zip(files, figures.values(), strict=True):
        with replacing(file) as partial:
            figure.savefig(partial)
    return files


def _summary(means: dict[str, Any]) -> str:
    kl = means["kl_per_latent"]
    active = "" if kl is None else f", {count_active(kl)}/{len(kl)} active"
    terms = f"loss {means['loss']:.1f}, distortion {means['distortion']:.1f}, rate {means['rate']:.2f}"
    return f"{terms}{active}, {means['images_per_second']:,.0f} images/s"
