"""From plain settings, those of a command line or a config.json, to a data set and a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from . import datasets
from .datasets import Dataset
from .model import BetaVAE
from .names import MODEL
from .randomness import own_generator

__all__ = ["build", "build_model", "load_data"]


def load_data(settings: Mapping[str, Any]) -> Dataset:
    """The data set that the settings `names.DATA` describe."""
    root, size = settings["data_root"], settings["image_size"]
    return datasets.load(settings["dataset"], root, image_size=size, grey=settings["grey"])


def build_model(settings: Mapping[str, Any], shape: tuple[int, ...]) -> BetaVAE:
    """The model that the settings `names.MODEL` describe, with weights drawn from their seed.

    Raises:
        ValueError: A setting is out of range, or one that the likelihood does not have.
    """
    with own_generator(settings["seed"], torch.device("cpu")):
        return BetaVAE(shape, beta=settings["beta"], **{name: settings[name] for name in MODEL})


def build(settings: Mapping[str, Any]) -> tuple[Dataset, BetaVAE]:
    """The data set and the model, which fit each other.

    Args:
        settings: At least the names in `names.DATA` and `names.MODEL`, ``beta`` and ``seed``.

    Returns:
        The data, and a model with fresh weights.
    """
    data = load_data(settings)
    return data, build_model(settings, data.shape)
