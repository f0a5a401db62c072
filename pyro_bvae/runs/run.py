"""A run: a fitted model with its settings and history, in memory or loaded from its folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..datasets import Dataset, Progress
from ..model import BetaVAE
from ..programs import adopted
from ..settings.program_text import own_parts
from .building import build_model, data_of_run, moved
from .bundle import stored_run
from .latent_names import latent_names
from .programs import Given, program_of_run

__all__ = ["Run", "load_run"]


@dataclass(eq=False, repr=False)
class Run:
    """What `fit` returns and `load_run` restores.

    Attributes:
        model: The programs, with the parameters of the checkpoint.
        config: Every setting, as in config.json.
        history: One mapping a logging interval, as in history.jsonl.
        step: Training steps taken.
        path: The run folder or file, if there is one.
        notes: What a resumed fit has to say: under which other conditions it goes on, and what it set aside.
    """

    model: BetaVAE
    config: dict[str, Any]
    history: list[dict[str, Any]]
    step: int
    path: Path | None = None
    notes: list[str] = field(default_factory=list)
    _dataset: Dataset | None = None

    def __repr__(self) -> str:
        where = "in memory" if self.path is None else str(self.path)
        return f"<Run {where}: {self.config['dataset']}, β {self.config['beta']:g}, step {self.step:,}>"

    @property
    def latent_names(self) -> dict[int, str]:
        """What the user calls its latents, by their numbers, in the run's names.json."""
        return {} if self.path is None else latent_names(self.path)

    @property
    def units(self) -> list[str]:
        """What each KL of its history is of: ``z[0]``, ``z[1]`` and so on, and sites as they are called."""
        kl = self.history[-1]["held_out_kl_per_latent"] if self.history else None
        return list(self.config.get("latents") or [f"z[{number}]" for number in range(len(kl or ()))])

    @property
    def has_data(self) -> bool:
        """Whether its data are there, so that `dataset` loads nothing."""
        return self._dataset is not None

    def dataset(self, progress: Progress | None = None) -> Dataset:
        """The data the model was fitted to.

        Args:
            progress: Called while they load.

        Raises:
            ValueError: The data were in memory, or are not those of the run.
            OSError: They cannot be read, or lie elsewhere now: `load_run` takes the place.
        """
        if self._dataset is None:
            self._dataset = _same_data(data_of_run(self.config, progress), self.config)
        return self._dataset


def load_run(
    path: str | os.PathLike[str],
    model: nn.Module | None = None,
    *,
    device: torch.device | str = "cpu",
    at: int | None = None,
    dataset: str | Dataset | None = None,
    data_root: str | os.PathLike[str] | None = None,
    program: Given = None,
    changed_program: bool = False,
) -> Run:
    """Restore a run from its folder, or from the one file that `export` wrote.

    Args:
        path: The run folder or file.
        model: Programs of the run's structure to load the parameters into, as `fit` takes them; wanted for a run with
            classes of your own.
        device: Where the model goes.
        at: A step that has a numbered checkpoint, in place of the latest.
        dataset: The data of the run, where they lie elsewhere now: their name, like ``npz:PATH``, or the data
            themselves. They have to be the same, by their fingerprint.
        data_root: Where downloads lie now.
        program: The file that holds the programs of the run, like ``"mine.py"`` or ``"mine.py:Mine"``, where one does:
            code that came with a run is never executed by itself. Of several, that of the run is taken.
        changed_program: Whether that file may be another than the one that the run was fitted with.

    Returns:
        The run, with the β that training had at that step.

    Raises:
        FileNotFoundError: No run, or no such checkpoint.
        ValueError: Damaged files, another format, a class that only you have, a file of programs that is not named
            or is another, a model that does not fit, or other data.
    """
    stored = stored_run(Path(path))
    config = stored.read_config()
    held = _same_data(dataset, config) if isinstance(dataset, Dataset) else None
    config = moved(config, stored.path, dataset if isinstance(dataset, str) else None, data_root)
    state = stored.load(at, device)
    if model is None:
        vae = _rebuild(config, state["model"], stored.path, program, changed_program)
    else:
        vae = adopted(model, config["shape"], latent_dim=config["latent_dim"])
    vae.beta = state["beta"]
    try:
        vae.load_state_dict(state["model"])
    except RuntimeError as error:
        raise ValueError(f"the checkpoint of {path} does not fit the model: {str(error).splitlines()[-1]}") from error
    history = [record for record in stored.read_history() if record["step"] <= state["step"]]
    return Run(vae.to(device), config, history, state["step"], stored.path, _dataset=held)


def _rebuild(
    config: dict[str, Any], weights: dict[str, Any], where: Path, given: Given, changed_program: bool
) -> BetaVAE:
    """The model that a config describes, of the precision of its weights."""
    own = own_parts(config)
    if own:
        classes = ", ".join(f"{part} {name}" for part, name in own.items())
        raise ValueError(f"the run uses classes of your own ({classes}): build it and call load_run(path, model=...)")
    dtype = next(value.dtype for value in weights.values() if isinstance(value, Tensor) and value.is_floating_point())
    is_named = config["program"] is not None
    program = program_of_run(config, where, given, changed_program) if is_named else None
    return build_model(config, tuple(config["shape"]), program=program).to(dtype)


def _same_data(data: Dataset, config: dict[str, Any]) -> Dataset:
    """The data, if they are those of the run.

    Raises:
        ValueError: Their fingerprint is another.
    """
    if data.fingerprint == config["fingerprint"]:
        return data
    here = _counted(len(data.train), len(data.held_out), data.shape)
    there = _counted(config.get("train_images"), config.get("held_out_images"), config["shape"])
    how = f"{here}, and in the run {there}" if here != there else "values, labels or split differ"
    raise ValueError(f"the dataset {data.name} is not, or no longer, that of the run: its fingerprint differs ({how})")


def _counted(train: int | None, held_out: int | None, shape: Sequence[int]) -> str:
    return f"{train} + {held_out} of {'×'.join(map(str, shape))}"
