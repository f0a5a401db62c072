"""What programs with labels, conditions and several latents have in common.

A value that is missing is −1 among whole numbers, and NaN among floats.
"""

from __future__ import annotations

from typing import Any

import pyro.distributions as dist
import torch
from torch import Tensor, nn

from ..datasets import Dataset
from ..model import BetaVAE
from ..settings.declared import Range

__all__ = [
    "GaussianOf",
    "HeadsOf",
    "classes_of",
    "filled",
    "heads_of",
    "is_known",
    "joined",
    "one_hot",
    "options_of_labels",
    "positive",
]


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


class HeadsOf(nn.Module):
    """What a posterior family takes, given several vectors: h = ReLU(Σ W_i v_i + b), of which the rest is linear.

    Each vector meets its own weights before they are added up, so that features of an image are multiplied once,
    however many values of an enumerated site stand beside them.

    Args:
        widths: Of the vectors.
        latent_dim: Of the site, K.
        context: How many numbers the family wants beside mean and log-variance.
        hidden: Width of h.
    """

    def __init__(self, *widths: int, latent_dim: int, context: int = 0, hidden: int = 256) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(width, hidden, bias=first == 0) for first, width in enumerate(widths)])
        self.sizes = [latent_dim, latent_dim, *([context] if context else [])]
        self.head = nn.Linear(hidden, sum(self.sizes))

    def forward(self, *parts: Tensor) -> tuple[Tensor, ...]:
        """Mean and log-variance ``(..., K)``, and context, given vectors ``(..., W)`` whose leading dims broadcast."""
        first, *others = (layer(part) for layer, part in zip(self.layers, parts, strict=True))
        return self.head(torch.relu(sum(others, start=first))).split(self.sizes, dim=-1)


class GaussianOf(HeadsOf):
    """A diagonal Gaussian given several vectors, see `HeadsOf`."""

    def forward(self, *parts: Tensor) -> dist.TorchDistribution:  # type: ignore[override]
        """The Gaussian, event shape ``(K,)``."""
        loc, log_variance = super().forward(*parts)
        return dist.Normal(loc, torch.exp(0.5 * log_variance)).to_event(1)


def heads_of(vae: BetaVAE, *widths: int) -> HeadsOf:
    """What the posterior family of a model takes for its `latent_dim` latents, given vectors of those widths."""
    return HeadsOf(*widths, latent_dim=vae.latent_dim, context=getattr(vae.posterior, "context", 0))


def options_of_labels(data: Dataset) -> dict[str, Any]:
    """The options of programs that learn from labels: ``classes``, and the ``share`` of training data that have one."""
    labels = data.beside.get("labels")
    known = 0.0 if labels is None else is_known(labels[data.train]).double().mean().item()
    return {**classes_of(data), **({"share": float(f"{known:.6g}")} if known else {})}


def classes_of(data: Dataset) -> dict[str, int]:
    """The option ``classes``: how many the labels of a data set have; nothing where it has none.

    Raises:
        ValueError: The labels are attributes, of which a datum may have several.
    """
    if data.labels is None or data.labels.max() < 0:
        return {}
    if data.labels.dim() != 1:
        raise ValueError(f"the program wants one class a datum, and {data.name} has attributes")
    return {"classes": int(data.labels.max()) + 1}


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
