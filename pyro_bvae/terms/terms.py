"""The two terms of the loss, distortion and rate, at β 1 whatever the β of the programs.

    distortion  D = −E_q(z|x) log p(x | z)
    rate        R = KL(q(z | x) ‖ p(z)) = Σ_k KL_k   where prior and guide factorise over the latents

in nats an image: sums over pixels and latents. −ELBO = D + R.

Source: Alemi et al., Fixing a broken ELBO, https://arxiv.org/abs/1711.00464
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyro.distributions as dist
import torch
from pyro import poutine
from pyro.poutine.util import site_is_subsample
from torch import Tensor
from torch.distributions import Distribution, Independent, kl_divergence

from ..compiled.randomness import ONE_THREAD
from ..model import BetaVAE

__all__ = [
    "Terms",
    "broken_parameter",
    "check_sites",
    "check_traces",
    "factorises",
    "per_value",
    "row_of_traces",
    "terms",
    "terms_of_traces",
    "traces",
]


@dataclass(frozen=True)
class Terms:
    """Distortion ``(B,)``, rate ``(B,)`` and KL of each latent ``(B, K)`` or None, in nats."""

    distortion: Tensor
    rate: Tensor
    kl: Tensor | None


def terms(vae: BetaVAE, x: Tensor) -> Terms:
    """The terms of each datum in a batch, with one draw of z.

    Args:
        vae: The programs.
        x: Data ``(B, *shape)``, on the model's device.

    Returns:
        Distortion, rate and KL of each latent, in nats.
    """
    return terms_of_traces(*traces(vae.model, vae.guide, x))


def traces(
    model: Callable[..., Any], guide: Callable[..., Any], *args: Any, **kw: Any
) -> tuple[poutine.Trace, poutine.Trace]:
    """A trace of the model that replays a trace of the guide, and that of the guide.

    Args:
        model: A Pyro program.
        guide: Its guide, which is run first.
        args: The arguments of both.
        kw: The keyword arguments of both.
    """
    with ONE_THREAD:
        guide_trace = poutine.trace(guide).get_trace(*args, **kw)
        return poutine.trace(poutine.replay(model, trace=guide_trace)).get_trace(*args, **kw), guide_trace


def terms_of_traces(model: poutine.Trace, guide: poutine.Trace) -> Terms:
    """The terms of a model trace and the guide trace that it replays, averaged over vectorised particles.

    They are computed from the distributions and values of the sites, since a trace's own ``log_prob`` contains β.

    Args:
        model: A trace with the sites "z" and "x", whose last batch dimension is the batch.
        guide: A trace with the site "z".

    Returns:
        Distortion, rate and KL of each latent, in nats.

    Raises:
        ValueError: See `check_traces`.
    """
    check_traces(model, guide)
    q, p, z = guide.nodes["z"]["fn"], model.nodes["z"]["fn"], guide.nodes["z"]["value"]
    distortion = -model.nodes["x"]["fn"].log_prob(model.nodes["x"]["value"])  # (..., B)
    kl = _kl_per_latent(q, p, z)  # (..., B, K)
    rate = _kl(q, p, z) if kl is None else kl.sum(-1)
    particles = list(range(distortion.dim() - 1))
    if particles:
        distortion, rate = distortion.mean(particles), rate.mean(particles)
        kl = None if kl is None else kl.mean(particles)
    return Terms(distortion, rate, kl)


def check_sites(trace: poutine.Trace, program: str, names: Sequence[str]) -> None:
    """Make sure that a program has the sites that it must have, and no other latent one, which no term would count.

    Args:
        trace: Of the program.
        program: What to call it, "model" or "guide".
        names: The sites.

    Raises:
        ValueError: A site is missing, or there is a latent one besides them.
    """
    for name in names:
        if name not in trace.nodes:
            raise ValueError(f"the {program} has no site {name!r}: the latents are the site 'z', the data the site 'x'")
    for name, site in trace.nodes.items():
        is_latent = site["type"] == "sample" and not site["is_observed"] and not site_is_subsample(site)
        if is_latent and name not in names:
            raise ValueError(f"a latent site {name!r} is in no reported term: put all latents into the site 'z'")


def check_traces(model: poutine.Trace, guide: poutine.Trace) -> None:
    """Make sure that terms can be read off the traces of a model of data and of its guide.

    Raises:
        ValueError: See `check_sites`; or the site "x" is not observed.
    """
    check_sites(guide, "guide", ("z",))
    check_sites(model, "model", ("z", "x"))
    if not model.nodes["x"]["is_observed"]:
        raise ValueError("the model draws its site 'x' in place of observing it: pass obs=x")


def row_of_traces(loss: Tensor, model: poutine.Trace, guide: poutine.Trace) -> Tensor:
    """Loss, distortion, rate and KL of each latent, summed over a batch; rows are added up over steps.

    Args:
        loss: In nats an image, a scalar.
        model: See `terms_of_traces`.
        guide: See `terms_of_traces`.

    Returns:
        Sums in nats, ``(3 + K,)``, or ``(3,)`` where there is no KL of each latent.
    """
    batch_terms = terms_of_traces(model, guide)
    distortion, rate, kl = batch_terms.distortion, batch_terms.rate, batch_terms.kl
    parts = [(loss * len(rate))[None], distortion.sum()[None], rate.sum()[None]]
    row = torch.cat(parts if kl is None else [*parts, kl.sum(0)])
    return row if row.device.type == "mps" else row.double()  # mps has no float64


def broken_parameter(error: ValueError) -> str | None:
    """Which parameter of a distribution is none that it can have, in words; None for an error of another kind.

    Pyro's own message holds all of the parameters, and the shapes of all sites.
    """
    named = re.search(r"Expected parameter (\w+) .*? of distribution (\w+)\(", str(error))
    return named and f"the parameter {named[1]} of a {named[2]} is not finite or out of its range"


def factorises(p: dist.TorchDistribution) -> bool:
    """Whether a distribution of vectors is a product of distributions of their elements."""
    return isinstance(p, Independent) and p.reinterpreted_batch_ndims == 1 == len(p.event_shape)


def per_value(p: Distribution) -> Distribution:
    """The distribution of single values, of which `to_event` has made one of images or vectors."""
    while isinstance(p, Independent):
        p = p.base_dist
    return p


def _kl_per_latent(q: dist.TorchDistribution, p: dist.TorchDistribution, z: Tensor) -> Tensor | None:
    if not (factorises(q) and factorises(p)):
        return None
    return _kl(q.base_dist, p.base_dist, z)


def _kl(q: dist.TorchDistribution, p: dist.TorchDistribution, z: Tensor) -> Tensor:
    """KL(q ‖ p) in closed form where one is registered, otherwise its estimate log q(z) − log p(z)."""
    try:
        return kl_divergence(q, p)
    except NotImplementedError:
        return q.log_prob(z) - p.log_prob(z)
