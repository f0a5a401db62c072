"""Whether compiling the step of a fit takes less time than it saves.

    steps to go × seconds of an eager step × share of them that compiling saves   >   seconds that compiling takes

Inductor keeps its kernels on disk, so that compiling the same step again takes a fraction of the first time. A small
file beside them says which steps have been compiled.

The estimate is held against the first compiled steps: where they take longer than eager ones, the run is eager.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from ..files import atomic_write
from ..settings.names import AS_ASKED
from .cache import cache_folder

__all__ = ["FEWEST_STEPS", "decide", "expected_seconds", "note_seconds", "refutation"]

FEWEST_STEPS = 1000  # below which nothing is measured, and nothing compiled
SHARE_SAVED = 1 / 3  # of the time of an eager step, at least
MARGIN = 1.2  # by which a compiled step may be slower, since times vary
SECONDS_FIRST, SECONDS_AGAIN = 15.0, 2.5  # that compiling takes, and taking the kernels from disk


def decide(
    asked: bool | None, steps: int, device: torch.device, measure: Callable[[], float], seconds: float
) -> tuple[bool, str]:
    """Whether to compile, and why, in a few words.

    Args:
        asked: What the user asked for; None leaves the decision here.
        steps: Number of steps to go.
        device: Where they run.
        measure: Returns the seconds that an eager step takes.
        seconds: How long compiling will take.

    >>> decide(None, 46_900, torch.device("cpu"), lambda: 0.004, 15.0)
    (True, '46,900 steps of 4.0 ms would take 188 s, and compiling, about 15 s, saves a third of it or more')
    """
    if asked is not None:
        return asked, AS_ASKED
    if device.type not in ("cpu", "cuda"):
        return False, f"no compiler is used on {device.type}"
    if steps < FEWEST_STEPS:
        return False, f"{steps:,} steps are too few for it to pay"
    eager = measure()
    pays = steps * eager * SHARE_SAVED > seconds
    what = f"{steps:,} steps of {1000 * eager:.1f} ms would take {steps * eager:,.0f} s"
    return (
        pays,
        f"{what}, and compiling, about {seconds:.0f} s, saves {'a third of it or more' if pays else 'too little'}",
    )


def refutation(compiled: float, eager: float) -> str | None:
    """Why steps are not to be compiled after all; None if there is no reason.

    Args:
        compiled: Seconds of a compiled step.
        eager: Seconds of an eager one.

    >>> refutation(1.04, 0.017)
    'a compiled step takes 1040.0 ms, an eager one 17.0 ms'
    """
    if compiled <= MARGIN * eager:
        return None
    return f"a compiled step takes {1000 * compiled:.1f} ms, an eager one {1000 * eager:.1f} ms"


def expected_seconds(compiled: Mapping[str, Any]) -> float:
    """How long compiling a step will take: little if this machine has compiled it before.

    Args:
        compiled: What the graph of the step depends on, plain data.
    """
    try:
        seconds = float(_file_of(compiled).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # there is no note, or it was cut off
        return SECONDS_FIRST
    return min(SECONDS_AGAIN, seconds) if seconds >= 0 else SECONDS_FIRST  # a note of "nan" is none


def note_seconds(compiled: Mapping[str, Any], seconds: float) -> None:
    """Remember that a step was compiled, and how long that took, if that can be written anywhere."""
    with suppress(OSError):
        note = _file_of(compiled)
        with atomic_write(note, durable=False) as partial:
            partial.write_text(f"{seconds:.2f}", encoding="utf-8")


def _file_of(compiled: Mapping[str, Any]) -> Path:
    what = json.dumps([compiled, torch.get_num_threads()], sort_keys=True, default=str)
    return cache_folder() / "pyro_bvae" / f"{hashlib.sha256(what.encode()).hexdigest()}.txt"
