"""A fit as a tracker of experiments shows it, beside what the run folder holds.

All that is sent belongs to a line of the history: its numbers, and with some of the lines pictures and codes. The step
of the last line that was sent, and the id that the tracker gave the run, stand in trackers.json in the run folder. So a
fit that goes on sends no line twice, and sends those that the tracker does not have: of a fit that was not tracked
before, or whose tracker failed.

A tracker does not change a fit. It takes no step, and what its package changes in the process is put back. One that
fails is named in a warning, and not asked again.
"""

from __future__ import annotations

import io
import logging
import random
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from functools import partial
from typing import Any

import numpy as np
import torch
from PIL import Image

from ..compiled.randomness import generator_state, set_generator_state
from ..files import as_json, atomic_write, read_json, wanted
from ..plots import optional, png_of
from ..runs.names import TRACKERS_FILE
from ..runs.run import Run
from ..settings.names import TRACKERS, check
from ..settings.parsing import trackers_in
from ..settings.words import one_line
from ..training import Callback, Training
from .destinations import Destination, Opened, Tracked, numbers_of
from .figures import Figures, drawings, figures_of
from .loggers import Log, Logger, open_trackio, open_wandb
from .mlflow import MLflow
from .tensorboard import TensorBoard

__all__ = ["DESTINATIONS", "Tracker", "trackers_of"]

DESTINATIONS: dict[str, Callable[[], Destination]] = {
    "tensorboard": TensorBoard,
    "wandb": partial(Logger, open_wandb),
    "trackio": partial(Logger, open_trackio),
    "mlflow": MLflow,
}
EXTRA = dict.fromkeys(TRACKERS, "trackers") | {"trackio": "trackio"}  # what installs their packages
NOT_TRACKED = ("curves",)  # figures of what a tracker draws itself


