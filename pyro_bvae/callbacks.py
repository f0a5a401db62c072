"""What one may want to see of a fit: a progress bar while it runs, figures at its end.

Pass them to `fit`; it prints and draws nothing by itself.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, TextIO

from torch import Tensor
from tqdm.auto import tqdm

from . import plots
from .codes import encode
from .generation import reconstruct, sample
from .model import BetaVAE
from .plots import save_figure
from .runs.run import Run
from .settings.options import DEFAULTS, FigureSettings
from .terms import count_active, mean_terms
from .training import Callback, Training
from .traversal import Traversal, base, traverse

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Figures", "Progress", "draw_figures", "figures_of", "save_figure"]

DATA_FOR_KL = 1000  # held-out data from which the KL beside a traversal during training is taken
LONGEST_SILENCE = 60.0  # seconds, after which a line is written where there is no terminal


class Progress(Callback):
    """A progress bar in a terminal or notebook; in a pipe or file, a line now and then, at least every minute.

    Shows the loss, distortion and rate of training in nats an image, active latents, and images a second.

    Args:
        file: Where to; by default standard error.
        lines: About how many lines, where there is no terminal.
    """

    def __init__(self, file: TextIO | None = None, lines: int = 20) -> None:
        self.file = file or sys.stderr
        self.lines = lines
        self.as_bar = self.file.isatty() or "ipykernel" in sys.modules
        self._last_look = monotonic()
        self._bar = tqdm(disable=True)

    def on_start(self, run: Run, training: Training) -> None:  # noqa: ARG002
        """Open the bar."""
        self.training = training
        self._bar = tqdm(
            total=training.total,
            initial=training.step,
            unit="step",
            file=self.file,
            leave=None,  # unless it stands below another bar
            disable=not self.as_bar,
            dynamic_ncols=True,
            bar_format="{percentage:3.0f}% |{bar:10}| {n_fmt}/{total_fmt} [{remaining} left] {postfix}",
        )

    def on_step(self, training: Training) -> None:
        """Move the bar, and look at the means four times a second."""
        self._bar.update()
        waited = monotonic() - self._last_look
        if self.as_bar and waited > 0.25:
            self._bar.set_postfix_str(_summary(training.means()), refresh=False)
            self._last_look = monotonic()
        elif not self.as_bar and waited > LONGEST_SILENCE:
            self._write(training.step, training.means())

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
            self._write(step, record)

    def _write(self, step: int, means: dict[str, Any]) -> None:
        self.file.write(f"step {step}/{self.training.total}: {_summary(means)}\n")
        self.file.flush()
        self._last_look = monotonic()


class Figures(Callback):
    """Pictures as PNGs in the run's folder: at the end of a fit, and traversals while it runs if asked for.

    Traversals during training start from the same data every time, are numbered by step, and become ``training.gif`` at
    the end, with the latents in a fixed order. They do not disturb the fit.

    Args:
        every: Steps between two traversals during training; None for none.
        kind: Where traversals start, one of `names.BASES`.
        ends: The first and last value of the sweeps.
        columns: How many values.
        count: How many data or draws the sweeps start from.

    Raises:
        ValueError: A number is out of range, or the kind unknown.
    """

    def __init__(
        self,
        every: int | None = None,
        kind: str = "image",
        ends: Sequence[float] = (-2.0, 2.0),
        columns: int = 11,
        count: int = 1,
    ) -> None:
        low, high = ends
        FigureSettings(
            figures_every=every,
            traverse_base=kind,
            traverse_range=(low, high),
            traverse_columns=columns,
            traverse_count=count,
        )
        self.every, self.kind, self.ends = every, kind, (low, high)
        self.columns, self.count = columns, count

    def on_start(self, run: Run, training: Training) -> None:
        """Make sure that there is a folder to draw into.

        Raises:
            ValueError: The run is in memory; use `draw_figures`.
        """
        if run.path is None:
            raise ValueError("figures want a run folder: give fit an out, or call draw_figures(run, folder)")
        self.folder = run.path / "figures"
        self.held_out = training.held_out[:DATA_FOR_KL]

    def on_step(self, training: Training) -> None:
        """Draw a traversal, if it is time."""
        if self.every is not None and training.step % self.every == 0:
            sweep = self.sweep(training.vae, self.held_out, in_order=True)
            figure = plots.traversal(sweep)
            figure.suptitle(f"step {training.step:,}", fontsize=8)
            plots.save_figure(figure, self.folder / f"traversal-{training.step:09d}.png")

    def on_end(self, run: Run) -> None:
        """Draw all figures, and the film of those drawn before."""
        data = run.dataset()
        sweep = self.sweep(run.model, data.images[data.held_out])
        draw_figures(run, self.folder, sweep)
        frames = sorted(self.folder.glob("traversal-[0-9]*.png"))
        if self.every is not None and frames:
            plots.film(frames, self.folder / "training.gif")

    def sweep(self, vae: BetaVAE, held_out: Tensor, in_order: bool = False) -> Traversal:
        """The traversal, its latents sorted by their KL unless they are to stay in order."""
        start = base(vae, held_out, self.kind, count=self.count)
        kl = mean_terms(vae, held_out).kl_per_latent
        latents = range(vae.latent_dim) if in_order else None
        return traverse(vae, start, latents=latents, low=self.ends[0], high=self.ends[1], columns=self.columns, kl=kl)


def figures_of(settings: Mapping[str, Any]) -> Figures:
    """The callback that the settings `options.FIGURES` describe; an older run does not have all of them."""
    every, kind, ends, columns, count = (
        settings.get(name, DEFAULTS[name])
        for name in ("figures_every", "traverse_base", "traverse_range", "traverse_columns", "traverse_count")
    )
    return Figures(every, kind, ends, columns, count)


def draw_figures(run: Run, folder: Path, sweep: Traversal | None = None) -> list[Path]:
    """Draw what `fit` leaves behind: for vectors, also covariances and a scatter of the codes.

    Args:
        run: A finished run whose data can be loaded.
        folder: Where the PNGs go; made if need be.
        sweep: The traversal to draw; by default around the first held-out datum.

    Returns:
        The files.
    """
    vae, data = run.model, run.dataset()
    held_out = data.images[data.held_out]
    figures = {
        "traversal": plots.traversal(sweep or Figures().sweep(vae, held_out)),
        "curves": plots.curves(run.history),
    }
    if data.is_images:
        some = held_out[:20]
        figures["reconstructions"] = plots.reconstructions(some, reconstruct(vae, some)[1])
        figures["samples"] = plots.samples(sample(vae, 100)[1])
    else:
        figures |= _of_vectors(vae, held_out)
    return plots.save_figures(figures, folder)


def _of_vectors(vae: BetaVAE, held_out: Tensor) -> dict[str, Figure]:
    size = len(held_out)
    generated = sample(vae, size, draw=True)[1]
    reconstructed = reconstruct(vae, held_out, draw=True)[1]
    means = {"data": held_out, "means": reconstruct(vae, held_out)[1]}
    return {
        "samples": plots.pairs({"data": held_out, "generated": generated}),
        "reconstructions": plots.pairs({**means, "draws": reconstructed}),
        "covariances": plots.covariances({"data": held_out, "generated": generated, "reconstructed": reconstructed}),
        "latents": plots.latents(encode(vae, held_out)),
    }


def _summary(means: dict[str, Any]) -> str:
    kl = means["kl_per_latent"]
    active = "" if kl is None else f", {count_active(kl)}/{len(kl)} active"
    terms = f"loss {means['loss']:.1f}, distortion {means['distortion']:.1f}, rate {means['rate']:.2f}"
    return f"{terms}{active}, {means['images_per_second']:,.0f} images/s"
