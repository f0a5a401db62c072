"""The config.json that repeats a fit."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import torch
from pyro.infer import ELBO

from ..datasets import Dataset
from ..likelihoods import Standardised
from ..model import BetaVAE
from ..settings.options import COMPILATION, DATA_OPTIONS, DEFAULTS, FIGURES, LENGTH, TRAINING
from ..settings.training import TrainingSettings
from .folder import FORMAT

__all__ = ["SettingsError", "check_same", "config_of", "weighs_rate", "with_defaults"]

NOT_SETTINGS = {*LENGTH, *COMPILATION, *FIGURES}
NOT_SETTINGS |= {"beta_norm", "threads", "covariance", "command", "recipe", "resumed", "ran_on", "versions"}


class SettingsError(ValueError):
    """A run is resumed with other settings than its own."""


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
        "standardise": isinstance(vae.likelihood, Standardised),
        "custom": vae.custom,
        "beta": vae.beta_value,
        "beta_norm": vae.beta_norm,
        "elbo": _text_of(elbo),
        **{name: getattr(settings, name) for name in TRAINING},
        "ran_on": str(device),
        "command": None,
        "versions": {"python": platform.python_version(), **{package: version(package) for package in packages}},
    }


def _text_of(elbo: ELBO) -> str:
    """An ELBO as a config.json names it: its class and its settings."""
    settings = getattr(elbo, "settings", {"num_particles": elbo.num_particles})
    return f"{type(elbo).__name__}({', '.join(f'{name}={value}' for name, value in settings.items())})"


def with_defaults(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config, with the default of each training setting that is younger; an older run is not standardised."""
    return {name: DEFAULTS[name] for name in TRAINING} | {"standardise": False} | dict(config)


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
    known = with_defaults(stored)
    differ = [
        f"{name} is {known.get(name)!r} in the run and {value!r} here"
        for name, value in config.items()
        if name not in NOT_SETTINGS and known.get(name, value) != value
    ]
    if differ:
        raise SettingsError(f"cannot resume with other settings: {'; '.join(differ)}")
