"""The processes that take one fit together, and what they tell each other.

Each of them, a *rank*, holds the whole model and takes its slice of the data of every step. `group` says which ranks
there are, `agreement` how they stay in step, and `sharing` how what is a function of the whole batch comes about.
Without `torchrun` there is one rank, which has nobody to talk to.

Source: https://docs.pytorch.org/docs/stable/distributed.html
"""

from __future__ import annotations

from .agreement import (
    RankError,
    alike,
    by_first,
    copy_from_first,
    everybodys,
    explained,
    from_first,
    greatest,
    in_turn,
    is_known_to_all,
    known,
)
from .group import is_first, is_launched, join, local_rank, local_size, rank, size
from .sharing import Share, add_up, drawn, gather, mean, merged, sharing, takes, the_share, together

__all__ = [
    "RankError",
    "Share",
    "add_up",
    "alike",
    "by_first",
    "copy_from_first",
    "drawn",
    "everybodys",
    "explained",
    "from_first",
    "gather",
    "greatest",
    "in_turn",
    "is_first",
    "is_known_to_all",
    "is_launched",
    "join",
    "known",
    "local_rank",
    "local_size",
    "mean",
    "merged",
    "rank",
    "sharing",
    "size",
    "takes",
    "the_share",
    "together",
]
