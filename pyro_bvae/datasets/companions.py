"""What stands beside the images of a data set, checked: labels, factors, the split, and what is extra."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .labels import is_one_hot, looks_numbered

if TYPE_CHECKING:
    from .dataset import Dataset

__all__ = ["as_classes", "as_index", "check_companions", "notes_on_labels"]

MOST_CLASSES = 1_000_000  # of a factor; what is numbered higher is an id or a time


def notes_on_labels(labels: Tensor | None) -> list[str]:
    """What is to be said of labels that may not be what they look like."""
    if labels is not None and is_one_hot(labels):
        return [f"labels are one-hot rows: each is taken for one of {labels.shape[1]} classes"]
    if labels is not None and looks_numbered(labels):
        values = len(labels.unique())
        looks = "they look like numbers of data, and no probe reads them"
        return [f"labels take {values:,} values in {len(labels):,} data: {looks}"]
    if labels is not None and (missing := int((labels < 0).sum())):
        return [f"{missing:,} of {labels.numel():,} labels are below 0: missing, to programs and probe"]
    return []


def as_classes(values: Tensor) -> Tensor:
    """Whole numbers of any type as int64; anything else as it is, for `check_companions` to refuse.

    >>> as_classes(torch.tensor([[200.0]])), as_classes(torch.tensor([[0.5]]))
    (tensor([[200]]), tensor([[0.5000]]))
    """
    if not isinstance(values, Tensor) or values.dtype == torch.int64 or values.is_complex():
        return values
    is_whole = not values.is_floating_point() or torch.equal(values, values.round())
    return values.to(torch.int64) if is_whole else values


def as_index(name: str, part: str, index: Tensor, size: int) -> Tensor:
    """The indices of one part of the split ``(M,)``, int64, of a mask ``(N,)`` as well.

    Raises:
        ValueError: It is neither.
    """
    index = torch.as_tensor(index)
    if index.dtype == torch.bool and tuple(index.shape) == (size,):
        return index.nonzero().squeeze(1)
    if index.dim() != 1 or index.dtype == torch.bool or index.is_floating_point() or index.is_complex():
        said = f"{index.dtype} of shape {tuple(index.shape)}"
        raise ValueError(f"{name}: {part} must be indices of shape (M,) or a mask of shape ({size},), got {said}")
    return index.to(torch.int64)


def check_companions(data: Dataset) -> None:
    """Make sure that what stands beside the images fits them.

    Raises:
        TypeError: Something is no tensor.
        ValueError: Something is of another length, or holds values that it cannot have.
    """
    _check_extra(data)
    size = len(data.images)
    if data.columns is not None and (len(data.columns),) != data.shape:
        raise ValueError(f"{data.name}: {len(data.columns)} names of columns do not fit data of shape {data.shape}")
    for kind, tensor, dims in (("labels", data.labels, (1, 2)), ("factors", data.factors, (2,))):
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"{data.name}: {kind} must be a tensor, got {type(tensor).__name__}; torch.tensor makes one"
            )
        if tensor is not None and (tensor.dim() not in dims or len(tensor) != size):
            wanted = f"({size},) or ({size}, A)" if 1 in dims else f"({size}, F)"
            raise ValueError(f"{data.name}: {kind} must have shape {wanted}, got {tuple(tensor.shape)}")
        if tensor is not None and tensor.dim() == 2 and tensor.shape[1] == 0:
            raise ValueError(f"{data.name}: {kind} of shape {tuple(tensor.shape)} have no column: leave them out")
        if tensor is not None and tensor.is_floating_point() and not torch.equal(tensor, tensor.round()):
            raise ValueError(f"{data.name}: {kind} must be whole numbers, a class each, got {tensor.dtype} with others")
    if data.factors is not None and (data.factors.min() < 0 or data.factors.max() >= MOST_CLASSES):
        low, high = data.factors.min().item(), data.factors.max().item()
        raise ValueError(
            f"{data.name}: factors are classes from 0 on, got {low} to {high}; "
            "number values with np.unique(column, return_inverse=True)[1]"
        )
    for kind, names, tensor in (
        ("factor names", data.factor_names, data.factors),
        ("factor sizes", data.factor_sizes, data.factors),
        ("label names", data.label_names, data.labels),
    ):
        there = 0 if tensor is None else tensor.shape[1] if tensor.dim() == 2 else int(tensor.max()) + 1
        fits = there <= len(names or ()) if tensor is not None and tensor.dim() == 1 else there == len(names or ())
        if names is not None and not fits:
            raise ValueError(f"{data.name}: {len(names)} {kind} do not fit {there} {kind.split()[0]}s")
    if data.factor_names is not None and len({*data.factor_names}) < len(data.factor_names):
        raise ValueError(f"{data.name}: two factors have one name: {', '.join(map(str, data.factor_names))}")
    if data.factors is not None and data.factor_sizes is not None:
        _check_sizes(data.name, data.factors, data.factor_sizes)
    _check_split(data)


def _check_split(data: Dataset) -> None:
    size = len(data.images)
    for index in (data.train, data.held_out):
        if len(index) == 0 or index.min() < 0 or index.max() >= size:
            raise ValueError(f"{data.name}: a split must hold at least one index, all from 0 to {size - 1}")
        if len(index) == size and len(index.unique()) <= 2 < size:
            raise ValueError(f"{data.name}: a split of {size} zeros and ones is a mask: give it as bool")


def _check_sizes(name: str, factors: Tensor, sizes: Sequence[int]) -> None:
    least = [int(value) + 1 for value in factors.max(0).values]
    if any(size < needed for size, needed in zip(sizes, least, strict=True)):
        raise ValueError(
            f"{name}: factor sizes {tuple(sizes)} are too small for the classes that occur, at least {least}"
        )


def _check_extra(data: Dataset) -> None:
    for name, values in data.extra.items():
        if not name.isidentifier() or name in ("x", "size"):
            raise ValueError(
                f"{data.name}: extra {name!r} cannot be the name of a program's argument beside x and size"
            )
        if not isinstance(values, Tensor):
            kind = type(values).__name__
            raise TypeError(f"{data.name}: extra {name!r} must be a tensor, got {kind}; torch.tensor makes one")
        if len(values.shape) == 0 or len(values) != len(data.images):
            said = f"({len(data.images)}, ...), got {tuple(values.shape)}"
            raise ValueError(f"{data.name}: extra {name!r} must have shape {said}")
        if values.is_floating_point() and values.isinf().any():
            raise ValueError(f"{data.name}: extra {name!r} has infinite values; what is missing is NaN")
