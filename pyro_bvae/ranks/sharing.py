"""How a batch is shared by ranks, and how what is a function of the whole of it comes about.

Rank r of n takes a contiguous slice of the B data of a step; slices differ by one datum at most. Each rank computes a
loss ℓ_r such that

    loss = (1/n) Σ_r ℓ_r,    g = (1/n) Σ_r ∂ℓ_r/∂w

are loss and gradient of the whole batch. Of what is a sum over data, loss = (1/B) Σ_x loss(x), ℓ_r is n/B times the sum
over the slice. All else is computed by every rank from tensors of the whole batch, which `gather` collects; then
ℓ_r = loss, and since every rank computes the same of it, the derivative in a rank's own slice is n times what a rank
sees of it.

A rank without a datum, where B < n, computes with one that is not its own, which counts for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from .group import rank, size

__all__ = ["Share", "add_up", "drawn", "gather", "mean", "merged", "sharing", "takes", "the_share", "together"]

Result = TypeVar("Result")


@dataclass(frozen=True)
class Share:
    """The slice of a batch that a rank takes.

    Attributes:
        total: Data of the batch, B.
        rank: Number of the rank, r.
        size: How many ranks there are, n.

    >>> [Share(7, rank, 3).rows for rank in range(3)]
    [slice(0, 3, None), slice(3, 5, None), slice(5, 7, None)]
    >>> Share(1, 1, 2).own, Share(1, 1, 2).rows
    (0, slice(0, 1, None))
    """

    total: int
    rank: int
    size: int

    @property
    def bounds(self) -> list[int]:
        """Where the slices of all ranks begin, and where the last one ends."""
        whole, rest = divmod(self.total, self.size)
        return [number * whole + min(number, rest) for number in range(self.size + 1)]

    @property
    def own(self) -> int:
        """How many data the rank has."""
        start, stop = self.bounds[self.rank : self.rank + 2]
        return stop - start

    @property
    def rows(self) -> slice:
        """The data that the rank computes with: its own, or one that counts for nothing where it has none."""
        start, stop = self.bounds[self.rank : self.rank + 2]
        return slice(start, stop) if stop > start else slice(self.total - 1, self.total)

    @property
    def weight(self) -> int:
        """By how much the sum over the slice, over B, is multiplied to be ℓ_r: n, or 0 where the rank has no datum."""
        return self.size if self.own else 0


_share: ContextVar[Share | None] = ContextVar("share", default=None)
_together: ContextVar[bool] = ContextVar("together", default=False)


def the_share() -> Share | None:
    """The slice of the step that is being taken; None outside of a step, and where there is one rank."""
    return _share.get()


@contextmanager
def sharing(total: int) -> Iterator[None]:
    """Take a step on ``total`` data together."""
    token = _share.set(Share(total, rank(), size()) if size() > 1 else None)
    try:
        yield
    finally:
        _share.reset(token)


def add_up(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The sums over ranks of tensors of one type, by one all-reduce; part of a graph, where one is recorded."""
    flat = torch.cat([tensor.detach().reshape(-1) for tensor in tensors])
    collectives = _collectives()
    total = collectives.wait_tensor(collectives.all_reduce(flat, "sum", dist.group.WORLD))
    parts = total.split([tensor.numel() for tensor in tensors])
    return [part.view(tensor.shape) for part, tensor in zip(parts, tensors, strict=True)]


def gather(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Tensors of the whole batch, ``(B, ...)``, from those of this rank's data, ``(rows, ...)``; differentiable.

    One all-gather for all. Every rank has to compute the same of them, see above. Outside of a step, and where there is
    one rank, they are those that are given.
    """
    share = _share.get()
    if share is None:
        return tensors
    flat = torch.cat([tensor.reshape(len(tensor), -1) for tensor in tensors], 1)
    whole = _Gather.apply(flat, share).split([tensor[:1].numel() for tensor in tensors], 1)  # type: ignore[no-untyped-call]
    return tuple(
        part.reshape(share.total, *tensor.shape[1:]).to(tensor.dtype)
        for part, tensor in zip(whole, tensors, strict=True)
    )


def mean(tensor: Tensor) -> Tensor:
    """The mean over the whole batch of ``(..., rows, ...)``, a scalar without a derivative; of one rank, with it."""
    share = _share.get()
    if share is None:
        return tensor.mean()
    (sum_,) = add_up([tensor.detach().mean() * (share.own / share.total)])
    return sum_


def drawn(tensor: Tensor) -> Tensor:
    """What is drawn for the whole batch: the draws of the first rank, where several take a step."""
    if _share.get() is None:
        return tensor
    collectives = _collectives()
    return collectives.wait_tensor(collectives.broadcast(tensor.detach(), 0, dist.group.WORLD))  # type: ignore[no-any-return]


class _Gather(torch.autograd.Function):
    """All ranks' rows of a matrix, one below the other."""

    @staticmethod
    def forward(ctx: Any, part: Tensor, share: Share) -> Tensor:
        """``(rows, M)`` to ``(B, M)``; slices are filled up to one length on the way."""
        ctx.share = share
        longest = -(-share.total // share.size)
        filled = part.new_zeros(longest, part.shape[1])
        filled[: share.own] = part[: share.own]
        collectives = _collectives()
        all_gather = getattr(collectives, "all_gather_single", None) or collectives.all_gather_tensor  # its older name
        whole = collectives.wait_tensor(all_gather(filled, 0, dist.group.WORLD))
        lengths = [stop - start for start, stop in pairwise(share.bounds)]
        slices = [whole[number * longest :][:length] for number, length in enumerate(lengths)]
        return torch.cat(slices)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """The rows of the rank, n times; zeros for a datum that is not its own."""
        share = ctx.share
        return gradient[share.rows] * share.weight, None


def _collectives() -> Any:
    """The collectives that a recorded graph keeps, imported where there are several ranks."""
    from torch.distributed import _functional_collectives

    return _functional_collectives


@contextmanager
def together() -> Iterator[None]:
    """All ranks run what is inside alike, so that pieces of it may be shared out, see `takes` and `merged`."""
    token = _together.set(size() > 1)
    try:
        yield
    finally:
        _together.reset(token)


def takes(number: int) -> bool:
    """Whether a numbered piece of work is this rank's: all of them are, unless ranks work `together`."""
    return not _together.get() or number % size() == rank()


def merged(results: Mapping[int, Result]) -> list[Result]:
    """The results of all pieces, in the order of their numbers, from those that each rank has; tensors on the CPU."""
    everywhere: list[Any] = [results]
    if _together.get():
        everywhere = [None] * size()
        dist.all_gather_object(everywhere, dict(results))
    of_all: dict[int, Result] = {number: result for part in everywhere for number, result in part.items()}
    return [of_all[number] for number in sorted(of_all)]
