"""Trackers that keep what they were sent, for tests."""

from __future__ import annotations

import os
import random
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from trackers import Lines

from pyro_bvae import Callback
from pyro_bvae.callbacks import Destination, Tracker
from pyro_bvae.callbacks.destinations import Opened, Tracked, numbers_of
from pyro_bvae.training import Training


class Kept(Destination):
    """Keeps what it was sent, and does what a rough package does to a process."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.fails_at = fails_at
        self.lines: Lines = {}
        self.pictures: list[tuple[str, int]] = []
        self.tracked: list[Tracked] = []
        self.ends: list[bool] = []

    def begin(self, tracked: Tracked) -> Opened:
        self.tracked.append(tracked)
        self.disturb()
        return Opened("here", "one", tracked.sent)

    def line(self, numbers: Mapping[str, float], kl: Sequence[float] | None, step: int) -> None:  # noqa: ARG002
        self.disturb()
        if self.fails_at is not None and step >= self.fails_at:
            raise ConnectionError("the server is gone")
        assert step not in self.lines
        self.lines[step] = dict(numbers)

    def picture(self, name: str, picture: Image.Image, step: int) -> None:  # noqa: ARG002
        self.disturb()
        self.pictures.append((name, step))

    def end(self, is_finished: bool) -> None:
        self.ends.append(is_finished)

    def disturb(self) -> None:
        random.seed(7)
        np.random.seed(7)
        torch.manual_seed(7)
        sys.excepthook, sys.exit = (lambda *_: None), (lambda *_: None)
        print("hello")


def lines_of(history: Sequence[Mapping[str, Any]]) -> Lines:
    return {record["step"]: numbers_of(record) for record in history}


def same_lines(one: Lines, other: Lines, digits: float = 1e-6) -> bool:
    """Whether lines have the same steps and names, and numbers that are the same up to 32 bits."""
    assert {step: set(line) for step, line in one.items()} == {step: set(line) for step, line in other.items()}
    return all(
        value == pytest.approx(other[step][name], rel=digits, abs=1e-12)
        for step, line in one.items()
        for name, value in line.items()
    )


def known_by(name: str, to: Destination, **options: Any) -> Tracker:
    """A tracker with a run of its own in trackers.json, as those with names have."""
    made = Tracker(to, **options)
    made.name, made.known = name, True
    return made


def imported(name: str) -> str:
    """The name of a tracker whose package is installed."""
    pytest.importorskip({"tensorboard": "tensorboard", "wandb": "wandb"}.get(name, name))
    return name


class Stop(Callback):
    """Ctrl-C after a step."""

    def __init__(self, after: int) -> None:
        self.after = after

    def on_step(self, training: Training) -> None:
        if training.step == self.after:
            os.kill(os.getpid(), signal.SIGINT)
