"""What a report says of a run: its numbers, taken once, and what is missing for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..codes import site_of
from ..comparison import RunRow, row_of
from ..datasets import Dataset, Progress, Rows, log_likelihood, pixels
from ..evaluation import Diagnosis, diagnose
from ..generation import sample
from ..runs.run import Run
from ..settings.spelling import as_options
from ..settings.words import number, plain
from ..terms import batches, count_active, kl_of_site
from ..traversal import first_of

__all__ = ["Measured", "measure", "names_of", "without_path"]


@dataclass(frozen=True)
class Measured:
    """A run and what was measured of it.

    Attributes:
        run: The run.
        title: What it is called in the report.
        typed: Its folder as a command would name it; None for one in memory.
        data: The data; None where they cannot be loaded.
        missing: Why not, in a sentence; "" where they can.
        row: The numbers on held-out data; None where there are none.
        diagnosis: What is wrong with the run, with options in the place of arguments; None where nothing is.
        log_likelihood: The mean log p(x) of the held-out data under what they were drawn from, nats; None where that is
            not known.
    """

    run: Run
    title: str
    typed: str | None
    data: Dataset | None
    missing: str
    row: RunRow | None
    diagnosis: Diagnosis | None
    log_likelihood: float | None = None

    @property
    def config(self) -> dict[str, Any]:
        """The run's settings."""
        return self.run.config

    @property
    def dataset(self) -> str:
        """The name of the data, without the path to them."""
        return without_path(self.config["dataset"])

    @property
    def is_images(self) -> bool:
        """Whether the data are images."""
        return len(self.run.model.shape) == 3

    @property
    def datum(self) -> str:
        """What a datum is called."""
        return "image" if self.is_images else "vector"

    @property
    def held_out(self) -> Tensor | None:
        """The held-out data ``(N, *shape)``; None where they cannot be loaded."""
        return None if self.data is None else self.data.images[self.data.held_out]

    @property
    def rows(self) -> Rows | None:
        """The same with what stands beside them."""
        return None if self.data is None else self.data.rows(self.data.held_out)

    @cached_property
    def site(self) -> str:
        """The latent site whose latents are looked at."""
        vae = self.run.model
        return site_of(vae, None, **first_of(vae, self.data))

    @property
    def last(self) -> dict[str, Any]:
        """The last line of the history; empty where there is none."""
        return self.run.history[-1] if self.run.history else {}

    @property
    def kl(self) -> list[float] | None:
        """The mean KL of each latent on held-out data, nats; None where it is not known."""
        kl = self.last.get("held_out_kl_per_latent") if self.row is None else self.row.kl_per_latent
        kl = kl_of_site(self.site, self.run.units, kl) if kl and len(self.run.units) == len(kl) else kl
        return kl if kl is not None and all(map(isfinite, kl)) else None

    @property
    def sizes(self) -> tuple[int, int]:
        """How many training and held-out data there are; 0 where an older run does not say."""
        if self.data is not None:
            return len(self.data.train), len(self.data.held_out)
        return self.config.get("train_images", 0), self.config.get("held_out_images", 0)

    def unit(self, latent: int) -> str:
        """What a latent is called."""
        return f"z{latent}" if self.site == "z" else f"{self.site}[{latent}]"

    @property
    def terms(self) -> tuple[float, float] | None:
        """Distortion and rate of the held-out data, nats; None where they are not known."""
        if self.row is not None:
            return self.row.distortion, self.row.rate
        return (self.last["held_out_distortion"], self.last["held_out_rate"]) if self.last else None

    @property
    def active(self) -> int | None:
        """How many latents have a KL above 0.01 nats; None where it is not known."""
        return count_active(self.kl)

    @property
    def beta(self) -> float:
        """β at the end of the training."""
        return float(self.last.get("beta", self.config["beta"]))

    def beside(self, count: int) -> dict[str, Tensor]:
        """What the programs take beside those data; nothing where there are none."""
        rows = self.rows
        return {} if rows is None else next(batches(self.run.model, rows[:count], count))[2]

    def some_data(self, count: int) -> Tensor:
        """A few data as the programs take them: held-out ones, or draws of the model where there are none."""
        held_out = self.held_out
        x = sample(self.run.model, count, draw=True)[1] if held_out is None else pixels(held_out[:count])
        x = x.to(self.run.model.beta)
        return self.run.model.prepare(x, torch.Generator(x.device).manual_seed(0))


def measure(run: Run, title: str, row: RunRow | None = None, progress: Progress | None = None) -> Measured:
    """Take the numbers of a run.

    Args:
        run: The run.
        title: What to call it.
        row: Its numbers, where they were taken before.
        progress: Called while data load.
    """
    data, missing = _data_of(run, progress)
    if row is None:
        try:
            row = row_of(run, title)
        except (OSError, ValueError):
            row = None  # `missing` says why
    diagnosis = diagnose(run)
    known = None
    if data is not None and data.covariance is not None:
        known = log_likelihood(data.images[data.held_out], data.covariance)
    return Measured(
        run=run,
        title=title,
        typed=_typed(run.path),
        data=data,
        missing=missing,
        row=row,
        diagnosis=diagnosis and replace(diagnosis, remedy=as_options(diagnosis.remedy)),
        log_likelihood=known,
    )


def _data_of(run: Run, progress: Progress | None) -> tuple[Dataset | None, str]:
    """The data of a run; or None, and a sentence that says why, without the path to them."""
    name = without_path(run.config["dataset"])
    try:
        return run.dataset(progress), ""
    except OSError:
        return None, f"The data, {name}, are not where they were, and were not read for this report."
    except ValueError:
        is_stored = run.config["can_be_loaded"]
        why = "are not, or no longer, those of the run" if is_stored else "were in memory, and are not stored"
        return None, f"The data, {name}, {why}: they were not read for this report."


def names_of(runs: Sequence[Run]) -> list[str]:
    """What runs are called: by their folder, with the one above it where two have one name, and never by more."""
    names = [_name(run) for run in runs]
    above = [name if run.path is None or names.count(name) == 1 else f"{run.path.resolve().parent.name}/{name}"
             for run, name in zip(runs, names, strict=True)]  # fmt: skip
    return [f"{name} ({place})" if above.count(name) > 1 else name for place, name in enumerate(above, start=1)]


def _name(run: Run) -> str:
    if run.path is None:
        return f"{without_path(run.config['dataset'])}, β {number(run.config['beta'])}"
    return plain(run.path.resolve().name)


def _typed(path: Path | None) -> str | None:
    """A run's folder as it was typed, and its last part alone where it would say where things lie on this machine."""
    if path is None:
        return None
    return path.resolve().name if path.is_absolute() or ".." in path.parts else str(path)


def without_path(dataset: str) -> str:
    """The name of a data set with the last part of its path alone.

    >>> without_path("folder:/home/me/photos"), without_path("digits")
    ('folder:photos', 'digits')
    """
    kind, colon, path = dataset.partition(":")
    return f"{kind}:{plain(Path(path).name)}" if colon else plain(kind)
