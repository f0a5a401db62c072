"""Errors of programs that say which of the data are at fault."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor

from ..likelihoods import Standardised
from ..model import BetaVAE
from ..settings.shown import in_words
from ..terms import broken_parameter

__all__ = ["FAR", "explained"]

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
