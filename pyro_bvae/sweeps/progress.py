"""How far each fit of a sweep is: a small file in its run folder, which another process, or another machine, reads."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from ..files import LostError, WriteError, atomic_write, check_lock, read_json
from ..files.writing import as_json
from ..runs.names import PROGRESS
from ..training import Callback

if TYPE_CHECKING:
    from ..runs.run import Run
    from ..training import Training

__all__ = ["Reporting", "StepsTaken", "steps_taken"]

SECONDS_BETWEEN_REPORTS = 1.0


@dataclass(frozen=True)
class StepsTaken:
    """How far a fit is.

    Attributes:
        step: Steps taken.
        total: Steps to take.
        seconds: That they took.
        loss: Of the last steps, nats an image; None before the first.
        elbo: Held-out, of the last line of the history, nats an image; None before the first.
    """

    step: int
    total: int
    seconds: float
    loss: float | None = None
    elbo: float | None = None


def steps_taken(folder: Path) -> StepsTaken | None:
    """How far the fit in a run folder is; None where none is running, or it has not said so yet."""
    try:
        return StepsTaken(**read_json(folder / PROGRESS))
    except (OSError, ValueError, TypeError):
        return None


class Reporting(Callback):
    """Writes down how far the fit is, once a second, and so ends it soon when another process has taken it over."""

    file: Path | None = None  # until it starts, which an error of another callback may prevent

    def on_start(self, run: Run, training: Training) -> None:
        """Say that it runs."""
        assert run.path is not None
        self.file = run.path / PROGRESS
        self.elbo = run.history[-1]["held_out_elbo"] if run.history else None
        self._write(StepsTaken(training.step, training.total, training.seconds, elbo=self.elbo))

    def on_step(self, training: Training) -> None:
        """Say how far it is, if it is time."""
        if monotonic() - self.written >= SECONDS_BETWEEN_REPORTS:
            loss = training.means()["loss"]
            self._write(StepsTaken(training.step, training.total, training.seconds, loss, self.elbo))

    def on_record(self, record: dict[str, Any]) -> None:
        """Remember how good it is."""
        self.elbo = record["held_out_elbo"]

    def on_stop(self) -> None:
        """Leave nothing behind."""
        if self.file is not None:
            with suppress(OSError):
                check_lock(self.file)
                self.file.unlink()

    def _write(self, taken: StepsTaken) -> None:
        assert self.file is not None
        self.written = monotonic()
        try:
            with atomic_write(self.file, durable=False) as partial:
                partial.write_text(as_json(asdict(taken)), encoding="utf-8")
        except LostError:  # whose fit must write no more
            raise
        except WriteError:  # a full disk is said elsewhere
            pass
