"""The importance weights of draws of the latents, at β 1 whatever the β of the programs.

    log w = Σ_s log p(s)  −  Σ_l log q(l),    s: the observed and latent sites of the model, l: the latent ones

E w = p(x), E log w = ELBO. A site that the guide marks with ``infer={"enumerate": "parallel"}`` is not drawn: w and
log w are their exact means over its values. Scales, and β with them, are left out. Masks are kept: a value that is
known in some rows has no factor of q there.

Source: Burda et al., Importance weighted autoencoders, https://arxiv.org/abs/1509.00519
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import log
from typing import Any, NamedTuple

import torch
from pyro import poutine
from torch import Tensor

from ..compiled.randomness import ONE_THREAD
from ..terms import check_traces, label_of, latent_sites, observed_sites, traces

__all__ = ["drawn", "effective_draws", "log_mean_weight", "weights"]


class Weights(NamedTuple):
    """Of one draw for each datum, ``(B,)``: log w, and the mean of log w over the values of enumerated sites."""

    log_weight: Tensor
    elbo: Tensor


def weights(model: Callable[..., Any], guide: Callable[..., Any], x: Tensor, **given: Tensor) -> Weights:
    """The weights of one draw of the latents.

    Args:
        model: A Pyro program.
        guide: Its guide, which is run first.
        x: Data ``(B, *shape)``.
        given: What else the programs take.

    Raises:
        ValueError: A latent is continuous in the guide and discrete in the model, as a relaxed class is.
    """
    of_model, of_guide = traces(model, guide, x, **given)
    check_traces(of_model, of_guide)
    latents = latent_sites(of_model)
    for name in latents:
        if of_guide.nodes[name]["fn"].support.is_discrete != of_model.nodes[name]["fn"].support.is_discrete:
            raise ValueError(
                f"{label_of(name)!r} is relaxed in the guide and discrete in the model: its draws have no importance "
                "weights, relax the prior too or leave the bound and the gaps out"
            )
    first, *others = observed_sites(of_model) + latents
    log_weight = _log_prob(of_model.nodes[first])
    for name in others:
        log_weight = log_weight + _log_prob(of_model.nodes[name])
    for name in latents:
        log_weight = log_weight - _log_prob(of_guide.nodes[name])
    enumerated = [site for name in latents if "_enumerate_dim" in (site := of_guide.nodes[name])["infer"]]
    if not enumerated:
        return Weights(log_weight, log_weight)
    log_q = sum(site["fn"].log_prob(site["value"]) for site in enumerated)  # that of masked rows too: it adds up to 1
    dims = list(range(log_weight.dim() - 1))
    return Weights((log_weight + log_q).logsumexp(dims), (log_q.exp() * log_weight).sum(dims))


def drawn(
    model: Callable[..., Any], guide: Callable[..., Any], x: Tensor, given: Mapping[str, Tensor]
) -> tuple[poutine.Trace, poutine.Trace]:
    """Traces of model and guide at a draw of all latents, those that are summed over elsewhere too."""
    with ONE_THREAD:
        of_guide = poutine.trace(guide).get_trace(x, **given)
        return poutine.trace(poutine.replay(model, trace=of_guide)).get_trace(x, **given), of_guide


def log_mean_weight(log_weights: Tensor) -> Tensor:
    """Log (1/S) Σ_s w_s, ``(B,)``, of log weights ``(S, B)``; its mean is the importance-weighted bound."""
    return log_weights.logsumexp(0) - log(len(log_weights))


def effective_draws(log_weights: Tensor) -> Tensor:
    """(Σ w)²/Σ w², ``(B,)``, of log weights ``(S, B)``: S where the guide is the posterior, 1 where one draw has all.

    Source: Kong, A note on importance sampling using standardized weights, University of Chicago report 348, 1992
    """
    return (2 * log_weights.logsumexp(0) - (2 * log_weights).logsumexp(0)).exp()


def _log_prob(site: dict[str, Any]) -> Tensor:
    """Log-probability of a site's value, without its scale; 0 where it is masked."""
    log_prob: Tensor = site["fn"].log_prob(site["value"])
    mask = site["mask"]
    if mask is None or mask is True:
        return log_prob
    return torch.where(torch.as_tensor(mask, device=log_prob.device), log_prob, 0.0)
