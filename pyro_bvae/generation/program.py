"""Runs of the model program in which sites stand at values."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from pyro import poutine
from torch import Tensor

from ..codes import Held, runnable
from ..compiled.randomness import ONE_THREAD
from ..model import BetaVAE
from ..terms import check_sites, label_of, random_sites
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
        there = ", ".join(_labelled(trace))
        raise ValueError(f"{name!r} is neither a site of the model ({there}) nor an argument of both programs")
    return trace


def image(trace: poutine.Trace, draw: bool) -> Tensor:
    """The mean of p(x | z), or a draw from it, on the CPU."""
    site = trace.nodes["x"]
    pixels: Tensor = site["value"] if draw else site["fn"].mean
    return pixels.cpu()


def values(trace: poutine.Trace) -> dict[str, Tensor]:
    """The value of each site but "x", by its label, on the CPU."""
    return {label: trace.nodes[name]["value"].cpu() for label, name in _labelled(trace).items()}


def _labelled(trace: poutine.Trace) -> dict[str, str]:
    """The node of each site but "x", by its label: of one that is observed in some rows, Pyro's whole one."""
    names = {label_of(name): name for name in random_sites(trace)}
    return {label: label if label in trace.nodes else name for label, name in names.items() if label != "x"}
