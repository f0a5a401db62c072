"""How ranks stay in step: what one does for all, what all do alike, and what all hear of an error of one.

All functions but `known` and `is_known_to_all` have to be called by every rank at the same point of its program.
Where there is one rank, they do nothing beyond the work itself.
"""

from __future__ import annotations

import pickle
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import nn

from .group import is_first, local_rank, rank, size

__all__ = [
    "RankError",
    "alike",
    "by_first",
    "copy_from_first",
    "everybodys",
    "explained",
    "from_first",
    "greatest",
    "in_turn",
    "is_known_to_all",
    "known",
]

OF_A_LOST_CONNECTION = ("gloo", "nccl", "connection closed", "connection reset", "broken pipe")
Result = TypeVar("Result")
Raised = TypeVar("Raised", bound=BaseException)


class RankError(OSError):
    """Another rank has failed, or is gone."""


class LostRankError(RankError):
    """Another rank is gone."""

    is_of_a_lost_rank = True


def known(error: Raised) -> Raised:
    """An error that every rank raises, so that one of them need say it."""
    error.is_known_to_all = True  # type: ignore[attr-defined]
    return error


def is_known_to_all(error: BaseException) -> bool:
    """Whether all ranks raise that error."""
    return getattr(error, "is_known_to_all", False)


def by_first(work: Callable[..., Result], *arguments: Any) -> Result:
    """What the first rank makes of it, for all ranks; the work is done there alone, and its error is raised everywhere.

    Args:
        work: Done by rank 0.
        arguments: What it is called with.
    """
    if size() == 1:
        return work(*arguments)
    outcome: list[Any] = [None, None]
    if is_first():
        try:
            outcome[0] = work(*arguments)
        except Exception as error:
            outcome[1] = _sendable(known(error))
            dist.broadcast_object_list(outcome, src=0)
            raise
    dist.broadcast_object_list(outcome, src=0)
    result, failure = outcome
    if failure is not None:
        raise known(failure)
    return result  # type: ignore[no-any-return]


def from_first(value: Result) -> Result:
    """The value that the first rank has."""
    return by_first(lambda: value)


def everybodys(value: Result) -> list[Result]:
    """The values of all ranks, in their order."""
    values: list[Any] = [value]
    if size() > 1:
        values = [None] * size()
        dist.all_gather_object(values, value)
    return values


@torch.no_grad()
def copy_from_first(module: nn.Module) -> None:
    """Make the parameters and buffers of a module those of the first rank."""
    for tensor in (*module.parameters(), *module.buffers()) if size() > 1 else ():
        copy = tensor.detach().clone(memory_format=torch.contiguous_format)
        dist.broadcast(copy, src=0)
        tensor.copy_(copy)


def greatest(*numbers: float) -> list[float]:
    """The greatest of what the ranks give, number by number."""
    if size() == 1:
        return [*numbers]
    tensor = torch.tensor(numbers, dtype=torch.float64)
    dist.all_reduce(tensor, dist.ReduceOp.MAX)
    return tensor.tolist()


@contextmanager
def alike() -> Iterator[None]:
    """What all ranks do each by itself; where it fails on one of them, all raise that error.

    Inside, ranks tell each other nothing.

    Raises:
        RankError: It failed elsewhere, and not on rank 0, whose error would be raised as it is.
    """
    if size() == 1:
        yield
        return
    raised: Exception | None = None
    try:
        yield
    except Exception as error:
        raised = error
    failures = everybodys((raised and _sendable(raised), socket.gethostname()))
    number = next((number for number, (failure, _) in enumerate(failures) if failure is not None), None)
    if number is None:
        return
    if raised is not None and number == rank() == 0:
        raise known(raised)
    failure, host = failures[number]
    assert failure is not None
    raise known(failure if number == 0 else RankError(f"rank {number} on {host}: {failure}")) from raised


def in_turn(work: Callable[[], Result]) -> Result:
    """Do what leaves something for others of the same machine, as data in a cache: the first rank there, then the rest.

    Args:
        work: Done by every rank, once.
    """
    results: list[Result] = []
    for is_turn in (local_rank() == 0, local_rank() != 0) if size() > 1 else (True,):
        with alike():
            if is_turn:
                results.append(work())
    return results[0]


@contextmanager
def explained() -> Iterator[None]:
    """Say in words what a lost connection means.

    Raises:
        RankError: In place of torch's error, where another rank is gone.
    """
    try:
        yield
    except RuntimeError as error:
        text = str(error)
        is_lost = isinstance(error, dist.DistError) or any(word in text.lower() for word in OF_A_LOST_CONNECTION)
        if size() == 1 or not is_lost:
            raise
        raise LostRankError(
            f"rank {rank()} of {size()} has lost another one, which has ended or was killed; its own lines, or those "
            "of torchrun, say why. The last checkpoint is kept: go on with `resume`"
        ) from error


def _sendable(error: Exception) -> Exception:
    """An error that can be sent to another process: itself, or what it says."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # whatever the class of an error makes of being copied
        return RankError(f"{type(error).__name__}: {error}")
    return error
