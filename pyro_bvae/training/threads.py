"""How many threads of the CPU a fit takes.

    threads = min(those that PyTorch would take, cores that this process may use, ⌈operations of a step / 25·10⁶⌉)

Threads meet at the end of every operation, and a step of small networks has many short ones, so that more threads take
longer than one. The number follows from shapes and cores alone: sums of floating-point numbers depend on how they are
split, and a fit that is repeated must split them alike. Of several ranks on a machine each takes its share of the
cores, and all take as many as the first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import ceil
from typing import TYPE_CHECKING, Any
from warnings import warn

import torch
from joblib import cpu_count

from .. import ranks
from ..settings.names import threads_are_named

if TYPE_CHECKING:
    from .state import Training

__all__ = ["choose_threads", "own_threads", "suitable_threads"]

OPERATIONS_OF_A_THREAD = 25e6  # floating-point operations of matrix products, in a step


@contextmanager
def own_threads() -> Iterator[None]:
    """Put the number of threads back at the end."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def choose_threads(training: Training, stored: Mapping[str, Any]) -> int:
    """Set the number of threads of a fit: as asked for, as the environment says, as the run had, or what suits it.

    Args:
        training: The fit that is to come.
        stored: The config of the run that goes on; empty for a new one.

    Returns:
        The number that is set.
    """
    before = stored.get("threads")
    if training.settings.threads is not None:
        threads = training.settings.threads
    elif before is not None and not threads_are_named():
        threads = before
    else:
        threads = suitable_threads(training)
    threads = ranks.from_first(threads)
    torch.set_num_threads(threads)
    if before not in (None, threads):
        warn(
            f"the run took {before} threads and goes on with {threads}: last digits may differ from here on",
            stacklevel=3,
        )
    return threads


def suitable_threads(training: Training) -> int:
    """The number for a new fit, whose step is taken once to count its operations; nothing is changed.

    Where the environment names a number of threads, it is left as it is.
    """
    from torch.utils.flop_counter import FlopCounterMode  # which imports triton, if that is there

    usual, share = torch.get_num_threads(), max(1, cpu_count() // ranks.local_size())
    if threads_are_named():
        return usual
    if ranks.size() > 1:  # where torchrun has set 1
        usual = share
    with FlopCounterMode(display=False) as counter:
        training.gradient_step().evaluate(training.minibatches.batch(training.step))
    return min(usual, share, max(1, ceil(counter.get_total_flops() / OPERATIONS_OF_A_THREAD)))
