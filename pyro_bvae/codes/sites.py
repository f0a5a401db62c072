"""The latent sites of programs, one at a time: q of a site given data, p of a site, and where the others stand.

To look at one site, the others stand at their centre: the mean, of discrete sites the most probable value. In a guide
q(y | x) q(z | x, y) the posterior of z is that of the most probable class, and the code of a datum is a function of the
datum. The site that is looked at draws as in any run of the program, so that programs with one latent site draw what
they would draw if nobody looked.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from pyro import poutine
from pyro.distributions import TorchDistribution
from pyro.infer.inspect import get_dependencies
from torch import Tensor

from ..compiled.randomness import ONE_THREAD
from ..model import BetaVAE
from ..terms import check_sites, evaluation_mode, has_own, label_of, latent_sites
from .explained import explained, runnable
from .moments import class_values, moments
from .standing import Centred

__all__ = [
    "centres",
    "code_site",
    "draws",
    "followers",
    "is_plain",
    "latents",
    "posterior",
    "posterior_mean",
    "posteriors",
    "prior",
    "prior_mean",
    "site_of",
]


def code_site(latents: Mapping[str, TorchDistribution], site: str | None = None) -> str:
    """The latent site whose values are the code: the one that is named, or "z", or the first that draws no classes.

    Args:
        latents: The latent sites of a guide in its order, by their labels.
        site: The label of one of them.

    Raises:
        ValueError: There is none of that label, or none at all.

    >>> import pyro.distributions as dist
    >>> code_site({"y": dist.Bernoulli(0.5), "w": dist.Normal(0.0, 1.0)})
    'w'
    """
    if not latents:
        raise ValueError("the guide has no latent site: it samples one at least, such as 'z'")
    if site is not None and site not in latents:
        raise ValueError(f"`site` names a latent site of the guide, {' or '.join(latents)}: got {site!r}")
    if site is not None or "z" in latents:
        return site or "z"
    return next((name for name, q in latents.items() if class_values(q) is None), next(iter(latents)))


def posteriors(vae: BetaVAE, x: Tensor, left: str = "z", **given: Tensor) -> dict[str, TorchDistribution]:
    """The distribution of each latent site of the guide, where those before it stand at their centres.

    Args:
        vae: The programs.
        x: Data ``(B, *shape)``.
        left: A site that is left at its draw, if no other site is to be looked at.
        given: What else the programs take, see `terms.given_to`.

    Returns:
        By the label of the site, in the guide's order, each of batch shape ``(B,)``.
    """
    trace = _guide_trace(vae, x, given, Centred([left]))
    return {label_of(name): trace.nodes[name]["fn"] for name in latent_sites(trace)}


def posterior(vae: BetaVAE, x: Tensor, site: str | None = None, **given: Tensor) -> TorchDistribution:
    """q(z | x) as the guide program has it, of data ``(B, *shape)``: batch shape ``(B,)``, event shape ``(K,)``.

    Args:
        vae: The programs.
        x: Data ``(B, *shape)``.
        site: Which latent site, see `code_site`; the others stand at their centres.
        given: What else the programs take.

    Raises:
        ValueError: There is no such site.
    """
    of_sites = posteriors(vae, x, site or "z", **given)
    return of_sites[code_site(of_sites, site)]


def posterior_mean(vae: BetaVAE, x: Tensor, site: str | None = None, **given: Tensor) -> Tensor:
    """The mean of q(z | x), ``(B, K)``, of data ``(B, *shape)``; of a site of classes their probabilities."""
    return moments(posterior(vae, x, site, **given))[0]


def centres(vae: BetaVAE, x: Tensor, **given: Tensor) -> dict[str, Tensor]:
    """Where each latent site of the guide stands for data: at its centre, where those before it stand at theirs.

    Args:
        vae: The programs.
        x: Data ``(B, *shape)``.
        given: What else the programs take.

    Returns:
        By the label of the site, ``(B, ...)`` each, in the form in which it draws.
    """
    return _values(_guide_trace(vae, x, given, Centred()))


def draws(vae: BetaVAE, x: Tensor, **given: Tensor) -> dict[str, Tensor]:
    """A draw of each latent site of the guide, as `centres` has its centre."""
    return _values(_guide_trace(vae, x, given, nullcontext()))


def latents(vae: BetaVAE, **given: Tensor) -> dict[str, TorchDistribution]:
    """The latent sites of the guide, in its order by their labels, with their distributions of a datum of zeros.

    Args:
        vae: The programs.
        given: What else they take, of one datum.
    """
    with runnable(vae, given), evaluation_mode(vae, seed=0):
        return posteriors(vae, vae.beta.new_zeros(1, *vae.shape), "z", **given)


def prior(vae: BetaVAE, site: str | None = None, **given: Tensor) -> TorchDistribution:
    """p(z) as the model program has it, of batch shape ``(1,)``; the sites before it stand at their centres.

    Args:
        vae: The programs.
        site: Which latent site, see `code_site`.
        given: What else the programs take, of one datum.

    Raises:
        ValueError: There is no such site.
    """
    with ONE_THREAD, Centred([site or "z", "x"]):
        trace = poutine.trace(vae.model).get_trace(None, 1, **given)
    check_sites(trace, "model", ("x",))
    if site is None and "z" not in trace.nodes:
        site = code_site(latents(vae, **given))
    of_sites = {label_of(name): trace.nodes[name]["fn"] for name in latent_sites(trace)}
    return of_sites[code_site(of_sites, site)]


def prior_mean(vae: BetaVAE, site: str | None = None, **given: Tensor) -> Tensor:
    """The mean of p(z), ``(K,)``, on the CPU."""
    with evaluation_mode(vae, seed=0):
        return moments(prior(vae, site, **given))[0].reshape(-1).cpu()


def site_of(vae: BetaVAE, site: str | None = None, **given: Tensor) -> str:
    """The latent site of programs whose values are the code, see `code_site`.

    Args:
        vae: The programs.
        site: Its label, if it is not the usual one.
        given: What the programs take beside x, of one datum.
    """
    return "z" if site in (None, "z") and is_plain(vae) else code_site(latents(vae, **given), site)


def is_plain(vae: BetaVAE) -> bool:
    """Whether model and guide are the package's own, with the one latent site "z"."""
    return has_own(vae, "model", "guide")


def followers(vae: BetaVAE, site: str, **given: Tensor) -> set[str]:
    """The sites of the model whose distribution depends on a latent site, directly or through other sites.

    Args:
        vae: The programs.
        site: The label of the latent site.
        given: What else the programs take, of one datum.
    """
    with evaluation_mode(vae, seed=0):
        known = get_dependencies(vae.model, (None, 1), given)["prior_dependencies"]
    parents = {label_of(name): {label_of(other) for other in others} for name, others in known.items()}  # type: ignore[attr-defined]
    after = {site}
    while more := {name for name, others in parents.items() if others & after} - after:
        after |= more
    return after - {site}


def _guide_trace(
    vae: BetaVAE, x: Tensor, given: Mapping[str, Tensor], standing: AbstractContextManager[Any]
) -> poutine.Trace:
    with ONE_THREAD, explained(vae, x), standing:
        return poutine.trace(vae.guide).get_trace(x, **given)


def _values(trace: poutine.Trace) -> dict[str, Tensor]:
    return {label_of(name): trace.nodes[name]["value"] for name in latent_sites(trace)}
