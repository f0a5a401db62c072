"""Data row by row: images or vectors, and what else there is of each.

What stands beside images, a class or a condition, reaches the programs that name it among their arguments. Of a datum
of which it is not known it is −1 where it is a whole number, and NaN where it is a float.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

__all__ = ["Rows", "of_type", "rows_of"]


@dataclass(frozen=True, eq=False)
class Rows:
    """Some data.

    Attributes:
        images: Images or vectors ``(N, *shape)``.
        extra: What stands beside them by name, each ``(N, ...)``.
    """

    images: Tensor
    extra: Mapping[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: Tensor | slice) -> Rows:
        """Those of the data that a slice or an index ``(M,)`` names."""
        return Rows(self.images[index], {name: values[index] for name, values in self.extra.items()})

    def split(self, size: int) -> Iterator[Rows]:
        """The data in their order, ``size`` at a time."""
        for start in range(0, len(self), size):
            yield self[start : start + size]

    def to(self, device: torch.device) -> Rows:
        """The data on a device."""
        return Rows(self.images.to(device), {name: values.to(device) for name, values in self.extra.items()})


def of_type(values: Tensor, dtype: torch.dtype | None) -> Tensor:
    """What stands beside images, with floats in the precision of a model; whole numbers stay what they are."""
    return values.to(dtype) if values.is_floating_point() else values


def rows_of(data: Tensor | Rows) -> Rows:
    """Data as rows; a tensor is data with nothing beside them."""
    return data if isinstance(data, Rows) else Rows(data)
