"""What programs with labels, conditions and several latents have in common.

A value that is missing is −1 among whole numbers, and NaN among floats. A site that is observed in some rows only says

    pyro.sample("y", p, obs=filled(y), obs_mask=is_known(y))

and stays latent in the others.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["filled", "is_known", "joined", "one_hot"]


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


def _are_there(values: Tensor) -> Tensor:
    return ~values.isnan() if values.is_floating_point() else values >= 0
