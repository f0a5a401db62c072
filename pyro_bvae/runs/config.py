"""The config.json that repeats a fit."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

import torch
from pyro.infer import ELBO

from .. import ranks
from ..datasets import Dataset
from ..likelihoods import Standardised
from ..model import BetaVAE
from ..programs import program_of
from ..settings.options import CHANGES_NO_NUMBER, COMPILATION, DATA_OPTIONS, FIGURES, LENGTH, TRAINING
from ..settings.training import TrainingSettings
from ..settings.words import brief
from ..terms import Layout
from .folder import FORMAT
from .older import with_defaults
from .versions import version_of

__all__ = [
    "CONDITIONS",
    "MAY_CHANGE",
    "PLACE",
    "SettingsError",
    "check_same",
    "config_of",
    "other_conditions",
    "weighs_rate",
]

PLACE = ("dataset", "data_root", "source", "can_be_loaded", *DATA_OPTIONS)  # of the data, known by their fingerprint
CONDITIONS = (
    "ran_on",
    "machine",
    "versions",
)  # under which a run repeats to the last bit, with "threads"
# what a resumed run may change, since it changes no number, or the length, or the draws of z alone
MAY_CHANGE = (*LENGTH, *COMPILATION, *CHANGES_NO_NUMBER, *FIGURES, *CONDITIONS, "program_sha256", "ranks")
NOT_SETTINGS = {*MAY_CHANGE, "beta_norm", "covariance", "read_levels", "columns", "command", "recipe", "resumed"}


# the last is that of programs with several latents, whose weights are the programs'
OF_WEIGHTED_RATES = ("TraceMeanField_ELBO(", "Trace_ELBO(", "TraceEnum_ELBO(", "Beta(free_bits=0.0,")


class SettingsError(ValueError):
    """A run is resumed with other settings than its own."""


def config_of(
    vae: BetaVAE,
    dataset: Dataset,
    settings: TrainingSettings,
    elbo: ELBO,
    device: torch.device,
    layout: Layout | None = None,
) -> dict[str, Any]:
    """All it takes to repeat a fit, as plain data: the content of config.json.

    Args:
        vae: The model, with the β that training starts from.
        dataset: The data.
        settings: Of the training.
        elbo: What is minimised.
        device: Where it runs.
        layout: The names of the programs' terms; those of several latent sites are stored.
    """
    program = program_of(vae)
    packages = ("pyro-bvae", "pyro-ppl", "torch", "numpy")
    return {
        "format": FORMAT,
        **_of_data(dataset),
        **vae.settings,
        **({} if layout is None or layout.is_plain else {"latents": list(layout.units), "weights": layout.weights}),
        "program": None if program is None else program.text,
        "program_options": None if program is None or not program.of_data else dict(program.of_data),
        "program_sha256": None if program is None or program.source is None else program.source.sha256,
        "standardise": isinstance(vae.likelihood, Standardised),
        "custom": vae.custom,
        "beta": vae.beta_value,
        "beta_norm": vae.beta_norm,
        "elbo": _text_of(elbo),
        **{name: getattr(settings, name) for name in TRAINING},
        "ran_on": device.type if ranks.size() > 1 else str(device),
        "ranks": ranks.size(),
        "machine": f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
        "command": None,
        "versions": {"python": platform.python_version(), **{package: version_of(package) for package in packages}},
    }


def _of_data(dataset: Dataset) -> dict[str, Any]:
    return {
        "dataset": dataset.name,
        "data_root": None,
        **dict.fromkeys(DATA_OPTIONS),
        **dataset.options,
        "source": dataset.source,
        "read_levels": None if dataset.levels is None else list(dataset.levels),
        "covariance": None if dataset.covariance is None else dataset.covariance.tolist(),
        "columns": None if dataset.columns is None else list(dataset.columns),
        "can_be_loaded": bool(dataset.options),
        "fingerprint": dataset.fingerprint,
        "train_images": len(dataset.train),
        "held_out_images": len(dataset.held_out),
    }


def _text_of(elbo: ELBO) -> str:
    """An ELBO as a config.json names it: its class and its settings."""
    settings = getattr(elbo, "settings", {"num_particles": elbo.num_particles})
    return f"{type(elbo).__name__}({', '.join(f'{name}={value}' for name, value in settings.items())})"


def weighs_rate(config: Mapping[str, Any]) -> bool:
    """Whether a run minimised D + βR, with the β of the programs and nothing else."""
    return str(config["elbo"]).startswith(OF_WEIGHTED_RATES)


def check_same(config: Mapping[str, Any], stored: Mapping[str, Any], program_may_differ: bool = False) -> None:
    """Refuse to go on with a run under settings that would give other numbers than its own.

    Where the data are the same by their fingerprint, it does not matter where they lie and how they were prepared.

    Args:
        config: What is asked for.
        stored: What the run has.
        program_may_differ: Whether the file that holds the programs may be another.

    Raises:
        SettingsError: The message names what differs.
    """
    known = with_defaults(stored)
    free = {*NOT_SETTINGS, *(PLACE if config["fingerprint"] == stored["fingerprint"] else ("source", "can_be_loaded"))}
    free -= set() if program_may_differ else {"program_sha256"}
    differ = [
        f"{name} is {brief(known.get(name))} in the run and {brief(value)} here"
        for name, value in config.items()
        if name not in free and known.get(name, value) != value
    ]
    if differ:
        raise SettingsError(
            f"cannot resume with other settings: {'; '.join(differ)}; leave them as they were, or begin another run "
            "(in another folder, or in this one with `overwrite`)"
        )


def other_conditions(config: Mapping[str, Any], stored: Mapping[str, Any]) -> str | None:
    """How this process differs from the one that ran before in what a repetition to the last bit takes.

    Sums are rounded in another order on another processor or device, and with another version of the packages. (Of the
    number of threads, `training.threads` warns.)

    Args:
        config: Of this fit.
        stored: Of the run; a condition that an older version did not store is not looked at.

    Returns:
        A sentence for the user; None where nothing differs.

    >>> other_conditions({"ran_on": "cpu", "threads": 2}, {"ran_on": "cuda", "threads": 1})
    'ran_on: cuda in the run, cpu here; its last digits may differ from those of a run that had never stopped'
    """
    here, there = _flat(config), _flat(stored)
    known = [name for name in here if there.get(name) is not None and here[name] != there[name]]
    differ = [f"{name}: {there[name]} in the run, {here[name]} here" for name in known]
    if not differ:
        return None
    return f"{'; '.join(differ)}; its last digits may differ from those of a run that had never stopped"


def _flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """The conditions of a config by name, a package by its own."""
    versions = {name: number for name, number in (config.get("versions") or {}).items() if name != "python"}
    return {name: config[name] for name in CONDITIONS if name != "versions" and name in config} | versions
