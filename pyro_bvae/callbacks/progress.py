"""The progress of a fit: a bar, or lines where there is no terminal."""

from __future__ import annotations

import sys
from time import monotonic
from typing import Any, TextIO

from tqdm.auto import tqdm

from ..files import is_terminal
from ..runs.run import Run
from ..terms import count_active
from ..training import Callback, Training

__all__ = ["Progress"]

LONGEST_SILENCE = 60.0  # seconds, after which a line is written where there is no terminal


class Progress(Callback):
    """A progress bar in a terminal or notebook; in a pipe or file, a line now and then, at least every minute.

    Shows the loss, distortion and rate of training in nats an image, active latents, and data a second.

    Args:
        file: Where to; by default standard error, and nowhere where there is none.
        lines: About how many lines, where there is no terminal.
    """

    is_on_every_rank = False

    def __init__(self, file: TextIO | None = None, lines: int = 20) -> None:
        self.file: TextIO | None = file or sys.stderr
        self.lines = lines
        self.as_bar = self.file is not None and (is_terminal(self.file) or "ipykernel" in sys.modules)
        self._last_look = monotonic()
        self._bar = tqdm(disable=True)

    def on_start(self, run: Run, training: Training) -> None:  # noqa: ARG002
        """Open the bar."""
        self.training = training
        self._unit = "images" if len(training.vae.shape) == 3 else "vectors"
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
            self._bar.set_postfix_str(_summary(training.means(), self._unit), refresh=False)
            self._last_look = monotonic()
        elif not self.as_bar and waited > LONGEST_SILENCE:
            self._write(training.step, training.means())

    def on_stop(self) -> None:
        """Close the bar."""
        self._bar.close()

    def on_record(self, record: dict[str, Any]) -> None:
        """Write a line, where there is no bar and one is due."""
        if self.as_bar:
            self._bar.set_postfix_str(_summary(record, self._unit))
            self._last_look = monotonic()
            return
        step, total = record["step"], self.training.total
        before = step - self.training.eval_every
        if step == total or step * self.lines // total > before * self.lines // total:
            self._write(step, record)

    def _write(self, step: int, means: dict[str, Any]) -> None:
        self._last_look = monotonic()
        if self.file is None:
            return
        try:
            self.file.write(f"step {step}/{self.training.total}: {_summary(means, self._unit)}\n")
            self.file.flush()
        except (OSError, ValueError):  # a pipe whose reader has left, or a closed file
            self.file = None


def _summary(means: dict[str, Any], unit: str) -> str:
    kl = means["kl_per_latent"]
    active = "" if kl is None else f", {count_active(kl)}/{len(kl)} active"
    terms = f"loss {means['loss']:.1f}, distortion {means['distortion']:.1f}, rate {means['rate']:.2f}"
    return f"{terms}{active}, {means['images_per_second']:,.0f} {unit}/s"
