"""Runs of the model program in which sites stand at values."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from pyro import poutine
from pyro.poutine.util import site_is_subsample
from torch import Tensor

from ..codes import Held, runnable
from ..compiled.randomness import ONE_THREAD
from ..model import BetaVAE
from ..terms import check_sites, label_of
from .given import Given

__all__ = ["image", "run", "values"]


def run(
    vae: BetaVAE, size: int, known: Given, latents: Mapping[str, Tensor], others: AbstractContextManager[Any]
) -> poutine.Trace:
    """A trace of the model in which what is given is held.

    Args:
        vae: The programs.
        size: How many data.
        known: What is given of them; whatever the program observes there gives way.
        latents: Where latent sites stand, by their labels ``(size, ...)``; a site that the program observes does not.
        others: What happens to the sites that are left, such as `codes.Centred`.

    Raises:
        ValueError: Something is lacking, or is given to no site; see `codes.Held` too.
    """
    forced, standing = Held(known.held, vae.beta.dtype), Held(latents, vae.beta.dtype, latent_only=True)
    with ONE_THREAD, runnable(vae, known.arguments), others, standing, forced:
        trace = poutine.trace(vae.model).get_trace(None, size, **known.arguments)
    check_sites(trace, "model", ("x",))
    for name in forced.unused | standing.unused:
        there = ", ".join(dict.fromkeys(label_of(site) for site in _random(trace) if site != "x"))
        raise ValueError(f"{name!r} is neither a site of the model ({there}) nor an argument of both programs")
    return trace


def image(trace: poutine.Trace, draw: bool) -> Tensor:
    """The mean of p(x | z), or a draw from it, on the CPU."""
    site = trace.nodes["x"]
    pixels: Tensor = site["value"] if draw else site["fn"].mean
    return pixels.cpu()


def values(trace: poutine.Trace) -> dict[str, Tensor]:
    """The value of each site but "x", by its label, on the CPU."""
    of_sites = {label_of(name): name for name in _random(trace) if name != "x"}
    whole = {label: label for label in of_sites if label in trace.nodes}  # joined from what is observed and what is not
    return {label: trace.nodes[name]["value"].cpu() for label, name in {**of_sites, **whole}.items()}


def _random(trace: poutine.Trace) -> list[str]:
    nodes = trace.nodes.items()
    return [name for name, site in nodes if site["type"] == "sample" and not site_is_subsample(site)]