class Tracker(Callback):
    """Sends a fit to a tracker of experiments: each line of its history, settings, pictures, codes.

    Args:
        to: One of `names.TRACKERS`, whose package is imported now; anything with ``log(dict, step=...)``, like a run of
            Weights & Biases, which gets the numbers; or a `Destination`.
        figures: Which pictures are sent at the end, and with the first line after each ``figures.every`` steps; None
            for none, and no codes.
        group: What the run belongs to there.

    Raises:
        MissingPackageError: The package is not installed; the message says what installs it.
        ValueError: There is no tracker of this name.
        TypeError: Nothing can be sent to ``to``.
    """

    is_on_every_rank = False

    def __init__(self, to: str | object, figures: Figures | None = None, group: str | None = None) -> None:
        self.name = to if isinstance(to, str) else type(to).__name__
        self.known = isinstance(to, str)  # by a name, under which trackers.json has its run
        self.figures, self.group = figures, group
        if isinstance(to, str):
            wanted(check("tracker", to, TRACKERS), f"the tracker {to}", EXTRA[to])
            self.to = DESTINATIONS[to]()
        else:
            self.to = _destination(to)
        self._is_open = False

    def on_start(self, run: Run, training: Training) -> None:
        """Begin a run of the tracker, or go on with it, and send the lines of the history that it does not have.

        Raises:
            ValueError: TensorBoard is to track a run in memory.
        """
        if isinstance(self.to, TensorBoard) and run.path is None:
            raise ValueError("tensorboard writes into the run folder: give fit an `out`")
        self._run, self._training, self._drawn = run, training, training.step
        self._opened = Opened("")
        self._is_open = True
        self._trying(self._begin)

    def on_record(self, record: dict[str, Any]) -> None:
        """Send a line, with pictures and codes if they are due."""
        self._trying(partial(self._line, record))
        training, step = self._training, record["step"]
        if self.figures is None or not self._is_open:
            return
        every = self.figures.every
        is_last = step == training.total
        if is_last or (every is not None and step // every > self._drawn // every):
            self._drawn = step
            self._show(step)

    def on_stop(self) -> None:
        """Close the run of the tracker."""
        if self._is_open:
            self._trying(lambda: self.to.end(self._training.step >= self._training.total))
        self._is_open = False

    def _begin(self) -> None:
        run, history = self._run, self._run.history
        kept = history[-1]["step"] if history else 0
        noted: dict[str, Any] = self._noted().get(self.name, {}) if self.known else {"step": kept}
        path = None if run.path is None else run.path.absolute()
        name = str(run.config["dataset"]) if path is None else path.name
        tracked = Tracked(name, self.group, run.config, path, noted.get("id"), noted.get("step", 0), kept)
        with _without_remarks():
            self._opened = self.to.begin(tracked)
        run.notes.append(f"tracked by {self.name}: {self._opened.place}")
        self._has = self._opened.has
        for record in history:
            self._send(record)
        self._note()

    def _line(self, record: Mapping[str, Any]) -> None:
        if self._send(record):
            self._note()

    def _send(self, record: Mapping[str, Any]) -> bool:
        """Send a line that the tracker does not have."""
        if record["step"] <= self._has:
            return False
        self.to.line(numbers_of(record), record["held_out_kl_per_latent"], record["step"])
        self._has = record["step"]
        return True

    def _show(self, step: int) -> None:
        """Draw and send pictures and codes of the model as it is."""
        assert self.figures is not None
        run = self._run
        held_out = self._training.held_out.images.cpu()
        sweep = partial(self.figures.sweep, run.model, held_out, names=run.latent_names)
        for name, draw in drawings(run, held_out, sweep).items():
            if name not in NOT_TRACKED and self._is_open:
                with optional(f"{name} of {self.name}"):
                    picture = Image.open(io.BytesIO(png_of(draw())))
                    self._trying(partial(self.to.picture, name, picture, step))
        self._trying(partial(self.to.codes, run))

    def _trying(self, what: Callable[[], object]) -> None:
        """Do something with the tracker, unless it failed before; the fit goes on in any case."""
        if not self._is_open:
            return
        try:
            with _unchanged(self._training.device):
                what()
        except Exception as error:  # whatever a package, a disk or a server comes up with
            self._is_open = False
            with suppress(Exception), _unchanged(self._training.device):
                self.to.end(False)
            reason = one_line(str(error)) or type(error).__name__
            warnings.warn(f"{self.name} tracks this fit no longer: {reason}", stacklevel=2)

    def _noted(self) -> dict[str, Any]:
        """What trackers.json says: of each tracker, the id of the run and the step of the last line that was sent."""
        if self._run.path is None or not (self._run.path / TRACKERS_FILE).is_file():
            return {}
        noted = read_json(self._run.path / TRACKERS_FILE)
        return noted if isinstance(noted, dict) else {}

    def _note(self) -> None:
        if self._run.path is not None and self.known:
            noted = {**self._noted(), self.name: {"id": self._opened.id, "step": self._has}}
            with atomic_write(self._run.path / TRACKERS_FILE, durable=False) as file:  # at every line
                file.write_text(as_json(noted) + "\n", encoding="utf-8")


def trackers_of(settings: Mapping[str, Any], group: str | None = None) -> list[Tracker]:
    """The callbacks for the trackers that settings name; an older run names none.

    Args:
        settings: Those of `options.FIGURES`.
        group: What the run belongs to.

    Raises:
        MissingPackageError: The package of one is not installed.
    """
    figures = figures_of(settings) if settings.get("figures", True) else None
    return [Tracker(name, figures, group) for name in trackers_in(settings.get("track"))]


def _destination(to: object) -> Destination:
    if isinstance(to, Destination):
        return to
    log = getattr(to, "log", None)
    if not callable(log):
        raise TypeError(f"a tracker is one of {', '.join(TRACKERS)} or has log(dict, step), got {type(to).__name__}")
    return Logger(lambda _: Log(log))


@contextmanager
def _without_remarks() -> Iterator[None]:
    """Leave out what packages log that is no warning, like the tables that MLflow makes in a new database."""
    before = logging.root.manager.disable
    logging.disable(max(before, logging.INFO))
    try:
        yield
    finally:
        logging.disable(before)


@contextmanager
def _unchanged(device: torch.device) -> Iterator[None]:
    """Put back what packages change in the process, and leave out what they print and warn of.

    These are the random generators of Python, numpy and torch, and how the process ends (`sys.exit`, `sys.excepthook`).
    """
    generators = random.getstate(), np.random.get_state(), generator_state(device)
    hooks = sys.exit, sys.excepthook
    try:
        with warnings.catch_warnings(action="ignore"), redirect_stdout(io.StringIO()):
            yield
    finally:
        sys.exit, sys.excepthook = hooks  # type: ignore[assignment]
        random.setstate(generators[0])
        np.random.set_state(generators[1])
        set_generator_state(generators[2], device)
