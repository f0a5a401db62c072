"""Labels and their names: what counts as classes, and in which order names come."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

import torch  # noqa: F401  (the examples below)
from torch import Tensor

__all__ = ["classes_of", "in_natural_order", "is_one_hot", "looks_numbered", "without_column"]


def is_one_hot(labels: Tensor) -> bool:
    """Whether each row of labels ``(N, A)`` has one 1 among 0s: a class, and no set of attributes.

    >>> is_one_hot(torch.tensor([[0, 1, 0], [1, 0, 0]])), is_one_hot(torch.tensor([[0, 1, 1], [1, 0, 0]]))
    (True, False)
    """
    if labels.dim() != 2 or labels.shape[1] < 2:
        return False
    return bool(((labels == 0) | (labels == 1)).all() and (labels.sum(1) == 1).all())


def classes_of(labels: Tensor) -> Tensor:
    """Labels a question: one-hot rows ``(N, A)`` as one column of classes, classes ``(N,)`` as one, attributes as A.

    Returns:
        Classes, shape ``(N, questions)``.

    >>> classes_of(torch.tensor([[0, 1, 0], [0, 0, 1]]))
    tensor([[1],
            [2]])
    """
    return labels.argmax(1, keepdim=True) if is_one_hot(labels) else labels.reshape(len(labels), -1)


def without_column(labels: Tensor) -> Tensor:
    """Classes ``(N,)`` of labels ``(N, 1)``, as many packages write them; other labels as they are.

    >>> without_column(torch.tensor([[3], [7]]))
    tensor([3, 7])
    """
    return labels.squeeze(1) if labels.dim() == 2 and labels.shape[1] == 1 else labels


def looks_numbered(labels: Tensor) -> bool:
    """Whether labels ``(N,)`` are rather numbers of the data than classes: most values occur only once."""
    if labels.dim() != 1 or len(labels) < 20:
        return False
    _, counts = labels.unique(return_counts=True)
    return bool((counts == 1).sum() > 0.5 * len(labels))


def in_natural_order(names: Sequence[str]) -> list[str]:
    """Names sorted as people do it: part by part of a path, with 2 before 10.

    >>> in_natural_order(["img10", "img2", "b/1", "a"])
    ['a', 'b/1', 'img2', 'img10']
    """
    return sorted(names, key=lambda name: ([_pieces(part) for part in PurePosixPath(name).parts], name))


def _pieces(text: str) -> list[str | int]:
    """Words and numbers by turns, so that two of these lists compare."""
    return [int(piece) if place % 2 else piece for place, piece in enumerate(re.split(r"(\d+)", text))]
