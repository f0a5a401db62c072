"""The codes of a data set: the mean and standard deviation of q(z | x) for each datum."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from pyro import poutine
from pyro.distributions import TorchDistribution
from torch import Tensor

from .compiled.randomness import ONE_THREAD
from .datasets import Progress, pixels
from .likelihoods import Standardised
from .model import BetaVAE
from .settings.shown import in_words
from .terms import (
    broken_parameter,
    check_data,
    check_sites,
    evaluation_mode,
    of_batches,
    recorded_for_many,
    suitable_size,
)

__all__ = ["FAR", "Codes", "encode", "explained", "posterior", "posterior_mean", "prior", "prior_mean"]

FAR = 100.0  # from 0 as the encoder sees it, where values are too large for networks
AT_ONCE = 100  # data that are encoded together: images of 64×64 stay in a CPU's cache, where 1,000 do not
FEW = 7  # data of which the largest tensor is looked at
DRAWS_FOR_MOMENTS = 1000  # of a distribution without a mean in closed form, such as a flow


@dataclass(frozen=True)
class Codes:
    """Posterior means ``loc`` and standard deviations ``scale``, each ``(N, K)``, on the CPU."""

    loc: Tensor
    scale: Tensor


def posterior(vae: BetaVAE, x: Tensor) -> TorchDistribution:
    """q(z | x) as the guide program has it, of data ``(B, *shape)``: batch shape ``(B,)``, event shape ``(K,)``."""
    with ONE_THREAD, explained(vae, x):
        trace = poutine.trace(vae.guide).get_trace(x)
    check_sites(trace, "guide", ("z",))
    return trace.nodes["z"]["fn"]


def posterior_mean(vae: BetaVAE, x: Tensor) -> Tensor:
    """The mean of q(z | x), ``(B, K)``, of data ``(B, *shape)``."""
    return _moments(posterior(vae, x))[0]


def prior(vae: BetaVAE) -> TorchDistribution:
    """p(z) as the model program has it: batch shape ``(1,)``, event shape ``(K,)``."""
    with ONE_THREAD:
        trace = poutine.trace(vae.model).get_trace(None, 1)
    check_sites(trace, "model", ("z", "x"))
    return trace.nodes["z"]["fn"]


def prior_mean(vae: BetaVAE) -> Tensor:
    """The mean of p(z), ``(K,)``, on the CPU."""
    with evaluation_mode(vae, seed=0):
        return _moments(prior(vae))[0].reshape(-1).cpu()


def encode(vae: BetaVAE, data: Tensor, *, batch_size: int | None = None, progress: Progress | None = None) -> Codes:
    """The codes of a data set.

    Many data are encoded by way of a graph, see `terms.recorded_for_many`, which changes codes by rounding alone.

    Args:
        vae: The programs; its device is used.
        data: Images or vectors ``(N, *shape)``, uint8 or float, on any device.
        batch_size: How many are encoded at once; by default 100, and in a graph `terms.suitable_size`.
        progress: Called after each batch.

    Returns:
        Posterior means and standard deviations, K latents of N data.
    """
    check_data(vae, data)
    in_graph = recorded_for_many(vae, lambda x: _moments(posterior(vae, x)), data.numel())

    def moments(_: Tensor, x: Tensor) -> tuple[Tensor, ...]:
        return tuple(moment.cpu() for moment in in_graph(x))

    with evaluation_mode(vae, seed=0):
        if batch_size is None:
            few = pixels(data[:FEW].to(vae.beta.device), vae.beta.dtype)
            batch_size = suitable_size(in_graph, few) or AT_ONCE
        loc, scale = zip(*of_batches(vae, data, batch_size, moments, progress=progress, what="codes"), strict=True)
    return Codes(torch.cat(loc), torch.cat(scale))


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


def _moments(distribution: TorchDistribution) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation, estimated from draws where the distribution has no closed form."""
    try:
        return distribution.mean, distribution.stddev
    except NotImplementedError:
        draws = distribution.sample((DRAWS_FOR_MOMENTS,))
        return draws.mean(0), draws.std(0)
