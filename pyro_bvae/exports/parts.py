"""Encoder and decoder as two modules from named tensors to named tensors, read off the programs.

    encoder:  x (B, *shape)  →  the parameters of q(z | x), for a normal loc and scale, (B, K) each
    decoder:  z (B, K)       →  the parameters of p(x | z), (B, *shape) each, and its mean

Conditions that the programs take are inputs of both. Of several latent sites the encoder has the parameters of each,
where those before it stand at their centres, and the decoder takes those that x depends on directly. Data are in their
own units, also where the networks see standardised values.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

from pyro import poutine
from pyro.distributions import TorchDistribution
from pyro.poutine.messenger import Messenger
from pyro.poutine.runtime import Message
from pyro.poutine.util import site_is_subsample
from torch import Tensor, nn
from torch.distributions import Independent, OneHotCategorical, RelaxedBernoulli, RelaxedOneHotCategorical

from ..codes import centre
from ..likelihoods.standardised import Rescaled
from ..model import BetaVAE
from ..terms import label_of, latent_sites

__all__ = ["Decoder", "Encoder", "parameters_of"]


class Encoder(nn.Module):
    """From data, and the conditions that the programs take, to the parameters of each latent site.

    Args:
        vae: The programs, of which a copy on the CPU is taken, in evaluation mode.
        conditions: What else the guide takes, by name.
    """

    def __init__(self, vae: BetaVAE, conditions: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.vae = copy.deepcopy(vae).cpu().eval()
        self.inputs = ("x", *conditions)

    def named(self, x: Tensor, *given: Tensor) -> dict[str, Tensor]:
        """The parameters by name, of data ``(B, *shape)``; of several sites with the label of the site before it."""
        with Undrawn():
            trace = poutine.trace(self.vae.guide).get_trace(x, **dict(zip(self.inputs[1:], given, strict=True)))
        of_sites = {label_of(name): parameters_of(trace.nodes[name]["fn"]) for name in latent_sites(trace)}
        if len(of_sites) == 1:
            return next(iter(of_sites.values()))
        return {f"{site}.{name}": value for site, given in of_sites.items() for name, value in given.items()}

    def forward(self, *values: Tensor) -> tuple[Tensor, ...]:
        """The parameters in their order."""
        return tuple(self.named(*values).values())


class Decoder(nn.Module):
    """From latents, and the conditions that the programs take, to the parameters of p(x | z), and its mean.

    Args:
        vae: The programs, of which a copy on the CPU is taken, in evaluation mode.
        latents: The sites that x depends on, by label, in the form in which they draw.
        conditions: What else the model takes, by name.
    """

    def __init__(self, vae: BetaVAE, latents: Mapping[str, Tensor], conditions: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.vae = copy.deepcopy(vae).cpu().eval()
        self.sites, self.inputs = tuple(latents), (*latents, *conditions)

    def named(self, *values: Tensor) -> dict[str, Tensor]:
        """Parameters and ``mean`` by name, of latents ``(B, ...)``."""
        given = dict(zip(self.inputs, values, strict=True))
        held = {site: given.pop(site) for site in self.sites}
        with Undrawn(), poutine.condition(data=held):
            trace = poutine.trace(self.vae.model).get_trace(None, values[0].shape[0], **given)
        p = trace.nodes["x"]["fn"]
        return parameters_of(p) | {"mean": p.mean}

    def forward(self, *values: Tensor) -> tuple[Tensor, ...]:
        """The same in their order."""
        return tuple(self.named(*values).values())


class Undrawn(Messenger):
    """Let sites stand at their centres, or means, without a draw: a graph has no randomness then."""

    def _pyro_sample(self, msg: Message) -> None:
        if not (msg["is_observed"] or msg["done"] or site_is_subsample(msg)):
            p: TorchDistribution = msg["fn"]  # type: ignore[assignment]
            msg["value"] = p.mean if msg["name"] == "x" else centre(p, p.sample)
            msg["done"] = True


def parameters_of(p: TorchDistribution) -> dict[str, Tensor]:
    """The parameters that a distribution was made with, by name; of a rescaled one in the units of its values.

    Raises:
        ValueError: It has none that are known.

    >>> import pyro.distributions as dist, torch
    >>> parameters_of(dist.Laplace(torch.zeros(1), 2.0).to_event(1))
    {'loc': tensor([0.]), 'scale': tensor([2.])}
    """
    while isinstance(p, Independent):
        p = p.base_dist
    if isinstance(p, Rescaled):
        (affine,) = p.transforms
        given = parameters_of(p.base_dist)
        if given.keys() != {"loc", "scale"}:
            raise ValueError(f"it is a rescaled {type(p.base_dist).__name__}, which has more than loc and scale")
        return {"loc": affine(given["loc"]), "scale": given["scale"] * affine.scale}
    if isinstance(p, OneHotCategorical | RelaxedBernoulli | RelaxedOneHotCategorical):
        return {"logits": p.logits}
    known = {name: vars(p).get(name) for name in p.arg_constraints}  # the others would be computed from these
    given = {name: value for name, value in known.items() if isinstance(value, Tensor)}
    given = given or {name: getattr(p, name) for name in p.arg_constraints}  # as those of a Beta, kept in a Dirichlet
    if "logits" in given:
        given.pop("probs", None)  # computed from them, or they from these
    if not given:
        raise ValueError(f"it is a {type(p).__name__}, which has no parameters of its own")
    return given
