"""Trackers that take ``log(dict, step=...)``: Weights & Biases, trackio, or one of your own.

Where nobody is logged in, W&B is offline: it writes a folder ``wandb``, which ``wandb sync`` sends later. WANDB_MODE
overrules that. Its other variables and those of trackio count as well: WANDB_PROJECT, WANDB_DIR, TRACKIO_DIR and so on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

from PIL.Image import Image

from ..files import wanted
from .destinations import PROJECT, Destination, Opened, Tracked

__all__ = ["Log", "Logger", "open_trackio", "open_wandb"]

NOWHERE = Opened("a log")


@dataclass(frozen=True)
class Log:
    """An open log.

    Attributes:
        log: Takes a dict and ``step=``.
        picture: Makes of a picture what ``log`` takes; without it, pictures are left out.
        histogram: The same of the KL of each latent.
        finish: Closes the log; is called with whether the fit has all its steps.
        opened: What is known of the run.
    """

    log: Callable[..., Any]
    picture: Callable[[Image], Any] | None = None
    histogram: Callable[[Sequence[float]], Any] | None = None
    finish: Callable[[bool], Any] | None = None
    opened: Opened = NOWHERE


class Logger(Destination):
    """Sends a fit to a log.

    Args:
        opener: Opens the log of a fit.
    """

    def __init__(self, opener: Callable[[Tracked], Log]) -> None:
        self.opener = opener

    def begin(self, tracked: Tracked) -> Opened:
        """Open the log."""
        self._log = self.opener(tracked)
        return self._log.opened

    def line(self, numbers: Mapping[str, float], kl: Sequence[float] | None, step: int) -> None:
        """Log the numbers, and the histogram if it takes any."""
        histogram = None if kl is None or self._log.histogram is None else self._log.histogram(kl)
        self._log.log({**numbers, **({} if histogram is None else {"kl_per_latent": histogram})}, step=step)

    def picture(self, name: str, picture: Image, step: int) -> None:
        """Log a picture, if it takes any."""
        if self._log.picture is not None:
            self._log.log({name: self._log.picture(picture)}, step=step)

    def end(self, is_finished: bool) -> None:
        """Close the log, if it was opened here."""
        if self._log.finish is not None:
            self._log.finish(is_finished)


def open_wandb(tracked: Tracked) -> Log:
    """Begin a run of Weights & Biases, or go on with it. Nobody is asked for a key."""
    wandb = wanted("wandb", "the tracker wandb", "trackers")
    online = "WANDB_MODE" in os.environ or wandb.login(prompt=False, verify=False)
    run = wandb.init(
        project=os.environ.get("WANDB_PROJECT", PROJECT),
        name=os.environ.get("WANDB_NAME", tracked.name),
        group=os.environ.get("WANDB_RUN_GROUP", tracked.group),
        id=tracked.id or token_hex(4),
        resume="allow",
        dir=os.environ.get("WANDB_DIR", os.getcwd()),  # as it is now, other than when wandb was first used
        mode=None if online else "offline",
        config=dict(tracked.config),
        reinit="create_new",
        settings=wandb.Settings(console="off", silent=True),
    )
    place = str(Path(run.dir).parent) if run.settings.mode != "online" else run.url
    return Log(
        run.log,
        picture=wandb.Image,
        histogram=wandb.Histogram,
        finish=lambda is_finished: run.finish(exit_code=0 if is_finished else 1),
        opened=Opened(place, run.id, tracked.sent),
    )


def open_trackio(tracked: Tracked) -> Log:
    """Begin a run of trackio, or go on with it; in its name there is an id, for trackio knows runs by their names."""
    trackio = wanted("trackio", "the tracker trackio", "trackio")
    name = tracked.id or f"{tracked.name}-{token_hex(2)}"
    run = trackio.init(
        project=PROJECT, name=name, group=tracked.group, config=dict(tracked.config), resume="allow", embed=False
    )
    return Log(
        run.log,
        picture=trackio.Image,
        histogram=trackio.Histogram,
        finish=lambda _: trackio.finish(),
        opened=Opened(f"project {PROJECT}, run {name}", name, tracked.sent),
    )
