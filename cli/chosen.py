"""What a command starts from: the data of a run, some of them, or a file of one's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pyro_bvae.settings.spelling import as_options
from pyro_bvae.settings.words import plain

from .progress import LoadingBar

if TYPE_CHECKING:
    from torch import Tensor

    from pyro_bvae import Run
    from pyro_bvae.datasets import Dataset, Rows

__all__ = ["Chosen", "chosen", "data_if_there", "held_out_if_there", "kl_of", "start_options"]

Command = TypeVar("Command", bound=Callable[..., Any])


class IndexOrFile(click.ParamType[Any]):
    """A whole number, or a file that is there."""

    name = "image"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | Path:
        """Read it."""
        if isinstance(value, int | Path) or value.isdecimal():
            return value if isinstance(value, Path) else int(value)
        if not Path(value).is_file():
            self.fail(f"{value!r} is neither the number of a datum, from 0 on, nor a file", param, ctx)
        return Path(value)


def start_options(command: Command) -> Command:
    """Give a command --image and --label."""
    label = "Only data of this class, by name or number; of attributes, those that have it."
    command = click.option("--label", metavar="LABEL", help=label)(command)
    image = "The first of the data, by its number from 0 on, or a file of your own: a picture, or a vector."
    return click.option("--image", type=IndexOrFile(), metavar="N|FILE", help=image)(command)


@dataclass(frozen=True)
class Chosen:
    """Data to start from.

    Attributes:
        images: ``(N, *shape)``.
        index: Where they are in the data set, ``(N,)``; None for a file of one's own.
        data: The data set; None for a file of one's own.
    """

    images: Tensor
    index: Tensor | None = None
    data: Dataset | None = None

    @property
    def rows(self) -> Rows:
        """The data with all that stands beside them; nothing does beside a file of one's own."""
        from pyro_bvae.datasets import Rows

        beside = {} if self.data is None else self.data.beside
        return Rows(self.images, {name: values[self.index] for name, values in beside.items()})

    def part(self, first: int, count: int) -> Chosen:
        """So many of them, or as many as there are, from one on.

        Raises:
            ValueError: There is none.
        """
        if first >= len(self.images):
            raise ValueError(f"there are {len(self.images)} data to choose from, numbered from 0 on: got {first}")
        some = slice(first, first + count)
        return Chosen(self.images[some], None if self.index is None else self.index[some], self.data)


def chosen(run: Run, image: int | Path | None, label: str | None, split: str = "held-out") -> Chosen:
    """The data of a split, of one label where that is given, or those of a file.

    Raises:
        click.UsageError: A file and a label are given.
        ValueError: No datum of the split has the label, or the file does not fit the run.
    """
    import torch

    from pyro_bvae.datasets.own_files import data_from, labelled

    if isinstance(image, Path):
        if label is not None:
            raise click.UsageError("--image names a file, and --label chooses from the run's data: give one of them")
        images, notes = data_from(image, run.model.shape, run.config)
        for note in notes:
            click.echo(f"{plain(image)}: {plain(as_options(note))}", err=True)
        return Chosen(images)
    data = run.dataset(LoadingBar())
    if split == "all" and label is None:
        return Chosen(data.images, torch.arange(len(data)), data)  # without a copy
    index = {"all": torch.arange(len(data)), "train": data.train, "held-out": data.held_out}[split]
    index = index if label is None else index[torch.isin(index, labelled(data, label))]
    if not len(index):
        raise ValueError(f"no {split} datum of {data.name} has the label {label!r}")
    return Chosen(data.images[index], index, data)


def data_if_there(run: Run) -> Dataset | None:
    """The data of a run, for what can be done without; None, with a line why, where they cannot be read."""
    try:
        return run.dataset(LoadingBar())
    except (OSError, ValueError) as error:
        click.echo(as_options(f"without the data of the run: {error}"), err=True)
        return None


def held_out_if_there(run: Run) -> Tensor | None:
    """The held-out data of a run; see `data_if_there`."""
    data = data_if_there(run)
    return None if data is None else data.images[data.held_out]


def kl_of(run: Run, data: Dataset | None, site: str = "z") -> list[float] | None:
    """The mean KL of each latent of a site on the held-out data, in nats.

    Without the data, it is that of the history, if there is a line of the run's step; otherwise they are needed.
    """
    from pyro_bvae.terms import kl_of_site, mean_terms

    if data is None and run.history and run.history[-1]["step"] == run.step:
        return kl_of_site(site, run.units, run.history[-1]["held_out_kl_per_latent"])
    data = data or data_if_there(run)
    return None if data is None else mean_terms(run.model, data.rows(data.held_out)).kl_of(site)
