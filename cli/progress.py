"""Progress of what takes long before or beside a fit: loading, downloading, decoding."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from pyro_bvae.files import is_terminal
from pyro_bvae.settings.words import plain

if TYPE_CHECKING:
    from pyro_bvae import Callback, Run
    from pyro_bvae.training.state import Training

__all__ = ["LONGEST_SILENCE", "Counter", "LoadingBar", "heading", "shown", "waiting_for"]

LONGEST_SILENCE = 60.0  # seconds, after which work that has not been announced gets a line where there is no terminal


class LoadingBar:
    """A bar on standard error for each thing that is done; where there is no terminal, a line each."""

    def __init__(self) -> None:
        self._what: str | None = None
        self._bar: Any = None

    def __call__(self, what: str, done: int, total: int) -> None:
        """Move the bar of ``what``."""
        from tqdm import tqdm

        if what != self._what:
            if self._what is not None:
                self._bar.close()
            self._what = what
            self._bar = tqdm(total=total, desc=what, unit_scale=True, **shown())
            if self._bar.disable:
                sys.stderr.write(f"{what} ({total:,}) ...\n" if total > 1 else f"{what} ...\n")
                sys.stderr.flush()
        self._bar.update(done - self._bar.n)
        if done >= total:
            self._bar.close()
            self._what = None


class Counter:
    """How far the work is, on standard error: a bar in a terminal, which leaves nothing behind, and lines elsewhere.

    Args:
        silence: Seconds after which the work gets a line where there is no terminal, and a further one each time that
            as many have passed; at 0 each thing that is done has one line.
    """

    def __init__(self, silence: float = 0.0) -> None:
        from tqdm import tqdm

        self._bar = tqdm(leave=False, delay=1.0 if silence else 0.0, **shown())
        self._silence, self._spoken, self._said = silence, monotonic(), ""

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show it."""
        if not self._bar.disable:
            self._bar.total = total
            self._bar.set_description_str(what, refresh=False)
            self._bar.update(done - self._bar.n)
        elif not self._silence:
            self._write(what)
        elif monotonic() - self._spoken > self._silence:
            self._write(f"{what}: {done:,} of {total:,}")

    def _write(self, line: str) -> None:
        if line != self._said:
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()
        self._spoken, self._said = monotonic(), line

    def close(self) -> None:
        """Leave nothing behind."""
        self._bar.close()


def waiting_for(folder: Path) -> Callable[[str], None]:
    """A callback for whoever waits until nobody else writes in a folder: it says for whom, once each."""
    said: set[str] = set()

    def waiting(holder: str) -> None:
        if holder not in said:
            sys.stderr.write(f"{plain(folder)} is being written by {plain(holder)}: waiting\n")
            sys.stderr.flush()
        said.add(holder)

    return waiting


def shown() -> dict[str, Any]:
    """How every bar is drawn, if at all."""
    return {"file": sys.stderr, "disable": not is_terminal(sys.stderr), "dynamic_ncols": True}


def heading() -> Callback:
    """A callback that says which run begins, where there are several."""
    from tqdm import tqdm

    from pyro_bvae import Callback

    class Heading(Callback):
        def on_start(self, run: Run, training: Training) -> None:  # noqa: ARG002
            tqdm.write(plain(run.path), file=sys.stderr)

    return Heading()
