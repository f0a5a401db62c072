"""The random generators of a fit, of which each rank has its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from .. import ranks
from ..compiled.randomness import generator_state, seed_generators, set_generator_state

__all__ = ["generators", "own_seed", "set_generators"]

OF_RANKS = "ranks"


def own_seed(seed: int) -> int:
    """The seed of this rank's generator: that of the fit on the first, on each other one of its own."""
    if ranks.is_first():
        return seed
    return int(np.random.SeedSequence([seed, ranks.rank()]).generate_state(1, np.uint64)[0] >> 1)


def generators(device: torch.device) -> dict[str, Any]:
    """The states of the generators, as `generator_state` has them; of several ranks, those of each under "ranks"."""
    state: dict[str, Any] = generator_state(device)
    return state if ranks.size() == 1 else state | {OF_RANKS: ranks.everybodys(state)}


def set_generators(state: dict[str, Any], device: torch.device, seed: int) -> None:
    """Restore what `generators` returned.

    Args:
        state: Of a fit of as many ranks; of another number, the first one goes on with its generator, and the others
            begin with new ones.
        device: Of this rank.
        seed: For the new ones.
    """
    of_ranks = state.get(OF_RANKS, [state])
    if len(of_ranks) == ranks.size():
        set_generator_state(of_ranks[ranks.rank()], device)
    elif ranks.is_first():
        set_generator_state(state, device)
    else:
        seed_generators(own_seed(seed), device)
