"""Errors of programs that say which of the data are at fault."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from ..likelihoods import Standardised
from ..model import BetaVAE
from ..settings.shown import in_words
from ..settings.words import one_line
from ..terms import arguments_of, broken_parameter

__all__ = ["FAR", "explained", "runnable"]

FAR = 100.0  # from 0 as the encoder sees it, where values are too large for networks


@contextmanager
def explained(vae: BetaVAE, x: Tensor) -> Iterator[None]:
    """Where encoder or decoder make no distribution of data, say of vectors which values lie how far out.

    Args:
        vae: The programs.
        x: The data that they are run on, ``(B, *shape)``.

    Raises:
        ValueError: In place of Pyro's, which holds all parameters and not the reason.
    """
    try:
        yield
    except ValueError as error:
        what = broken_parameter(error)
        if what is None:
            raise
        raise ValueError(f"{what}{_far_out(vae, x)}") from error


@contextmanager
def runnable(vae: BetaVAE, arguments: Mapping[str, Tensor]) -> Iterator[None]:
    """Where programs are run: those that fail may do so for want of an argument.

    Args:
        vae: The programs.
        arguments: What they are run with.

    Raises:
        ValueError: They fail in another way than by a ValueError, and there are arguments that they are run without.
    """
    try:
        yield
    except (AttributeError, RuntimeError, TypeError) as error:
        lacking = " and ".join(repr(name) for name in arguments_of(vae) if name not in arguments)
        if not lacking or isinstance(error, torch.OutOfMemoryError):
            raise
        reason = one_line(str(error).partition("Trace Shapes:")[0])
        raise ValueError(
            f"the programs do not run without {lacking}: say what it is with `given` ({reason})"
        ) from error


def _far_out(vae: BetaVAE, x: Tensor) -> str:
    """The value that lies farthest out, and how far; empty where none does, or the data are images."""
    distances = vae.standardise(x).abs()
    if x.dim() != 2 or not distances.max() > FAR:
        return ""
    datum, column = divmod(int(distances.argmax()), x.shape[1])
    how = "where networks want values near 1"
    if isinstance(vae.likelihood, Standardised):
        how = f"{in_words(distances[datum, column].item(), '.3g')} deviations from the mean of the training data"
    return f": the data reach {x[datum, column].item():.4g} in column [:, {column}], {how}"
