"""The pictures of a fit: at its end, and traversals while it runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from .. import plots
from ..codes import encode
from ..datasets import Dataset, Rows, rows_of
from ..generation import reconstruct, sample, with_conditions
from ..model import BetaVAE
from ..plots import optional, save_figure
from ..plots.bounds import MOST_LATENTS, Extent, extent, features_note, most_active, traversal_note
from ..runs.run import Run
from ..settings.options import DEFAULTS, FigureSettings
from ..terms import mean_terms
from ..training import Callback, Training
from ..traversal import Traversal, base, class_sites, sweep_classes, traverse

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Figures", "draw_figures", "drawings", "figures_of"]

SAMPLES = 100
CLASSED = 10  # data that are drawn under each class
DATA_FOR_KL = 1000  # held-out data from which the KL beside a traversal during training is taken
FRAME = re.compile(r"traversal-\d+\.png")  # not the part of one that a kill leaves behind


class Figures(Callback):
    """Pictures in the run's folder: at the end of a fit, and traversals while it runs if asked for.

    Traversals during training start from the same data every time, are numbered by step, and become ``training.gif`` at
    the end, with the latents in a fixed order. They do not disturb the fit.

    Args:
        every: Steps between two traversals during training; None for none.
        kind: Where traversals start, one of `names.BASES`.
        ends: The first and last value of the sweeps.
        columns: How many values.
        count: How many data or draws the sweeps start from.
        figure_format: Of what is drawn at the end, one of `names.FIGURE_FORMATS`; see `plots.save_as`.
        figure_width: Likewise, its width in print.

    Raises:
        ValueError: A number is out of range, the kind unknown, or the prior's one mean is to be several starts.
    """

    is_on_every_rank = False

    def __init__(
        self,
        every: int | None = None,
        kind: str = "image",
        ends: Sequence[float] = (-2.0, 2.0),
        columns: int = 11,
        count: int = 1,
        figure_format: str = "png",
        figure_width: str | None = None,
    ) -> None:
        low, high = ends
        FigureSettings(
            figures_every=every,
            traverse_base=kind,
            traverse_range=(low, high),
            traverse_columns=columns,
            traverse_count=count,
            figure_format=figure_format,
            figure_width=figure_width,
        )
        self.figure_format, self.figure_width = figure_format, figure_width
        self.every, self.kind, self.ends = every, kind, (low, high)
        self.columns, self.count = columns, count
        if kind == "prior" and count > 1:
            raise ValueError(f"the prior's mean is one start, got a count of {count}")

    def check_data(self, dataset: Dataset) -> None:
        """Make sure that there are as many held-out data as traversals start from.

        Raises:
            ValueError: There are fewer.
        """
        there = len(dataset.held_out)
        if self.kind in ("image", "random-image") and self.count > there:
            raise ValueError(f"traversals are to start from {self.count} held-out data, and there are {there}")

    def left_out(self, vae: BetaVAE) -> list[str]:
        """What the figures show of a model, a line a figure, where that is not all."""
        note = traversal_note(vae.shape, Extent(vae.latent_dim, self.columns, self.count))
        most = ", the most active" if vae.latent_dim > MOST_LATENTS else ""
        features = features_note(vae.shape[0]) if len(vae.shape) == 1 else ""
        return [*filter(None, [note and f"the traversal shows {note}{most}", features and f"they show {features}"])]

    def on_start(self, run: Run, training: Training) -> None:
        """Make sure that there is a folder to draw into, and something to start from.

        Raises:
            ValueError: The run is in memory; use `draw_figures`. Or there are too few data.
        """
        if run.path is None:
            raise ValueError("figures want a run folder: give fit an out, or call draw_figures(run, folder)")
        self.check_data(run.dataset())
        self.folder = run.path / "figures"
        self.held_out = training.held_out[:DATA_FOR_KL]

    def on_step(self, training: Training) -> None:
        """Draw a traversal, if it is time."""
        if self.every is not None and training.step % self.every == 0:
            file = self.folder / f"traversal-{training.step:09d}.png"
            with optional(file):
                figure = plots.traversal(self.sweep(training.vae, self.held_out, in_order=True))
                figure.suptitle(f"step {training.step:,}", fontsize=8)
                save_figure(figure, file)

    def on_end(self, run: Run) -> None:
        """Draw all figures, and the film of those drawn before."""
        data = run.dataset()
        held_out = data.rows(data.held_out)
        sweep = partial(self.sweep, run.model, held_out, names=run.latent_names)
        _save_each(drawings(run, held_out, sweep), self.folder, self.figure_format, self.figure_width)
        frames = sorted(file for file in self.folder.glob("traversal-*.png") if FRAME.fullmatch(file.name))
        if self.every is not None and frames:
            with optional(film := self.folder / "training.gif"):
                plots.film(frames, film)

    def sweep(
        self, vae: BetaVAE, held_out: Tensor | Rows, in_order: bool = False, names: Mapping[int, str] | None = None
    ) -> Traversal:
        """The traversal as it is drawn: of the most active latents, sorted by their KL unless they stay in order."""
        rows = rows_of(held_out)
        count = extent(vae.shape, Extent(vae.latent_dim, self.columns, self.count)).starts
        start = base(vae, rows, self.kind, given=self._conditions(vae, rows), count=count)
        kl = mean_terms(vae, rows).kl_of(start.site)
        most, columns, _ = extent(vae.shape, Extent(start.codes.shape[-1], self.columns, count))
        latents = list(range(most)) if kl is None else most_active(kl, most)
        latents = sorted(latents) if in_order else latents
        low, high = self.ends
        return traverse(vae, start, latents=latents, low=low, high=high, columns=columns, kl=kl, names=names)

    def _conditions(self, vae: BetaVAE, rows: Rows) -> dict[str, Any]:
        """What programs are given where sweeps start from no datum: what the first held-out data have."""
        return {} if "image" in self.kind else with_conditions(vae, {}, rows, self.count)


def figures_of(settings: Mapping[str, Any]) -> Figures:
    """The callback that the settings `options.FIGURES` describe; an older run does not have all of them."""
    names = ("figures_every", "traverse_base", "traverse_range", "traverse_columns", "traverse_count")
    return Figures(*(settings.get(name, DEFAULTS[name]) for name in (*names, "figure_format", "figure_width")))


def draw_figures(
    run: Run,
    folder: Path,
    sweep: Traversal | None = None,
    figure_format: str = "png",
    figure_width: str | None = None,
) -> list[Path]:
    """Draw what `fit` leaves behind: for vectors, also covariances and a scatter of the codes.

    Args:
        run: A finished run whose data can be loaded.
        folder: Where the files go; made if need be.
        sweep: The traversal to draw; by default around the first held-out datum.
        figure_format: One of `names.FIGURE_FORMATS`; see `plots.save_as`.
        figure_width: The width in print, likewise.

    Returns:
        The files; a figure that cannot be drawn or written is left out, with a warning that names it.
    """
    data = run.dataset()
    held_out = data.rows(data.held_out)
    drawn = partial(Figures().sweep, run.model, held_out, names=run.latent_names)
    return _save_each(drawings(run, held_out, lambda: sweep or drawn()), folder, figure_format, figure_width)


def _save_each(
    drawings: Mapping[str, Callable[[], Figure]], folder: Path, figure_format: str, figure_width: str | None
) -> list[Path]:
    """Draw and write one figure after another, and go on where one fails."""
    files: list[Path] = []
    for name, draw in drawings.items():
        with optional(folder / f"{name}.png"):
            files += plots.save_figures({name: draw()}, folder, figure_format, figure_width)
    return files


def drawings(run: Run, held_out: Tensor | Rows, sweep: Callable[[], Traversal]) -> dict[str, Callable[[], Figure]]:
    """What draws each figure that a fit leaves behind, by its name.

    Args:
        run: A finished run.
        held_out: Data that it was not fitted to.
        sweep: Makes the traversal that is drawn.
    """
    vae, rows = run.model, rows_of(held_out)
    some = rows[:20]
    always: dict[str, Callable[[], Figure]] = {
        "traversal": lambda: plots.traversal(sweep()),
        "curves": lambda: plots.curves(run.history, run.config.get("latents") or ()),
        **{f"classes-{site}": partial(_classes, vae, rows, site, names) for site, names in _class_sites(run).items()},
    }
    if len(vae.shape) == 3:
        conditions = partial(with_conditions, vae, {}, rows, SAMPLES)
        return always | {
            "reconstructions": lambda: plots.reconstructions(some.images, reconstruct(vae, some)[1]),
            "samples": lambda: plots.samples(sample(vae, SAMPLES, given=conditions())[1]),
        }
    return always | _of_vectors(vae, rows)


def _class_sites(run: Run) -> dict[str, list[str]]:
    """The sites and arguments of classes; none where data cannot be read, or programs do not run on zeros."""
    try:
        return class_sites(run.model, run.dataset())
    except (AttributeError, OSError, RuntimeError, TypeError, ValueError):
        return {}


def _classes(vae: BetaVAE, rows: Rows, site: str, names: Sequence[str]) -> Figure:
    """Some held-out data under each class, a row a datum."""
    start = base(vae, rows, count=min(CLASSED, len(rows)))
    return plots.classes(sweep_classes(vae, start, site, names=names), styles=True)


def _of_vectors(vae: BetaVAE, rows: Rows) -> dict[str, Callable[[], Figure]]:
    @cache
    def drawn(how: Callable[..., tuple[Tensor, Tensor]], draw: bool) -> Tensor:
        given = with_conditions(vae, {}, rows, len(rows))
        return sample(vae, len(rows), given=given, draw=draw)[1] if how is sample else how(vae, rows, draw=draw)[1]

    held_out = rows.images
    return {
        "samples": lambda: plots.pairs({"data": held_out, "generated": drawn(sample, True)}),
        "reconstructions": lambda: plots.pairs(
            {"data": held_out, "means": drawn(reconstruct, False), "draws": drawn(reconstruct, True)}
        ),
        "covariances": lambda: plots.covariances(
            {"data": held_out, "generated": drawn(sample, True), "reconstructed": drawn(reconstruct, True)}
        ),
        "latents": lambda: plots.latents(encode(vae, rows)),
    }
