"""Progress of many fits at a time, in one place: a bar a fit in a terminal, lines elsewhere."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any

from pyro_bvae.settings.shown import short
from pyro_bvae.settings.spelling import as_options
from pyro_bvae.settings.words import one_line

from .progress import LONGEST_SILENCE, shown

if TYPE_CHECKING:
    from pyro_bvae.comparison import Choice, RunRow
    from pyro_bvae.sweeps import Job, StepsTaken

__all__ = ["Board", "named"]

LAYOUT = "|{bar:20}| {desc}"
LEAST_BARS = 2
MOST_IN_A_LINE = 4  # fits that a line names
SECONDS_ALONE = 5.0  # without a worker
SECONDS_BETWEEN_LOOKS = 1.0
LONGEST_LABEL = 40


class Board:
    """On standard error: how many runs wait, run, are done and failed, the time that is left, and how far each is.

    Args:
        total: How many runs there are.
        in_this_process: Whether the fits have bars of their own, one after another.
    """

    def __init__(self, total: int, in_this_process: bool) -> None:
        from tqdm import tqdm

        self.total, self.done, self.failed = total, 0, 0
        self.seconds: list[float] = []  # of training, of each run that is done
        self.running: dict[Job, StepsTaken | None] = {}
        self._bars: dict[Job, Any] = {}
        self._lost: dict[Job, int] = {}
        self._waiting: set[Job] = set()
        self._spoken = self._worked = monotonic()
        self._stops, self._has_called, self._looked = False, False, -SECONDS_BETWEEN_LOOKS
        self._has_text = not in_this_process
        self._bar = tqdm(total=total, unit="run", position=0, bar_format=LAYOUT if self._has_text else None, **shown())
        self._write = tqdm.write
        self.look(())

    def look(self, jobs: Sequence[Job]) -> None:
        """Show the jobs that are in hand."""
        from pyro_bvae.sweeps import steps_taken

        is_due = monotonic() - self._looked >= SECONDS_BETWEEN_LOOKS or any(job.stops or job.notes for job in jobs)
        if not is_due and {job for job in jobs if job.worker} == self.running.keys():
            return
        self._looked = monotonic()
        self.running = {job: steps_taken(job.task.folder) for job in jobs if job.worker}
        for job in jobs:
            self._say_what_holds_it_up(job)
        if any(job.stops for job in self.running) and not self._stops:
            self._stops = True
            self.say(f"\nstopping: {_runs(len(self.running))} saving; Ctrl-C again does not wait for that")
        if jobs:
            self._worked = monotonic()
        elif self.done < self.total and self._is_silent(LONGEST_SILENCE if self._has_called else SECONDS_ALONE):
            self._has_called = True
            self.say("no worker is there yet: the runs begin when one joins, `dask worker ... --nthreads 1`")
        self._draw()

    def end(self, choice: Choice, row: RunRow | Exception) -> None:
        """Show that a run has ended."""
        is_failed = isinstance(row, Exception)
        self.done += 1
        self.failed += is_failed
        if not isinstance(row, Exception) and row.seconds is not None:
            self.seconds.append(row.seconds)
        self._bar.update()
        if self._bar.disable:
            self.say(f"{self.done}/{self.total} {named(choice)}" + " failed" * is_failed)
        self._draw()

    def say(self, line: str) -> None:
        """Write a line above the bars."""
        self._write(line, file=sys.stderr)
        sys.stderr.flush()
        self._spoken = monotonic()

    def close(self) -> None:
        """Leave the bar of all runs, and nothing else."""
        for bar in self._bars.values():
            bar.close()
        self._bar.close()

    def summary(self) -> str:
        """The counts, and the time that is left.

        The time follows from how long the training of others took, and how many run at a time.
        """
        waiting = self.total - self.done - len(self.running)
        counts = [f"{self.done}/{self.total} done"]
        counts += [f"{len(self.running)} running"] * bool(self.running)
        counts += [f"{waiting} waiting"] * bool(waiting)
        counts += [f"{self.failed} failed"] * bool(self.failed)
        left = self._seconds_left(waiting)
        return ", ".join(counts) + ("" if left is None else f", {self._bar.format_interval(left)} left")

    def _seconds_left(self, waiting: int) -> float | None:
        begun = [taken for taken in self.running.values() if taken is not None and taken.step]
        each = [*self.seconds, *(taken.seconds * taken.total / taken.step for taken in begun)]
        if not each or not self.running:
            return None
        rest = sum(taken.seconds * (taken.total - taken.step) / taken.step for taken in begun)
        return (rest + sum(each) / len(each) * (waiting + len(self.running) - len(begun))) / len(self.running)

    def _say_what_holds_it_up(self, job: Job) -> None:
        """Say what it warned of, that its worker was lost, or that another process has the run, once each."""
        for note in job.notes:
            self.say(f"Warning: {named(job.task)}: {as_options(one_line(note))}")
        job.notes = ()
        if job.lost > self._lost.get(job, 0):
            self._lost[job] = job.lost
            self.say(f"{named(job.task)}: {one_line(job.waits_for)}; it goes on elsewhere")
        elif job.waits_for and not job.lost and job not in self._waiting:
            self._waiting.add(job)
            self.say(f"{named(job.task)} waits: {one_line(job.waits_for.partition(': ')[0])}")

    def _is_silent(self, seconds: float) -> bool:
        return monotonic() - max(self._spoken, self._worked) > seconds

    def _draw(self) -> None:
        if self._bar.disable:
            if self.running and monotonic() - self._spoken > LONGEST_SILENCE:
                self.say(f"{self.summary()}: {self._each()}")
            return
        if self._has_text:
            self._bar.set_description_str(self.summary())
        for job in self._bars.keys() - self.running.keys():
            self._bars.pop(job).close()
        for job, taken in self.running.items():
            self._draw_one(job, taken)

    def _draw_one(self, job: Job, taken: StepsTaken | None) -> None:
        """Draw the bar of a run, where there is room for it."""
        from tqdm import tqdm

        if job not in self._bars:
            room = max(LEAST_BARS, shutil.get_terminal_size().lines - 3)
            places = {*range(1, room + 1)} - {-bar.pos for bar in self._bars.values()}
            if not places:
                return
            self._bars[job] = tqdm(total=1, position=min(places), leave=False, bar_format=LAYOUT, **shown())
        bar = self._bars[job]
        if taken is not None:
            bar.total, bar.n = taken.total, taken.step
        bar.set_description_str(_how_far(job, taken))

    def _each(self) -> str:
        some = [_how_far(job, taken) for job, taken in list(self.running.items())[:MOST_IN_A_LINE]]
        more = len(self.running) - len(some)
        return "; ".join(some) + f"; and {more} more" * bool(more)


def named(choice: Choice) -> str:
    """A run as lines name it."""
    return f"{choice.label}, seed {choice.settings['seed']}"


def _how_far(job: Job, taken: StepsTaken | None) -> str:
    run = short(named(job.task), LONGEST_LABEL)
    if taken is None:
        return run
    quality = f", loss {taken.loss:.2f}" if taken.loss is not None else ""
    quality = f", ELBO {taken.elbo:.2f}" if taken.elbo is not None else quality
    return f"{run}: step {taken.step:,} of {taken.total:,}{quality}"


def _runs(count: int) -> str:
    return "the run is" if count == 1 else f"{count} runs are"
