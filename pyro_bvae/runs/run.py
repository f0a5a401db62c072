"""A run: a fitted model with its settings and history, in memory or loaded from its folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..datasets import Dataset, Progress
from ..model import BetaVAE
from .building import build_model, load_data
from .folder import RunFolder

__all__ = ["Run", "load_run"]


@dataclass(eq=False, repr=False)
class Run:
    """What `fit` returns and `load_run` restores.

    Attributes:
        model: The programs, with the parameters of the checkpoint.
        config: Every setting, as in config.json.
        history: One mapping a logging interval, as in history.jsonl.
        step: Training steps taken.
        path: The run folder, if there is one.
    """

    model: BetaVAE
    config: dict[str, Any]
    history: list[dict[str, Any]]
    step: int
    path: Path | None = None
    _dataset: Dataset | None = None

    def __repr__(self) -> str:
        where = "in memory" if self.path is None else str(self.path)
        return f"<Run {where}: {self.config['dataset']}, β {self.config['beta']:g}, step {self.step:,}>"

    def dataset(self, progress: Progress | None = None) -> Dataset:
        """The data the model was fitted to.

        Args:
            progress: Called while they load.

        Raises:
            ValueError: The data were in memory, or are no longer those of the run.
            OSError: They cannot be read.
        """
        if self._dataset is None:
            config = self.config
            if not config["can_be_loaded"]:
                raise ValueError(f"the dataset {config['dataset']!r} was in memory and is not stored in the run")
            data = load_data(config, progress)
            if data.fingerprint != config["fingerprint"]:
                raise ValueError(f"the dataset {config['dataset']} has changed since the run: its fingerprint differs")
            self._dataset = data
        return self._dataset


def load_run(
    path: str | os.PathLike[str],
    model: BetaVAE | None = None,
    *,
    device: torch.device | str = "cpu",
    at: int | None = None,
) -> Run:
    """Restore a run from its folder.

    Args:
        path: The run folder.
        model: A model of the run's structure to load the parameters into; wanted for a run with classes of your own.
        device: Where the model goes.
        at: A step that has a numbered checkpoint, in place of the latest.

    Returns:
        The run, with the β that training had at that step.

    Raises:
        FileNotFoundError: No run, or no such checkpoint.
        ValueError: Damaged files, another format, a class that only you have, or a model that does not fit.
    """
    folder = RunFolder(path)
    config = folder.read_config()
    state = folder.load(at, device)
    vae = _rebuild(config, state["model"]) if model is None else model
    vae.beta = state["beta"]
    try:
        vae.load_state_dict(state["model"])
    except RuntimeError as error:
        raise ValueError(f"the checkpoint of {path} does not fit the model: {str(error).splitlines()[-1]}") from error
    history = [record for record in folder.read_history() if record["step"] <= state["step"]]
    return Run(vae.to(device), config, history, state["step"], folder.path)


def _rebuild(config: dict[str, Any], weights: dict[str, Any]) -> BetaVAE:
    """The model that a config describes, of the precision of its weights."""
    if config["custom"]:
        classes = ", ".join(f"{part} {name}" for part, name in config["custom"].items())
        raise ValueError(f"the run uses classes of your own ({classes}): build it and call load_run(path, model=...)")
    dtype = next(value.dtype for value in weights.values() if isinstance(value, Tensor) and value.is_floating_point())
    return build_model(config, tuple(config["shape"])).to(dtype)
