"""The settings of a fit, checked at the door, and the config.json that repeats it."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from math import ceil, isfinite
from operator import index
from typing import Any

import torch
from pyro.infer import ELBO

from ..datasets import Dataset
from ..model import BetaVAE
from ..settings.names import DATA_OPTIONS, FIGURES, OPTIMIZERS, PRECISIONS, check
from .folder import FORMAT
from ..schedules import Schedule
from ..settings.parsing import scheduled, specified

__all__ = ["SettingsError", "TrainingSettings", "check_same", "config_of", "weighs_rate"]

LENGTH = ("epochs", "steps")  # what a resumed run may change
COMPILATION = ("compile", "compile_because")  # and this too: the step is the same either way
NOT_SETTINGS = {*LENGTH, *COMPILATION, *FIGURES}
NOT_SETTINGS |= {"beta_norm", "covariance", "command", "recipe", "resumed", "ran_on", "versions"}


class SettingsError(ValueError):
    """A run is resumed with other settings than its own."""


@dataclass(frozen=True)
class TrainingSettings:
    """How long, how fast and on what a model is fitted; see `training.fit` for each.

    Raises:
        ValueError: A number is out of range or a name unknown.
    """

    optimizer: str = "rmsprop"
    lr: float = 1e-3
    lr_warmup: int = 0
    batch_size: int = 128
    epochs: int | None = None
    steps: int | None = None
    seed: int = 0
    device: str = "auto"
    eval_every: int | None = None
    checkpoint_every: int | None = None
    keep: int | str = 0
    match_rate: float | None = None
    compile: bool | None = None
    precision: str = "fp32"
    objective: str | None = "beta"
    beta_schedule: str | None = None

    def __post_init__(self) -> None:
        for name in ("lr_warmup", "batch_size", "epochs", "steps", "seed", "eval_every", "checkpoint_every"):
            if getattr(self, name) is not None:  # plain numbers, so that json can write them
                object.__setattr__(self, name, index(getattr(self, name)))
        check("optimizer", self.optimizer, OPTIMIZERS)
        check("precision", self.precision, PRECISIONS)
        if not (self.lr > 0 and isfinite(self.lr)):
            raise ValueError(f"lr must be a positive number, got {self.lr}")
        for name in ("batch_size", "epochs", "steps", "eval_every", "checkpoint_every"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if self.match_rate is not None and not (self.match_rate > 0 and isfinite(self.match_rate)):
            raise ValueError(f"match_rate is a rate in nats and must be positive, got {self.match_rate}")
        for name in ("lr_warmup", "seed"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0, got {getattr(self, name)}")
        if self.keep != "all" and (isinstance(self.keep, str) or self.keep < 0):
            raise ValueError(f"keep is a number of checkpoints or 'all', got {self.keep!r}")
        if self.objective is not None:
            object.__setattr__(self, "objective", specified(self.objective).text)
        if self.beta_schedule is not None and scheduled(self.beta_schedule, value=1.0)(0) < 0:
            raise ValueError(f"β must be at least 0, also at the start of {self.beta_schedule}")
        if self.match_rate is not None and self.beta_schedule is not None:
            raise ValueError("match_rate moves β by itself: leave beta_schedule out")
        if self.epochs is not None and self.steps is not None:
            raise ValueError("give epochs or steps, not both")
        if self.epochs is None and self.steps is None:
            object.__setattr__(self, "epochs", 100)

    def schedules(self, beta: float) -> tuple[Schedule | None, Mapping[str, Schedule]]:
        """That of the programs' β, which ends at ``beta``, and those of the objective's coefficients."""
        of_beta = None if self.beta_schedule is None else scheduled(self.beta_schedule, beta)
        return of_beta, {} if self.objective is None else specified(self.objective).schedules

    def batch(self, size: int) -> int:
        """Images a step, for a training set of ``size``."""
        return min(self.batch_size, size)

    def steps_per_epoch(self, size: int) -> int:
        """Steps that see each of ``size`` training images once; the last may be a short batch."""
        return ceil(size / self.batch(size))

    def total(self, size: int) -> int:
        """Steps of the whole fit, for a training set of ``size``."""
        return self.steps if self.steps is not None else (self.epochs or 0) * self.steps_per_epoch(size)


def config_of(
    vae: BetaVAE, dataset: Dataset, settings: TrainingSettings, elbo: ELBO, device: torch.device
) -> dict[str, Any]:
    """All it takes to repeat a fit, as plain data: the content of config.json.

    Args:
        vae: The model, with the β that training starts from.
        dataset: The data.
        settings: Of the training.
        elbo: What is minimised.
        device: Where it runs.
    """
    packages = ("pyro-bvae", "pyro-ppl", "torch", "numpy")
    return {
        "format": FORMAT,
        "dataset": dataset.name,
        "data_root": None,
        **dict.fromkeys(DATA_OPTIONS),
        **dataset.options,
        "source": dataset.source,
        "covariance": None if dataset.covariance is None else dataset.covariance.tolist(),
        "can_be_loaded": bool(dataset.options),
        "fingerprint": dataset.fingerprint,
        "train_images": len(dataset.train),
        "held_out_images": len(dataset.held_out),
        **vae.settings,
        "custom": vae.custom,
        "beta": vae.beta_value,
        "beta_norm": vae.beta_norm,
        "elbo": _said(elbo),
        **asdict(settings),
        "ran_on": str(device),
        "command": None,
        "versions": {"python": platform.python_version(), **{package: version(package) for package in packages}},
    }


def _said(elbo: ELBO) -> str:
    settings = getattr(elbo, "settings", {"num_particles": elbo.num_particles})
    return f"{type(elbo).__name__}({', '.join(f'{name}={value}' for name, value in settings.items())})"


def weighs_rate(config: Mapping[str, Any]) -> bool:
    """Whether a run minimised D + βR, with the β of the programs and nothing else."""
    return str(config["elbo"]).partition("(")[0] in ("TraceMeanField_ELBO", "Trace_ELBO")


def check_same(config: Mapping[str, Any], stored: Mapping[str, Any]) -> None:
    """Refuse to go on with a run under other settings than its own, its length aside.

    Args:
        config: What is asked for.
        stored: What the run has.

    Raises:
        SettingsError: The message names what differs.
    """
    defaults = asdict(TrainingSettings())  # an older run does not have all names
    differ = [
        f"{name} is {stored.get(name)!r} in the run and {value!r} here"
        for name, value in config.items()
        if name not in NOT_SETTINGS and stored.get(name, defaults.get(name, value)) != value
    ]
    if differ:
        raise SettingsError(f"cannot resume with other settings: {'; '.join(differ)}")
