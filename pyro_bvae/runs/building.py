"""From plain settings, those of a command line or a config.json, to a data set and a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from .. import datasets
from ..datasets import Dataset, Progress
from ..model import BetaVAE
from ..randomness import own_generator
from ..settings.options import DATA_OPTIONS, MODEL

__all__ = ["build", "build_model", "load_data"]


def load_data(settings: Mapping[str, Any], progress: Progress | None = None) -> Dataset:
    """The data set that the settings `options.DATA` describe; ``progress`` is called while they load."""
    options = {name: settings[name] for name in DATA_OPTIONS if settings.get(name) is not None}
    return datasets.load(settings["dataset"], settings["data_root"], **options, progress=progress)


def build_model(settings: Mapping[str, Any], shape: tuple[int, ...]) -> BetaVAE:
    """The model that the settings `options.MODEL` describe, with weights drawn from their seed.

    Raises:
        ValueError: A setting is out of range, or one that the likelihood does not have.
    """
    given = {name: settings[name] for name in MODEL if name in settings}  # an older run does not have all names
    with own_generator(settings["seed"], torch.device("cpu")):
        return BetaVAE(shape, beta=settings["beta"], **given)


def build(settings: Mapping[str, Any], progress: Progress | None = None) -> tuple[Dataset, BetaVAE]:
    """The data set and the model, which fit each other.

    Args:
        settings: At least the names in `options.DATA` and `options.MODEL`, ``beta`` and ``seed``.
        progress: Called while the data load.

    Returns:
        The data, and a model with fresh weights.
    """
    data = load_data(settings, progress)
    return data, build_model(settings, data.shape)
