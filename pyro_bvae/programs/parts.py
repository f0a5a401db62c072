"""What programs with labels, conditions and several latents have in common.

A value that is missing is −1 among whole numbers, and NaN among floats.
"""

from __future__ import annotations

from typing import Any

import pyro.distributions as dist
import torch
from torch import Tensor, nn

from ..datasets import Dataset
from ..settings.declared import Range

__all__ = ["GaussianOf", "classes_of", "filled", "is_known", "joined", "one_hot", "positive", "share_of"]


def is_known(values: Tensor) -> Tensor:
    """Which rows of data have all their values: not −1 among whole numbers, not NaN among floats.

    Args:
        values: Data ``(B, ...)``.

    Returns:
        Booleans, shape ``(B,)``.

    >>> is_known(torch.tensor([3, -1])), is_known(torch.tensor([[0.0, 1.0], [0.0, torch.nan]]))
    (tensor([ True, False]), tensor([ True, False]))
    """
    return _are_there(values).flatten(1).all(1) if values.dim() > 1 else _are_there(values)


def filled(values: Tensor) -> Tensor:
    """The data ``(B, ...)`` with 0 in place of what is missing, so that a distribution can take them.

    >>> filled(torch.tensor([3, -1])), filled(torch.tensor([0.5, torch.nan]))
    (tensor([3, 0]), tensor([0.5000, 0.0000]))
    """
    return torch.where(_are_there(values), values, torch.zeros_like(values))


def joined(*parts: Tensor) -> Tensor:
    """Vectors one after the other, with their leading dimensions broadcast: what a network takes of several sites.

    Args:
        parts: Vectors ``(..., K)``, whose leading dimensions broadcast, as those of an enumerated site do.

    Returns:
        Vectors ``(..., ΣK)``.

    >>> joined(torch.zeros(10, 1, 3), torch.ones(7, 2)).shape
    torch.Size([10, 7, 5])
    """
    leading = torch.broadcast_shapes(*(part.shape[:-1] for part in parts))
    return torch.cat([part.expand(*leading, part.shape[-1]) for part in parts], dim=-1)


def one_hot(labels: Tensor, like: Tensor, classes: int) -> Tensor:
    """Labels ``(...)`` as vectors ``(..., classes)`` of zeros and a one; of zeros where a label is missing.

    Args:
        labels: Whole numbers from 0 on.
        like: A tensor of the wanted dtype and device.
        classes: How many there are.

    >>> one_hot(torch.tensor([1, -1]), torch.zeros(1), 3)
    tensor([[0., 1., 0.],
            [0., 0., 0.]])
    """
    return (labels[..., None] == torch.arange(classes, device=like.device)).to(like.dtype)


class GaussianOf(nn.Module):
    """A diagonal Gaussian given several vectors, h = ReLU(Σ W_i v_i + b): ``loc`` and ``scale`` are linear in h.

    Each vector meets its own weights before they are added up, so that features of an image are multiplied once,
    however many values of an enumerated site stand beside them.

    Args:
        widths: Of the vectors.
        latent_dim: Of the Gaussian, K.
        hidden: Width of h.
    """

    def __init__(self, *widths: int, latent_dim: int, hidden: int = 256) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(width, hidden, bias=first == 0) for first, width in enumerate(widths)])
        self.head = nn.Linear(hidden, 2 * latent_dim)

    def forward(self, *parts: Tensor) -> dist.TorchDistribution:
        """The Gaussian given vectors ``(..., W)``, whose leading dimensions broadcast: event shape ``(K,)``."""
        first, *others = (layer(part) for layer, part in zip(self.layers, parts, strict=True))
        loc, log_variance = self.head(torch.relu(sum(others, start=first))).chunk(2, dim=-1)
        return dist.Normal(loc, torch.exp(0.5 * log_variance)).to_event(1)


def classes_of(data: Dataset) -> dict[str, int]:
    """The option ``classes`` of programs that take labels: how many classes the labels of a data set have.

    Raises:
        ValueError: The labels are attributes, of which a datum may have several.
    """
    if data.labels is None:
        return {}
    if data.labels.dim() != 1:
        raise ValueError(f"the program wants one class a datum, and {data.name} has attributes")
    return {"classes": int(data.labels.max()) + 1}


def share_of(data: Dataset) -> dict[str, float]:
    """The option ``share`` of programs that learn from labels: of labels that are known, among the training data."""
    labels = data.beside.get("labels")
    known = 0.0 if labels is None else is_known(labels[data.train]).double().mean().item()
    return {"share": float(f"{known:.6g}")} if known else {}


def positive(**options: float | None) -> list[Any]:
    """The values of options, each a positive number; None where it is one.

    Raises:
        ValueError: One is not.
        TypeError: It is no number.

    >>> positive(classes=10, gamma=None)
    [10, None]
    """
    for name, value in options.items():
        if value is not None:
            Range(above=0).check(name, value)
    return list(options.values())


def _are_there(values: Tensor) -> Tensor:
    return ~values.isnan() if values.is_floating_point() else values >= 0
