"""From plain settings, those of a command line or a config.json, to a data set and a model."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from .. import datasets
from ..compiled.randomness import own_generator
from ..datasets import Dataset, Progress, pixels
from ..datasets.dataset import SPLIT_SEED, part_of
from ..datasets.few_labels import with_few_labels
from ..likelihoods.standardised import Standardised, takes_standardised
from ..model import BetaVAE
from ..priors import VampPrior
from ..programs import Program, chosen
from ..settings.names import check
from ..settings.options import DATA_OPTIONS, MODEL

__all__ = ["build", "build_model", "data_of_run", "load_data", "moved"]

TABLES = ("npz", "npy", "txt", "csv")  # sources whose vectors are standardised unless one says otherwise


def load_data(settings: Mapping[str, Any], progress: Progress | None = None) -> Dataset:
    """The data set that the settings `options.DATA` describe; ``progress`` is called while they load.

    Settings of a run have a fingerprint as well: where an older version drew ``subsample`` in another way, that part.
    """
    options = {name: settings[name] for name in DATA_OPTIONS if settings.get(name) is not None}
    root, seed = settings.get("data_root"), settings.get("seed") or 0
    data = datasets.load(settings["dataset"], root, **options, seed=seed, progress=progress)
    if "subsample" not in options or settings.get("fingerprint") in (None, data.fingerprint):
        return data
    count, labelled = options.pop("subsample"), options.pop("labelled", None)
    whole = datasets.load(settings["dataset"], root, **options, progress=progress)
    older = replace(part_of(whole, count, SPLIT_SEED), options=data.options)
    if older.fingerprint != settings["fingerprint"]:
        return data
    return older if labelled is None else with_few_labels(older, labelled, seed)


def moved(
    config: Mapping[str, Any],
    folder: Path,
    dataset: str | None = None,
    data_root: str | os.PathLike[str] | None = None,
) -> dict[str, Any]:
    """The config of a run whose data may lie elsewhere than when it was begun.

    Args:
        config: Of the run.
        folder: Of the run. Data that are not where the config says are looked for from the folders above it on, under
            the ends of their path: a folder that holds both may have moved.
        dataset: Their name now, like ``npz:PATH``; None where it is the same. Options of the run that data of this kind
            do not have fall away: whether the data are the same is for their fingerprint to say.
        data_root: Where downloads lie now; None where that is the same.

    Raises:
        ValueError: The name is unknown.
    """
    here = dict(config)
    kind, path = str(here["dataset"]).partition(":")[0], datasets.own_path(str(here["dataset"]))
    if dataset is not None:
        source = datasets.SOURCES[check("dataset", dataset.partition(":")[0], datasets.SOURCES)]
        here |= {name: None for name in DATA_OPTIONS if name not in (*source.options, "labelled")}
        here |= {"dataset": datasets.canonical(dataset), "can_be_loaded": True}
    elif path and here["can_be_loaded"]:
        here["dataset"] = f"{kind}:{_moved_along(path, folder, Path.exists)}"
    if data_root is not None:
        here["data_root"] = str(data_root)
    elif here.get("data_root") and _downloads(kind, path):
        here["data_root"] = _moved_along(here["data_root"], folder, datasets.SOURCES[kind].on_disk)
    return here


def _downloads(kind: str, path: str) -> bool:
    """Whether data are files that somebody else made, under the data root."""
    return not path and kind in datasets.SOURCES and datasets.SOURCES[kind].folder is not None


def _moved_along(path: str, folder: Path, is_there: Callable[[Path], bool]) -> str:
    """A path, or where its end leads to from a folder above the run's, if what is wanted is not at the path itself."""
    parts = [part for part in Path(path).parts if part != Path(path).anchor]
    ends = [Path(*parts[start:]) for start in range(len(parts))]
    places = [above / end for end in ends for above in folder.absolute().parents if above.parent != above]
    return next((str(place) for place in (Path(path), *places) if is_there(place)), path)


def data_of_run(config: Mapping[str, Any], progress: Progress | None = None) -> Dataset:
    """The data that a run's config names; ``progress`` is called while they load.

    Raises:
        ValueError: The data were in memory, or are damaged.
        OSError: They are not there, or cannot be read; the message says how to name where they are now.
    """
    name = config["dataset"]
    if not config["can_be_loaded"]:
        raise ValueError(f"the dataset {name!r} was in memory and is not stored in the run; give it as `dataset`")
    try:
        _check_root(config)
        return load_data(config, progress)
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error)
        place = f"`dataset={name.partition(':')[0]}:PATH`" if datasets.own_path(name) else "`data_root=DIR`"
        raise OSError(f"cannot read the run's data ({reason}); if they lie elsewhere now, say {place}") from error


def _check_root(config: Mapping[str, Any]) -> None:
    """Refuse to download again what lay under a data root that is gone."""
    root, kind = config.get("data_root"), config["dataset"].partition(":")[0]
    path = datasets.own_path(config["dataset"])
    if root is not None and _downloads(kind, path) and not Path(root).is_dir():
        raise FileNotFoundError(f"there is no folder {root}")


def build_model(
    settings: Mapping[str, Any],
    shape: tuple[int, ...],
    data: Dataset | None = None,
    program: Program | None = None,
) -> BetaVAE:
    """The model that the settings `options.MODEL` describe, with weights drawn from their seed.

    Args:
        settings: At least the names in `options.MODEL`, ``beta`` and ``seed``. An older run does not have all names.
        shape: Shape of one datum.
        data: Where the mean and deviation of a standardised model come from, and what a VampPrior starts from: their
            training part. Without them these are 0, 1 and random, to be replaced by those of a checkpoint. Programs may
            take the number of classes from them.
        program: Of the settings' name, where its file was read before; it is wanted for the config of a run with one.

    Raises:
        ValueError: A setting is out of range, or one that the likelihood or the data do not have; a file of programs
            fails, or has no such class.
        OSError: It cannot be read.
    """
    if program is None and settings.get("program") is not None:
        if settings.get("program_sha256") is not None:
            raise ValueError("a run's config names a file of programs: pass the `program` that was read of it")
        program = chosen(settings["program"])
    given = {name: settings[name] for name in MODEL if name in settings and name not in ("program", "standardise")}
    with own_generator(settings["seed"], torch.device("cpu")):
        if program is None:
            vae = BetaVAE(shape, beta=settings["beta"], **given)
        else:
            vae = program.build(shape, data, {**given, "beta": settings["beta"]})
    wanted = settings.get("standardise")
    if wanted or (wanted is None and data is not None and _is_table(data) and takes_standardised(vae.likelihood)):
        vae.likelihood = _standardised(vae.likelihood, settings["likelihood"], data)
    if isinstance(vae.prior, VampPrior) and data is not None:
        with own_generator(settings["seed"], torch.device("cpu")):
            few = torch.randperm(len(data.train))[: len(vae.prior.pseudo_inputs)]
            vae.prior.start_from(pixels(data.images[data.train[few]]))
    return vae


def _is_table(data: Dataset) -> bool:
    return not data.is_images and data.name.partition(":")[0] in TABLES


def _standardised(family: Any, name: str, data: Dataset | None) -> Standardised:
    if len(family.shape) == 3:
        raise ValueError("`standardise` is for vectors, and these data are images: leave it out")
    if not takes_standardised(family):
        raise ValueError(
            f"the {name} likelihood does not take standardised values: say `standardise=False`, or choose a gaussian "
            "with the identity link"
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
