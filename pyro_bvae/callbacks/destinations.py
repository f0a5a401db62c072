"""What a tracker of experiments is told of a fit, whichever it is.

A line of the history is numbers by their names, with the part that they belong to before a slash:

    training/loss  training/rate  ...  held_out/elbo  ...  kl/z0  kl/z1  ...  steps/beta  steps/seconds  ...

``kl/`` is the KL of each latent on held-out data, nats a datum, and ``training_kl/`` that of training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL.Image import Image

from ..runs.run import Run
from ..settings.options import FIGURES, SETTINGS
from ..terms import count_active

__all__ = ["Destination", "Opened", "Tracked", "hyperparameters", "numbers_of"]

PROJECT = "pyro-bvae"  # of the trackers that want one, unless their environment variables name another
MOST_LINES = 256  # latents; the KL of more is a histogram alone
LISTS = {"kl_per_latent": "training_kl", "held_out_kl_per_latent": "kl"}
OF_TRAINING = ("loss", "distortion", "rate")


@dataclass(frozen=True)
class Tracked:
    """The fit that is to be tracked.

    Attributes:
        name: What to call it.
        group: What it belongs to, a comparison, if anything.
        config: Its settings.
        folder: Of the run; None where it is in memory.
        id: Under which the destination knows the run already; None where it does not.
        sent: The step of the last line that was sent; 0 for none.
        kept: The step of the last line that the history has; below ``sent`` after a resume that cut lines.
    """

    name: str
    group: str | None
    config: Mapping[str, Any]
    folder: Path | None
    id: str | None = None
    sent: int = 0
    kept: int = 0


@dataclass(frozen=True)
class Opened:
    """A run of a tracker.

    Attributes:
        place: Where to look at it: a folder or an address.
        id: Under which it can be opened again; None where the folder of the run is enough.
        has: The step of the last line that it has.
    """

    place: str
    id: str | None = None
    has: int = 0


class Destination:
    """Where a tracker sends a fit to. Override what it can take."""

    def begin(self, tracked: Tracked) -> Opened:
        """Begin a run, or go on with one."""
        return Opened(tracked.name, has=tracked.sent)

    def line(self, numbers: Mapping[str, float], kl: Sequence[float] | None, step: int) -> None:
        """Take the numbers of a line of the history, and the KL of each latent for a histogram."""

    def picture(self, name: str, picture: Image, step: int) -> None:
        """Take a picture."""

    def codes(self, run: Run) -> None:
        """Take the codes of the held-out data."""

    def end(self, is_finished: bool) -> None:
        """Close the run: the fit has all its steps, or was stopped."""


def numbers_of(record: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a line of the history, by their names.

    >>> numbers_of({"step": 9, "loss": 5.0, "held_out_kl_per_latent": [0.5, 0.0], "beta": 2.0})
    {'training/loss': 5.0, 'kl/z0': 0.5, 'kl/z1': 0.0, 'held_out/active_units': 1, 'steps/beta': 2.0}
    """
    numbers: dict[str, float] = {}
    for name, value in record.items():
        if name in LISTS and value is not None:
            if len(value) <= MOST_LINES:
                numbers |= {f"{LISTS[name]}/z{latent}": kl for latent, kl in enumerate(value)}
            if LISTS[name] == "kl":
                numbers["held_out/active_units"] = count_active(value) or 0
        elif isinstance(value, Mapping):
            numbers |= {f"{name}/{part}": number for part, number in value.items()}
        elif name != "step" and value is not None:
            numbers[_name(name)] = value
    return numbers


def _name(name: str) -> str:
    if name.startswith("held_out_"):
        return name.replace("held_out_", "held_out/", 1)
    return f"training/{name}" if name in OF_TRAINING else f"steps/{name}"


def hyperparameters(config: Mapping[str, Any]) -> dict[str, bool | float | str]:
    """The settings of a fit that have a value, without those of its pictures; lists are texts.

    >>> hyperparameters({"beta": 4.0, "hidden": [400, 200], "scale": None, "figures": True})
    {'hidden': '400,200', 'beta': 4.0}
    """
    given = {name: config[name] for name in SETTINGS if config.get(name) is not None and name not in FIGURES}
    return {
        name: value if isinstance(value, bool | int | float | str) else ",".join(map(str, value))
        for name, value in given.items()
    }
