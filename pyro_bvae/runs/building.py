"""From plain settings, those of a command line or a config.json, to a data set and a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from .. import datasets
from ..compiled.randomness import own_generator
from ..datasets import Dataset, Progress
from ..likelihoods.standardised import Standardised, takes_standardised
from ..model import BetaVAE
from ..settings.options import DATA_OPTIONS, MODEL

__all__ = ["build", "build_model", "load_data"]

TABLES = ("npz", "npy", "txt", "csv")  # sources whose vectors are standardised unless one says otherwise


def load_data(settings: Mapping[str, Any], progress: Progress | None = None) -> Dataset:
    """The data set that the settings `options.DATA` describe; ``progress`` is called while they load."""
    options = {name: settings[name] for name in DATA_OPTIONS if settings.get(name) is not None}
    return datasets.load(settings["dataset"], settings.get("data_root"), **options, progress=progress)


def build_model(settings: Mapping[str, Any], shape: tuple[int, ...], data: Dataset | None = None) -> BetaVAE:
    """The model that the settings `options.MODEL` describe, with weights drawn from their seed.

    Args:
        settings: At least the names in `options.MODEL`, ``beta`` and ``seed``. An older run does not have all names.
        shape: Shape of one datum.
        data: Where the mean and deviation of a standardised model come from, their training part; without them they are
            0 and 1, to be replaced by those of a checkpoint.

    Raises:
        ValueError: A setting is out of range, or one that the likelihood or the data do not have.
    """
    given = {name: settings[name] for name in MODEL if name in settings and name != "standardise"}
    with own_generator(settings["seed"], torch.device("cpu")):
        vae = BetaVAE(shape, beta=settings["beta"], **given)
    wanted = settings.get("standardise")
    if wanted or (wanted is None and data is not None and _is_table(data) and takes_standardised(vae.likelihood)):
        vae.likelihood = _standardised(vae.likelihood, settings["likelihood"], data)
    return vae


def _is_table(data: Dataset) -> bool:
    return not data.is_images and data.name.partition(":")[0] in TABLES


def _standardised(family: Any, name: str, data: Dataset | None) -> Standardised:
    if len(family.shape) == 3:
        raise ValueError("--standardise is for vectors, and these data are images: leave it out")
    if not takes_standardised(family):
        raise ValueError(
            f"the {name} likelihood does not take standardised values: say --no-standardise, or choose a gaussian with "
            "the identity link"
        )
    return Standardised(family, 0.0, 1.0) if data is None else Standardised.of(family, data.images[data.train])


def build(settings: Mapping[str, Any], progress: Progress | None = None) -> tuple[Dataset, BetaVAE]:
    """The data set and the model, which fit each other.

    Args:
        settings: At least the names in `options.DATA` and `options.MODEL`, ``beta`` and ``seed``.
        progress: Called while the data load.

    Returns:
        The data, and a model with fresh weights.
    """
    data = load_data(settings, progress)
    return data, build_model(settings, data.shape, data)
