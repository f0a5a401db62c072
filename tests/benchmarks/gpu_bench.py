"""What the sections of `gpu.py` share: isolated measurements, clocks that wait for the device, fits by the step."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import pyro
import torch
from pyro.infer import ELBO, TraceMeanField_ELBO

from pyro_bvae import BetaVAE
from pyro_bvae.compiled import inductor
from pyro_bvae.datasets import Dataset
from pyro_bvae.settings.training import TrainingSettings
from pyro_bvae.training import Training
from pyro_bvae.training.scope import fit_scope

__all__ = ["BROKEN", "Bench", "fitting", "kernels", "noise", "say", "seconds_of", "squares", "synchronize"]

BROKEN = 3  # exit status after an error of the device, which spoils all that the process would do after it
TAKERS = ("eager", "recorded", "compiled", "replayed")


@dataclass
class Bench:
    """Where a section measures, and the file that its results go to, one after the other.

    Attributes:
        device: Where.
        is_quick: Whether sizes are tiny, to rehearse.
        data_root: Where MNIST lies; noise takes its place without.
        file: Holds the results as JSON, also those of an earlier process of the same part.
        part: Which part of a section this process takes, and of how many.
    """

    device: torch.device
    is_quick: bool
    data_root: str | None
    file: Path
    part: tuple[int, int] = (0, 1)
    results: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.file.exists():
            self.results = json.loads(self.file.read_text(encoding="utf-8"))

    def take(self, name: str, work: Callable[..., dict[str, Any]], *arguments: Any) -> None:
        """Measure one thing and keep the result, or the traceback; what was measured before is not measured again."""
        if name in self.results:
            return
        self._keep(name, {"error": "the process ended here, by its time limit or a fault of the device"})
        say(f"    {name}")
        start = perf_counter()
        try:
            result = work(*arguments)
        except Exception as error:  # whatever it is, the others are to be measured
            self._keep(name, {"error": traceback.format_exc()})
            say(f"    {name} FAILED: {type(error).__name__}: {str(error)[:300]}")
            if "CUDA error" in str(error):
                raise SystemExit(BROKEN) from error
        else:
            self._keep(name, result | {"took": round(perf_counter() - start, 2)})

    def is_mine(self, position: int) -> bool:
        """Whether the part of this process has the setting at that position."""
        mine, parts = self.part
        return position % parts == mine

    def _keep(self, name: str, result: dict[str, Any]) -> None:
        self.results[name] = result
        partial = self.file.with_suffix(".partial")
        partial.write_text(json.dumps(self.results, indent=2), encoding="utf-8")
        partial.replace(self.file)


def say(text: str) -> None:
    """Progress, with the time of day."""
    sys.stderr.write(f"{datetime.now():%H:%M:%S} {text}\n")
    sys.stderr.flush()


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what was asked of it; a clock read before says how long asking took."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds_of(work: Callable[[], object], repeats: int, device: torch.device, series: int = 5) -> float:
    """Seconds of one of many calls without waiting in between, the median of a few series."""
    means = []
    for _ in range(series):
        synchronize(device)  # else the work of the series before is counted
        start = perf_counter()
        for _ in range(repeats):
            work()
        synchronize(device)  # the calls return long before their kernels have run
        means.append((perf_counter() - start) / repeats)
    return median(means)


def noise(count: int, shape: tuple[int, ...]) -> Dataset:
    """Random images, the same each time, as if of two factors."""
    images = torch.randint(0, 256, (count + 8, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    factors = torch.stack([torch.arange(count + 8) // 4, torch.arange(count + 8) % 4], dim=1)
    return Dataset("noise", images, train=torch.arange(count), held_out=torch.arange(count, count + 8), factors=factors)


def squares(count: int) -> Dataset:
    """White squares somewhere on 64×64 pixels, the same each time; with noise, Adagrad at 1e-2 diverges."""
    corners = torch.randint(0, 48, (count + 8, 2), generator=torch.Generator().manual_seed(0))
    rows, columns = (((inside := torch.arange(64) - corner[:, None]) >= 0) & (inside < 16) for corner in corners.T)
    images = (rows[:, :, None] & columns[:, None, :])[:, None] * torch.tensor(255, dtype=torch.uint8)  # (N, 1, 64, 64)
    return Dataset("squares", images, train=torch.arange(count), held_out=torch.arange(count, count + 8))


@contextmanager
def fitting(
    vae: BetaVAE, data: Dataset, settings: TrainingSettings, taker: str, elbo: ELBO | None = None, compiler: Any = None
) -> Iterator[Training]:
    """The loop of `fit`, to be taken step by step.

    Args:
        vae: On its device.
        data: What is fitted.
        settings: Of the fit.
        taker: "eager", "recorded" (the graph as it is), "compiled" (called directly), or "replayed" (as a CUDA graph).
        elbo: What is minimised; by default that of the β-VAE.
        compiler: Takes inductor's place.
    """
    with fit_scope(vae, 0, vae.beta.device), pyro.validation_enabled(False):
        training = Training(vae, data, settings, TraceMeanField_ELBO() if elbo is None else elbo)
        if taker != "eager":
            compiled_step = training.compile(None if taker == "recorded" else compiler or inductor)
            if taker == "replayed":
                training.replay(compiled_step)
        yield training


def kernels(work: Callable[[], object], repeats: int, device: torch.device, most: int = 20) -> list[dict[str, Any]]:
    """The kernels of one call that take longest: name, microseconds and number of launches a call."""
    activity = torch.profiler.ProfilerActivity
    with torch.profiler.profile(activities=[activity.CUDA if device.type == "cuda" else activity.CPU]) as profiler:
        for _ in range(repeats):
            work()
        synchronize(device)
    there = [event for event in profiler.key_averages() if event.device_type.name == device.type.upper()]
    events = [(event.self_device_time_total or event.self_cpu_time_total, event) for event in there]
    events.sort(key=lambda pair: -pair[0])
    return [
        {"name": event.key[:110], "us": round(time / repeats, 2), "launches": round(event.count / repeats, 2)}
        for time, event in events[:most]
    ]
