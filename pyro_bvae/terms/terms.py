"""The two terms of the loss, distortion and rate, at β 1 whatever the β of the programs.

    distortion  D = −E_q log p(observed sites | latents)
    rate        R = Σ_s KL_s                 over latent sites s, KL_s = E_q [log q(s | ·) − log p(s | ·)],
                KL_s = Σ_k KL_k              where prior and guide of a site factorise over the elements of a vector

in nats a datum: sums over pixels and latents. −ELBO = D + R.

KL_s is in closed form where one is registered, and where every latent site that precedes s in the model precedes it in
the guide too: then the prior of s does not depend on s itself. Otherwise it is log q(s) − log p(s) at the draw. A
discrete site that the guide marks with ``infer={"enumerate": "parallel"}`` is not drawn: all terms are means over its
values, exactly. A relaxed class under a prior of classes has the KL of the classes that it relaxes, as in Dupont,
Learning disentangled joint continuous and discrete representations, https://arxiv.org/abs/1804.00104.

Source: Alemi et al., Fixing a broken ELBO, https://arxiv.org/abs/1711.00464
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import isclose
from typing import Any

import pyro.distributions as dist
import torch
from pyro import poutine
from pyro.poutine.enum_messenger import EnumMessenger
from torch import Tensor
from torch.distributions import (
    Categorical,
    Distribution,
    Independent,
    OneHotCategorical,
    RelaxedOneHotCategorical,
    kl_divergence,
)

from ..compiled.randomness import ONE_THREAD
from ..model import BetaVAE
from .sites import Layout, check_traces, label_of, latent_sites, observed_sites

__all__ = [
    "Terms",
    "broken_parameter",
    "factorises",
    "layout_of",
    "per_value",
    "row_of_traces",
    "terms",
    "terms_of_traces",
    "total",
    "traces",
    "units_of",
]

ROUNDING = 1e-6  # relative, of a scale in 32 bits
FIRST_ENUMERATED = -2  # dimension, to the left of the batch


@dataclass(frozen=True)
class Terms:
    """The terms of each datum of a batch, in nats.

    Attributes:
        distortion: ``(B,)``.
        rate: ``(B,)``.
        kl: Of each unit ``(B, K)``, see `units_of`; None where no site factorises.
        distortions: The distortion of each observed site, by its label.
        rates: The rate of each latent site, by its label.
    """

    distortion: Tensor
    rate: Tensor
    kl: Tensor | None
    distortions: Mapping[str, Tensor] = field(default_factory=dict)
    rates: Mapping[str, Tensor] = field(default_factory=dict)


def terms(vae: BetaVAE, x: Tensor, **given: Tensor) -> Terms:
    """The terms of each datum in a batch, with one draw of the latents.

    Args:
        vae: The programs.
        x: Data ``(B, *shape)``, on the model's device.
        given: What else the programs take.
    """
    return terms_of_traces(*traces(vae.model, vae.guide, x, **given))


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
    with ONE_THREAD, EnumMessenger(first_available_dim=FIRST_ENUMERATED):
        guide_trace = poutine.trace(guide).get_trace(*args, **kw)
        return poutine.trace(poutine.replay(model, trace=guide_trace)).get_trace(*args, **kw), guide_trace


def terms_of_traces(model: poutine.Trace, guide: poutine.Trace) -> Terms:
    """The terms of a model trace and the guide trace that it replays, averaged over vectorised particles.

    They are computed from the sites' distributions, values and masks, since a trace's own ``log_prob`` contains β.

    Args:
        model: A trace of data, whose last batch dimension is the batch.
        guide: The trace that it replays.

    Raises:
        ValueError: See `check_traces`.
    """
    check_traces(model, guide)
    mean = _Mean(guide)
    distortions: dict[str, Tensor] = {}
    rates: dict[str, Tensor] = {}
    for name in observed_sites(model):
        site = model.nodes[name]
        _add(distortions, name, mean(_masked(-site["fn"].log_prob(site["value"]), site)))
    units = []
    for name, of_site, is_factorised in _kl_of_sites(model, guide):
        of_units = mean(of_site, 1) if is_factorised else mean(of_site)
        units.append(of_units if is_factorised else of_units[:, None])
        _add(rates, name, of_units.sum(-1) if is_factorised else of_units)
    kl = _beside(units) if units_of(model, guide) else None
    return Terms(total(distortions), total(rates), kl, distortions, rates)


def units_of(model: poutine.Trace, guide: poutine.Trace) -> list[str]:
    """What each KL is of: the elements of a site that factorises over a vector, other sites as a whole.

    Empty where no site factorises.
    """
    units, any_factorises = [], False
    for name in latent_sites(model):
        q, p = guide.nodes[name]["fn"], model.nodes[name]["fn"]
        both = factorises(q) and factorises(p)
        label, any_factorises = label_of(name), any_factorises or both or not q.event_shape
        units += [f"{label}[{number}]" for number in range(q.event_shape[0])] if both else [label]
    return units if any_factorises else []


def layout_of(model: poutine.Trace, guide: poutine.Trace, beta: float) -> Layout:
    """The names of the terms of two traces; scales are read back from the device.

    Args:
        model: Of data.
        guide: That the model replays.
        beta: Of the programs.
    """
    latents, observed = latent_sites(model), observed_sites(model)
    sites = [*((name, guide.nodes[name]) for name in latents), *((name, model.nodes[name]) for name in observed)]
    scales = {label_of(name): torch.as_tensor(site["scale"]).float().mean().item() for name, site in sites}
    weights = {
        label: scale
        for label, scale in scales.items()
        if not any(isclose(scale, usual, rel_tol=ROUNDING) for usual in (1.0, beta))
    }
    of_observed, of_latents = (tuple(dict.fromkeys(map(label_of, names))) for names in (observed, latents))
    return Layout(of_observed, of_latents, tuple(units_of(model, guide)), weights)


def row_of_traces(loss: Tensor, model: poutine.Trace, guide: poutine.Trace) -> Tensor:
    """Loss, distortion, rate, their parts and the KL of each unit, summed over a batch; rows are added up over steps.

    Args:
        loss: In nats a datum, a scalar.
        model: See `terms_of_traces`.
        guide: See `terms_of_traces`.

    Returns:
        Sums in nats: loss, distortion and rate; where there are several observed sites the distortion of each, where
        there are several latent ones the rate of each; the KL of each unit, if there is one.
    """
    batch_terms = terms_of_traces(model, guide)
    distortion, rate, kl = batch_terms.distortion, batch_terms.rate, batch_terms.kl
    parts = [(loss * len(rate))[None], distortion.sum()[None], rate.sum()[None]]
    for by_site in (batch_terms.distortions, batch_terms.rates):
        if len(by_site) > 1:
            parts += [of_site.sum()[None] for of_site in by_site.values()]
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


class _Mean:
    """The mean over the values of enumerated sites, weighed by the guide, and over vectorised particles."""

    def __init__(self, guide: poutine.Trace) -> None:
        sites = [guide.nodes[name] for name in latent_sites(guide)]
        enumerated = [site for site in sites if site["infer"].get("_enumerate_dim") is not None]
        self.dims = [site["infer"]["_enumerate_dim"] for site in enumerated]
        first, *others = [site["fn"].log_prob(site["value"]) for site in enumerated] or [None]
        self.weight = None if first is None else sum(others, start=first).exp()

    def __call__(self, term: Tensor, event_dim: int = 0) -> Tensor:
        """Of a term ``(..., B, *event)``: ``(B, *event)``."""
        if self.weight is not None and any(term.dim() >= event_dim - dim for dim in self.dims):
            weight = self.weight[(..., *[None] * event_dim)]
            term = (weight * term).sum([dim - event_dim for dim in self.dims], keepdim=True)
        particles = list(range(term.dim() - 1 - event_dim))
        return term.mean(particles) if particles else term


def _kl_of_sites(model: poutine.Trace, guide: poutine.Trace) -> Iterator[tuple[str, Tensor, bool]]:
    """Name and KL of each latent site: ``(..., B, K)`` where it factorises over a vector, otherwise ``(..., B)``."""
    before: set[str] = set()
    order = latent_sites(guide)
    for name in latent_sites(model):
        site = guide.nodes[name]
        q, p, z = site["fn"], model.nodes[name]["fn"], site["value"]
        is_apart = before <= {*order[: order.index(name)]}
        before.add(name)
        both = factorises(q) and factorises(p)
        kl = _kl(q.base_dist, p.base_dist, z, is_apart) if both else _kl(q, p, z, is_apart)
        yield name, _masked(kl, site, 1 if both else 0), both


def _kl(q: dist.TorchDistribution, p: dist.TorchDistribution, z: Tensor, is_apart: bool) -> Tensor:
    """KL(q ‖ p) in closed form where one is registered, otherwise its estimate log q(z) − log p(z).

    Args:
        q: The guide's.
        p: The model's.
        z: The draw.
        is_apart: Whether p does not depend on z.
    """
    if isinstance(q, RelaxedOneHotCategorical) and isinstance(p, OneHotCategorical):
        q = OneHotCategorical(logits=q.logits)
    if is_apart and any(isinstance(q, kind) and isinstance(p, kind) for kind in (Categorical, OneHotCategorical)):
        return _kl_of_classes(q, p)
    try:
        return kl_divergence(q, p) if is_apart else q.log_prob(z) - p.log_prob(z)
    except NotImplementedError:
        return q.log_prob(z) - p.log_prob(z)


def _kl_of_classes(q: Any, p: Any) -> Tensor:
    """Σ_c q_c (log q_c − log p_c), in operations that do not wait for a GPU, as those of torch's own do.

    A class that only q has makes it infinite, and one that q does not have counts for nothing.
    """
    terms = torch.where(q.probs > 0, q.probs * (q.logits - p.logits), torch.zeros_like(q.probs))
    impossible = (p.probs == 0) & (q.probs > 0)
    return torch.where(impossible, torch.full_like(terms, torch.inf), terms).sum(-1)


def _masked(term: Tensor, site: Mapping[str, Any], event_dim: int = 0) -> Tensor:
    """A term ``(..., B, *event)`` of a site, 0 where the site is masked."""
    mask = site["mask"]
    if mask is None or mask is True:
        return term
    mask = torch.as_tensor(mask, device=term.device)[(..., *[None] * event_dim)]
    return torch.where(mask, term, torch.zeros_like(term))


def _beside(units: list[Tensor]) -> Tensor:
    return units[0] if len(units) == 1 else torch.cat(units, -1)


def _add(terms: dict[str, Tensor], name: str, term: Tensor) -> None:
    label = label_of(name)
    terms[label] = terms[label] + term if label in terms else term


def total(terms: Mapping[str, Tensor]) -> Tensor:
    """The sum of terms by site, ``(B,)``, of which there is one at least."""
    first, *others = terms.values()
    return sum(others, start=first)
