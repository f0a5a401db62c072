"""The class of all data sets: a tensor of images or vectors with a split, checked when it is made."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from typing import Any

import torch
from torch import Tensor

from .companions import as_classes, as_index, check_companions, notes_on_labels
from .labels import without_column
from .levels import ROUNDING
from .notes import counted, shortened
from .rows import Rows
from .vectors import note_on_training

__all__ = ["Dataset", "part_of", "pixels", "random_subset", "seeded_split", "some_of"]

SPLIT_SEED = 0
PART_SEED = 1  # another than that of the split, whose first data are held out
MOST_HELD_OUT = 10_000


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Images or vectors with a fixed split into training and held-out data.

    Args:
        name: The name that `load` was called with, or any name for data of your own.
        images: ``(N, C, H, W)``, uint8 in 0 ... 255 or float in [0, 1]; or vectors ``(N, D)``, float, in any unit.
        labels: Classes ``(N,)``, integers, also as one column; or attributes ``(N, A)``, each a class.
        label_names: The names of the classes, in their order, or those of the A attributes.
        factors: Ground-truth factors of variation ``(N, F)``, integer classes from 0 on; of any type.
        factor_names: Their names, F of them.
        factor_sizes: How many values each can take, F of them; by default those that occur.
        covariance: If vectors were drawn from a joint Gaussian around 0 that is known, its covariance ``(D, D)``.
        train: Indices of the training data, or a mask ``(N,)``; by default all that are not held out, and where neither
            is given the nine tenths that a seeded shuffle leaves.
        held_out: Indices of the held-out data, or a mask; by default the rest, at most 10,000 where neither is given.
            The split belongs to the data and does not depend on the seed of a run.
        source: Where the data come from, in words.
        options: The options that `load` was called with; a run stores them to load the data again.
        digest: SHA-256 of the images, if the source knows it. The images are then not read to check or to hash them.
        notes: What was left out, clipped, cut or read in a way that one may not expect, a line each. Pixels outside
            [0, 1] by no more than rounding are clipped, and labels in one-hot rows are taken for classes, with a note.
        columns: The names of the D values of a vector, where they have names.
        levels: The grey levels of the files that have become 0 and 1, where these are not a byte's or a float's own.
        extra: What else there is of each datum, by the name of the programs' argument that it is for, ``(N, ...)``
            each. What is not known of a datum is −1 in whole numbers and NaN in floats.

    Raises:
        ValueError: Wrong shape, fewer than two data, pixels out of range, values that are not finite, or labels,
            factors or splits that do not fit.
        TypeError: Images of another type than uint8 or float.
    """

    name: str
    images: Tensor
    labels: Tensor | None = None
    label_names: Sequence[str] | None = None
    factors: Tensor | None = None
    factor_names: Sequence[str] | None = None
    factor_sizes: Sequence[int] | None = None
    covariance: Tensor | None = None
    train: Tensor = None  # type: ignore[assignment]  # filled in below
    held_out: Tensor = None  # type: ignore[assignment]
    source: str = "in memory"
    options: Mapping[str, Any] = field(default_factory=dict)
    digest: str | None = None
    notes: Sequence[str] = ()
    columns: Sequence[str] | None = None
    levels: Sequence[float] | None = None
    extra: Mapping[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_shape(self.name, self.images)
        if self.digest is None:  # with a digest the source has made the images, and there may be gigabytes of them
            _check_values(self.name, self.images)
            _clip(self)
            _add_notes(self, _notes_on_blank(self.images))
        if self.images.is_floating_point():
            object.__setattr__(self, "images", self.images.to(torch.get_default_dtype()))
        for part, index in zip(("train", "held_out"), _split_of(self), strict=True):
            object.__setattr__(self, part, index)
        if self.factors is not None:
            object.__setattr__(self, "factors", as_classes(self.factors))
        if isinstance(self.labels, Tensor) and len(self.label_names or ()) != 1:  # one name is that of an attribute
            object.__setattr__(self, "labels", without_column(self.labels))
        check_companions(self)
        _add_notes(self, notes_on_labels(self.labels))
        if not self.is_images:
            _add_notes(self, note_on_training(self.images, self.train, self.column))
        if self.factors is not None and self.factor_sizes is None:
            object.__setattr__(self, "factor_sizes", tuple((self.factors.max(0).values + 1).tolist()))

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        kind = "images" if self.is_images else "vectors"
        return f"<Dataset {self.name}: {len(self):,} {kind} of {'×'.join(map(str, self.shape))}>"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one datum, ``(C, H, W)`` or ``(D,)``."""
        return tuple(self.images.shape[1:])

    @property
    def is_images(self) -> bool:
        """Whether the data are images, with pixels in [0, 1], and not vectors."""
        return len(self.shape) == 3

    def column(self, number: int) -> str:
        """What to call a value of a vector: by its name, or as an index.

        >>> Dataset("mine", torch.zeros(2, 2), columns=["length", ""]).column(0)
        "column 'length'"
        """
        name = self.columns[number] if self.columns is not None else ""
        return f"column {shortened(name)!r}" if name else f"column [:, {number}]"

    @property
    def beside(self) -> dict[str, Tensor]:
        """All that can reach programs beside the images, by name: labels, factors and what is extra."""
        known = {"labels": self.labels, "factors": self.factors, **self.extra}
        return {name: values for name, values in known.items() if values is not None}

    def rows(self, index: Tensor | slice | None = None) -> Rows:
        """The data that an index ``(M,)`` or a slice names, with all that stands beside them; by default all."""
        rows = Rows(self.images, self.beside)
        return rows if index is None else rows[index]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of type, shape, values, labels, factors, extra and split: equal for equal data."""
        digest = hashlib.sha256(f"{self.images.dtype} {tuple(self.images.shape)}{self.digest or ''}".encode())
        images = self.images if self.digest is None else None
        known = (images, self.train, self.held_out, self.labels, self.factors)
        for name, tensor in [*(("", tensor) for tensor in known), *sorted(self.extra.items())]:
            if tensor is None:
                continue
            digest.update(name.encode())
            digest.update(tensor.cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
        return f"sha256:{digest.hexdigest()}"

    @property
    def size_in_bytes(self) -> int:
        """The size of all images in memory."""
        return prod(self.images.shape) * self.images.element_size()


def pixels(images: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Images or vectors as floats: uint8 divided by 255, floats as they are.

    Args:
        images: ``(B, *shape)``, uint8 or float.
        dtype: Of the floats; by default torch's default for uint8, and their own for floats.

    Raises:
        TypeError: They are neither uint8 nor float.

    >>> pixels(torch.tensor([0, 255], dtype=torch.uint8))
    tensor([0., 1.])
    """
    if images.dtype == torch.uint8:
        return images.to(dtype or torch.get_default_dtype()).div_(255)
    if not images.is_floating_point():
        raise TypeError(f"images are uint8 or float, got {images.dtype}")
    return images if dtype is None else images.to(dtype)


def _split_of(data: Dataset) -> tuple[Tensor, Tensor]:
    """Both parts of the split, as indices: those given, the rest where one is given, and a seeded one where none is."""
    size = len(data.images)
    given = {"train": data.train, "held_out": data.held_out}
    parts = {name: as_index(data.name, name, part, size) for name, part in given.items() if part is not None}
    if not parts:
        return seeded_split(size)
    if len(parts) == 1:
        (index,) = parts.values()
        rest = torch.arange(size)
        rest = rest[~torch.isin(rest, index.cpu())]
        return (index, rest) if "train" in parts else (rest, index)
    return parts["train"], parts["held_out"]


def seeded_split(size: int) -> tuple[Tensor, Tensor]:
    """Training and held-out indices, each sorted: a tenth is held out, at least 1 and at most 10,000.

    Args:
        size: Number of data, at least 2.

    Returns:
        Two index tensors that share nothing and leave nothing out.
    """
    order = torch.randperm(size, generator=torch.Generator().manual_seed(SPLIT_SEED))
    held_out = min(MOST_HELD_OUT, max(1, size // 10))
    return order[held_out:].sort().values, order[:held_out].sort().values


def random_subset(size: int, count: int, seed: int = SPLIT_SEED) -> Tensor:
    """Sorted indices of ``count`` of ``size`` data, random but the same at every call; all if there are fewer."""
    order = torch.randperm(size, generator=torch.Generator().manual_seed(seed))
    return order[:count].sort().values


def part_of(data: Dataset, count: int, seed: int = PART_SEED) -> Dataset:
    """Data drawn at random; each stays in the part of the split that it is in, and both parts shrink alike.

    Args:
        data: The whole data set.
        count: How many of them.
        seed: Of the draw. Older versions drew by that of the split, `SPLIT_SEED`, and so held-out data first.
    """
    if count >= len(data):
        return data
    index = random_subset(len(data), count, seed)
    train, held_out = (torch.isin(index, part).nonzero().squeeze(1) for part in (data.train, data.held_out))
    if not len(train) or not len(held_out):  # a few of the data, all from one part
        train, held_out = seeded_split(count) if count > 1 else (train, held_out)
    labels, factors = (None if tensor is None else tensor[index] for tensor in (data.labels, data.factors))
    extra = {name: values[index] for name, values in data.extra.items()}
    chosen: dict[str, Any] = {"images": data.images[index], "labels": labels, "factors": factors, "digest": None}
    return replace(data, train=train, held_out=held_out, extra=extra, **chosen)


def some_of(names: Sequence[str], count: int | None) -> list[str]:
    """The names, or ``count`` of them as `random_subset` draws them."""
    return list(names) if count is None else [names[index] for index in random_subset(len(names), count).tolist()]


def _check_shape(name: str, images: Tensor) -> None:
    if not isinstance(images, Tensor):
        raise TypeError(f"{name}: images must be a tensor, got {type(images).__name__}; torch.from_numpy makes one")
    shape = tuple(images.shape)
    if images.dim() not in (2, 4) or 0 in shape[1:]:
        raise ValueError(f"{name}: data must be N×C×H×W images or N×D vectors, got shape {shape}")
    if len(images) < 2:
        kind = "images" if images.dim() == 4 else "vectors"
        raise ValueError(f"{name}: a data set needs at least 2 {kind}, one of them to hold out, got {len(images)}")
    if images.dtype != torch.uint8 and not images.is_floating_point():
        raise TypeError(f"{name}: data must be uint8 or float, got {images.dtype}; scale grey levels to [0, 1]")
    if images.dtype == torch.uint8 and images.dim() == 2:
        raise TypeError(f"{name}: vectors must be float, got uint8 of shape {shape}")


def _check_values(name: str, images: Tensor) -> None:
    if images.dtype == torch.uint8:
        if images.max() == 1:
            raise ValueError(f"{name}: uint8 pixels run from 0 to 255, got only 0 and 1; multiply by 255, or use bool")
        return
    if not images.isfinite().all():
        bad = ~images.isfinite()
        where = f"datum {bad.flatten(1).any(1).nonzero()[0].item()}"
        where += f", column {bad.any(0).nonzero()[0].item()} (from 0)" if images.dim() == 2 else " (from 0)"
        raise ValueError(f"{name}: {int(bad.sum())} values are NaN or infinite, first in {where}; remove or mend them")
    if images.dim() == 4 and not (images.min() >= -ROUNDING and images.max() <= 1 + ROUNDING):
        low, high = images.min().item(), images.max().item()
        raise ValueError(f"{name}: float pixels must lie in [0, 1], got {low:.7g} to {high:.7g}; rescale, or use uint8")


def _clip(data: Dataset) -> None:
    """Clip pixels that rounding has put outside [0, 1], and say so."""
    images = data.images
    if images.dim() == 2 or images.dtype == torch.uint8 or (images.min() >= 0 and images.max() <= 1):
        return
    beyond = (images - images.clamp(0, 1)).abs()
    count, most = int((beyond > 0).sum()), beyond.max().item()
    object.__setattr__(data, "images", images.clamp(0, 1))
    _add_notes(data, [f"{counted(count, 'pixel')} up to {most:.1g} outside [0, 1], by rounding: clipped"])


def _notes_on_blank(images: Tensor) -> list[str]:
    if images.dim() == 2 or images.min() != images.max():
        return []
    return [f"every pixel of all images is {images.min():g}: there is nothing to learn"]


def _add_notes(data: Dataset, lines: Sequence[str]) -> None:
    """Add the lines that are not there yet: a data set that is made from another has the notes of that one."""
    object.__setattr__(data, "notes", (*data.notes, *(line for line in lines if line not in data.notes)))
