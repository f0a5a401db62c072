"""A command that torchrun has started in several processes: they share the work, and the first one speaks for all."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar

import click

__all__ = [
    "alike",
    "beginning",
    "check_taken_together",
    "hushed",
    "in_turn",
    "is_first",
    "is_said_elsewhere",
    "join",
    "together",
]

VARIABLES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # that it sets
TAKEN_TOGETHER = ("fit", "encode", "evaluate", "score")  # the commands that several processes can take
Result = TypeVar("Result")


def size() -> int:
    """How many processes torchrun has started; 1 without it."""
    return int(os.environ["WORLD_SIZE"]) if all(name in os.environ for name in VARIABLES) else 1


def is_first() -> bool:
    """Whether this process writes and prints."""
    return size() == 1 or os.environ.get("RANK") == "0"


def beginning() -> list[str]:
    """How a command begins that several processes are to take as they take this one."""
    if size() == 1:
        return ["pyro-bvae"]
    machines = int(os.environ.get("GROUP_WORLD_SIZE", "1"))
    options = [
        *(["--nnodes", str(machines)] if machines > 1 else []),
        "--nproc-per-node",
        os.environ["LOCAL_WORLD_SIZE"],
    ]
    return ["torchrun", *options, "-m", "pyro_bvae_cli"]


def join() -> None:
    """Be one of the processes that torchrun has started; without it nothing happens, and nothing is imported."""
    if size() > 1:
        from pyro_bvae import ranks

        ranks.join()


def check_taken_together(name: str) -> None:
    """Refuse a command that several processes would only repeat.

    Raises:
        click.UsageError: It is one.
    """
    if size() > 1 and name not in TAKEN_TOGETHER:
        jobs = "; it has --jobs and --cluster for several runs at a time" if name == "compare" else ""
        raise click.UsageError(f"torchrun starts {', '.join(TAKEN_TOGETHER)}; start {name} without it{jobs}")


@contextmanager
def alike() -> Iterator[None]:
    """What all processes do each by itself; an error of one ends all, and is said once."""
    with _of_ranks("alike"):
        yield


@contextmanager
def together() -> Iterator[None]:
    """All processes run what is inside, and share out its encoding and evaluation."""
    with _of_ranks("together"):
        yield


def in_turn(work: Callable[[], Result]) -> Result:
    """Work that leaves something in a cache: the first process of a machine does it, and then the others do."""
    if size() == 1:
        return work()
    from pyro_bvae import ranks

    return ranks.in_turn(work)


def _of_ranks(name: str) -> Any:
    if size() == 1:
        return nullcontext()
    from pyro_bvae import ranks

    return getattr(ranks, name)()


@contextmanager
def hushed() -> Iterator[None]:
    """Say nothing, unless this is the first process."""
    if is_first():
        yield
        return
    streams = sys.stdout, sys.stderr
    with open(os.devnull, "w", encoding="utf-8") as nothing:
        sys.stdout = sys.stderr = nothing
        try:
            yield
        finally:
            sys.stdout, sys.stderr = streams


def is_said_elsewhere(error: BaseException, command: str | None) -> bool:
    """Whether another process says it: an error that all know of, or a mistake that all meet."""
    if is_first():
        return False
    if getattr(error, "is_of_a_lost_rank", False):
        return os.environ["RANK"] != "1"  # which says it where the first process is the one that is gone
    known = any(getattr(each, "is_known_to_all", False) for each in (error, error.__cause__))
    met = (click.ClickException, *(() if command == "fit" else (ValueError, OSError)))
    return known or isinstance(error, met)
