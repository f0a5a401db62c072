"""Labels of a few training data, the others missing: what a semi-supervised program is fitted to."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..settings.options import check_options
from .dataset import Dataset

__all__ = ["with_few_labels"]

MISSING = -1


def with_few_labels(data: Dataset, count: int, seed: int = 0) -> Dataset:
    """The same data, of which programs see ``count`` labels of the training part; all others are −1 to them.

    There are as many of each class, as far as they can be shared out evenly. ``labels`` stays whole for scores, and so
    does the fingerprint, since which labels are kept follows from the seed.

    Args:
        data: With a class of each datum.
        count: Labels that are kept, at least one a class.
        seed: Of the draw.

    Raises:
        ValueError: The data have no classes, or a class has too few training data.

    >>> some = Dataset("mine", torch.rand(60, 4), labels=torch.arange(60) % 3)
    >>> kept = with_few_labels(some, 6).beside["labels"]
    >>> [int((kept == number).sum()) for number in range(-1, 3)]
    [54, 2, 2, 2]
    """
    check_options(labelled=count)
    if data.labels is None or data.labels.dim() != 1:
        has = "has no labels" if data.labels is None else "has attributes in place of classes"
        raise ValueError(f"`labelled` wants a class of each datum, and {data.name} {has}: leave it out")
    generator = torch.Generator().manual_seed(seed)
    kept = torch.cat(_drawn(data, data.labels, count, generator))
    labels = torch.full_like(data.labels, MISSING, dtype=torch.int64)  # −1 is no value of bool and uint8
    labels[kept] = data.labels[kept].to(torch.int64)
    few = replace(data, extra={**data.extra, "labels": labels})
    few.__dict__["fingerprint"] = data.fingerprint
    return few


def _drawn(data: Dataset, labels: Tensor, count: int, generator: torch.Generator) -> list[Tensor]:
    """The indices of the labels that are kept, class by class."""
    of_train = labels[data.train]
    classes = of_train[of_train >= 0].unique()
    if not len(classes) <= count <= len(data.train):
        raise ValueError(f"`labelled` is from {len(classes)}, one label a class, to {len(data.train)}, got {count}")
    each, rest = divmod(count, len(classes))
    more = {*classes[torch.randperm(len(classes), generator=generator)[:rest]].tolist()}
    drawn = []
    for label in classes.tolist():
        there = data.train[of_train == label]
        wanted = each + (label in more)
        if len(there) < wanted:
            raise ValueError(f"`labelled` wants {wanted} of each class, and class {label} has {len(there)} of them")
        drawn.append(there[torch.randperm(len(there), generator=generator)[:wanted]])
    return drawn
