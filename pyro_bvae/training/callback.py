"""What may look at a fit while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..runs import Run
    from .state import Training

__all__ = ["Callback"]


class Callback:
    """Override any of the methods. `fit` itself prints and draws nothing.

    Attributes:
        is_on_every_rank: Whether each rank of a fit calls it, where there are several. What changes the fit has to be;
            what only looks on sets it to False, and is called on the first rank alone.
    """

    is_on_every_rank = True

    def on_start(self, run: Run, training: Training) -> None:
        """Before the first step; after a resume, ``training.step`` is where it goes on."""

    def on_step(self, training: Training) -> None:
        """After each step. ``training.vae.beta`` may be changed here: a schedule is ``vae.beta = schedule(step)``."""

    def on_record(self, record: dict[str, Any]) -> None:
        """After each line of the history."""

    def on_stop(self) -> None:
        """When training stops, for whatever reason."""

    def on_end(self, run: Run) -> None:
        """After the last step, with everything saved."""
