"""A data set in batches, on which a model is evaluated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import log2
from operator import index
from typing import TypeVar

import torch
from torch import Tensor

from .. import ranks
from ..compiled.functions import RecordedFunction
from ..compiled.memory import keep_freed_memory
from ..compiled.randomness import own_generator
from ..datasets import Progress, Rows, of_type, pixels, rows_of
from ..model import BetaVAE
from .arguments import given_to, has_own

__all__ = [
    "batches",
    "check_data",
    "evaluation_mode",
    "of_batches",
    "recorded_for_many",
    "rows_of_batches",
    "suitable_size",
]

Result = TypeVar("Result")
LARGEST_TENSOR = 2**24  # bytes, half of `memory.LARGEST_KEPT`
MOST_AT_ONCE = 1024
FEWEST_VALUES = 10**8  # pixels or features, where recording saves more than it takes: 24,415 images of 64×64


def batches(
    vae: BetaVAE, data: Tensor | Rows, batch_size: int, progress: Progress | None = None, what: str = ""
) -> Iterator[tuple[Tensor, Tensor, dict[str, Tensor]]]:
    """Batches on the model's device: the data as floats, as the programs see them, and what else these take.

    The first two differ where the likelihood quantises data. If it does so by draws, as `BinarizedBernoulli` does, the
    draws are the same at every call. After each batch ``progress`` is called with ``what`` and the numbers of data.

    Raises:
        TypeError: See `check_data`.
        ValueError: See `check_data`.
    """
    rows = check_data(vae, data)
    device = vae.beta.device
    generator = torch.Generator(device).manual_seed(0)
    done = 0
    for batch in rows.split(index(batch_size)):
        there = batch.to(device)
        x = pixels(there.images, vae.beta.dtype)
        given = {name: of_type(values, vae.beta.dtype) for name, values in there.extra.items()}
        yield x, vae.prepare(x, generator), given
        if progress is not None:
            done += len(batch)
            progress(what, done, len(rows))


def check_data(vae: BetaVAE, data: Tensor | Rows) -> Rows:
    """Make sure that a model can be run on data.

    Returns:
        The data, with what the programs take of all that stands beside them.

    Raises:
        TypeError: The data are no tensor, or neither uint8 nor float.
        ValueError: They are of another shape than the model's, or lack what the programs take.
    """
    if not isinstance(data, Tensor | Rows):
        raise TypeError(f"data must be a tensor, got {type(data).__name__}: torch.from_numpy makes one of an array")
    images = data.images if isinstance(data, Rows) else data
    pixels(images[:0])
    if tuple(images.shape[1:]) != vae.shape:
        shape = ", ".join(map(str, vae.shape))
        raise ValueError(f"the model is for data of shape (N, {shape}), got {tuple(images.shape)}")
    return Rows(images, given_to(vae, rows_of(data).extra))


def of_batches(
    vae: BetaVAE,
    data: Tensor | Rows,
    batch_size: int,
    work: Callable[..., Result],
    *,
    draws: int = 1,
    progress: Progress | None = None,
    what: str = "",
) -> list[Result]:
    """What ``work`` makes of each of the `batches` of a data set, in their order.

    Inside `ranks.together` each rank works on some of the batches, with the draws that one process would have. The
    results come to all: numbers, or tensors on the CPU where batches are few, see `rows_of_batches`.

    Args:
        vae: The programs, in `evaluation_mode`.
        data: See `batches`.
        batch_size: See `batches`.
        work: Called with the data as floats, as the programs see them, and by name with what else they take.
        draws: How often it runs the guide, which draws z.
        progress: See `batches`.
        what: See `batches`.
    """
    own = _own_batches(vae, data, batch_size, draws, progress, what)
    return ranks.merged({number: work(*batch, **given) for number, *batch, given in own})


def rows_of_batches(
    vae: BetaVAE,
    data: Tensor | Rows,
    batch_size: int,
    work: Callable[..., Sequence[Tensor]],
    *,
    progress: Progress | None = None,
    what: str = "",
) -> list[Tensor]:
    """What ``work`` makes of each datum, of all data: tensors ``(N, ...)`` on the CPU; see `of_batches`.

    Each batch is written where it belongs. A result of its own for each would take a few bytes between the activations
    of two batches, whose memory glibc (2.36) then cannot put to use again: it grew by 14 KB an image of 64×64.

    Args:
        vae: See `of_batches`.
        data: See `of_batches`.
        batch_size: See `batches`.
        work: Maps a batch of B data, given as `of_batches` gives it, to tensors ``(B, ...)``.
        progress: See `batches`.
        what: See `batches`.
    """
    whole: list[Tensor] = []
    places = {}
    for number, original, x, given in _own_batches(vae, data, batch_size, 1, progress, what):
        made = work(original, x, **given)
        whole = whole or [torch.empty(len(data), *each.shape[1:], dtype=each.dtype) for each in made]
        places[number] = slice(number * batch_size, number * batch_size + len(x))
        for rows, each in zip(whole, made, strict=True):
            rows[places[number]] = each
    parts = ranks.merged({number: [rows[place].clone() for rows in whole] for number, place in places.items()})
    return [torch.cat(each) for each in zip(*parts, strict=True)]


def _own_batches(
    vae: BetaVAE, data: Tensor | Rows, batch_size: int, draws: int, progress: Progress | None, what: str
) -> Iterator[tuple[int, Tensor, Tensor, dict[str, Tensor]]]:
    """The batches that this rank works on, and their numbers; what the others would draw is skipped."""
    for number, (original, x, given) in enumerate(batches(vae, data, batch_size, progress, what)):
        if ranks.takes(number):
            yield number, original, x, given
            continue
        for _ in range(draws):
            _skip(vae, x, given)


def recorded_for_many(vae: BetaVAE, work: Callable[..., Result], values: int) -> Callable[..., Result]:
    """A function of a batch, by way of its graph where it is called for many data.

    The number of values alone decides, so that a command that is repeated gives the same. A graph's results agree with
    those of the function up to rounding.

    Args:
        vae: The programs, which the function runs in `evaluation_mode`.
        work: Maps tensors to tensors; `RecordedFunction` has what it must not do.
        values: Pixels or features of all data that it is called for.
    """
    return RecordedFunction(work, vae) if values >= FEWEST_VALUES else work


def suitable_size(work: Callable[..., object], x: Tensor, **given: Tensor) -> int | None:
    """How many data to work on at once by way of a graph: a power of 2, at most 1024; None without a graph.

    The largest tensor then has 8 to 16 MiB, which stays in a CPU's cache and is kept for the next batch, and as many
    data as can be share one reading of the weights.

    Args:
        work: What `recorded_for_many` gave.
        x: A few data as the function takes them; see `RecordedFunction.values_a_datum`.
        given: What there is beside them.
    """
    values = work.values_a_datum(x, **given) if isinstance(work, RecordedFunction) else 0
    if not values:
        return None
    return 2 ** int(log2(max(1, min(MOST_AT_ONCE, LARGEST_TENSOR // (values * x.element_size())))))


def _skip(vae: BetaVAE, x: Tensor, given: Mapping[str, Tensor]) -> None:
    """Draw what a run of the guide draws, and no more than that where it is the package's own."""
    if has_own(vae, "guide", "encode") and "posterior" not in vae.custom:
        torch.normal(x.new_zeros(len(x), vae.latent_dim), x.new_ones(len(x), vae.latent_dim))
    else:
        vae.guide(x, **given)


@contextmanager
def evaluation_mode(vae: BetaVAE, seed: int) -> Iterator[None]:
    """Evaluate a model: no gradients, evaluation mode, draws from ``seed``. All three are restored at the end."""
    keep_freed_memory()
    modes = {module: module.training for module in vae.modules()}
    with own_generator(seed, vae.beta.device), torch.no_grad():
        vae.eval()
        try:
            yield
        finally:
            for module, training in modes.items():
                module.training = training
