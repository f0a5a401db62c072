"""Small fits for workers, one that is killed in the middle, and whether two ended alike."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from pyro_bvae import Callback
from pyro_bvae.comparison import Choice, choices_of
from pyro_bvae.settings.options import DEFAULTS, SETTINGS
from pyro_bvae.training import Training

SMALL = {"image_size": 8, "hidden": (8,), "latent_dim": 2, "compile": False, "figures": False, "threads": 1}
TIMES = ("seconds", "since")  # of a checkpoint
SMALL |= {"steps": 60, "checkpoint_every": 20, "eval_every": 15}


def small_choices(out: Path, seeds: Sequence[int], **settings: Any) -> list[Choice]:
    """A fit a seed."""
    given = {**DEFAULTS, **SMALL, **settings}
    return choices_of({name: [given[name]] for name in SETTINGS if name != "seed"}, seeds, out)


def same_checkpoint(one: Choice, other: Choice) -> bool:
    """Whether two fits ended with the same parameters, optimiser and generator, bit for bit."""
    return _same(*(torch.load(choice.folder / "checkpoint.pt", weights_only=True) for choice in (one, other)))


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one if name not in TIMES)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def within(seconds: float, happens: Callable[[], object]) -> bool:
    """Whether something happens in that time."""
    deadline = time.monotonic() + seconds
    while not happens() and time.monotonic() < deadline:
        time.sleep(0.05)
    return bool(happens())


class KillOnce(Callback):
    """Kills the process of a fit in the middle, and that of its next try too, as often as is said.

    Args:
        folder: Where it notes how often it has done so.
        times: How often.
        step: After which step.
        number: The signal.
    """

    def __init__(self, folder: Path, times: int = 1, step: int = 30, number: int = signal.SIGKILL) -> None:
        self.folder, self.times, self.step, self.number = folder, times, step, number

    @property
    def count(self) -> int:
        return len(list(self.folder.glob("killed-*")))

    def on_step(self, training: Training) -> None:
        if training.step == self.step and self.count < self.times:
            (self.folder / f"killed-{self.count}").touch()
            os.kill(os.getpid(), self.number)
