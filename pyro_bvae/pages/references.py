"""What the numbers of a run are to be held against: what is had without a code, and what none can be better than."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..datasets import Dataset, pixels
from ..datasets.labels import classes_of

__all__ = ["References", "references"]

AT_ONCE = 1000  # data


@dataclass(frozen=True)
class References:
    """Numbers without a model, each of the held-out data.

    Attributes:
        mse: Mean squared error of the mean of the training data, in place of every reconstruction.
        cross_entropy: −Σ (x log x + (1 − x) log(1 − x)), nats a datum, the least that the sum of the binary
            cross-entropies of pixels in [0, 1] can be; None for vectors.
        commonest: The share that the training data's most frequent class has; None without labels of one column.
    """

    mse: float
    cross_entropy: float | None
    commonest: float | None


def references(data: Dataset) -> References:
    """The numbers of some data."""
    sums = [pixels(data.images[part]).double().sum(0) for part in data.train.split(AT_ONCE)]
    mean = torch.stack(sums).sum(0) / len(data.train)
    squares = entropy = 0.0
    for part in data.held_out.split(AT_ONCE):
        x = pixels(data.images[part]).double()
        squares += (x - mean).square().sum().item()
        if data.is_images:
            entropy -= (torch.xlogy(x, x) + torch.xlogy(1 - x, 1 - x)).sum().item()
    count = len(data.held_out)
    return References(
        mse=squares / (count * mean.numel()),
        cross_entropy=entropy / count if data.is_images else None,
        commonest=_commonest(data),
    )


def _commonest(data: Dataset) -> float | None:
    if data.labels is None:
        return None
    classes = classes_of(data.labels)
    if classes.shape[1] != 1:
        return None
    return (classes[data.held_out] == classes[data.train].mode(0).values).float().mean().item()
