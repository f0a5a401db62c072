"""The sites of a model and its guide: which are latent, which observed, and what must not be.

Pyro splits a site "y" that is observed in some rows only (``obs_mask``) into "y_observed" and "y_unobserved"; in all
that is reported both are called "y".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pyro import poutine
from pyro.poutine.util import site_is_subsample

__all__ = ["Layout", "check_sites", "check_traces", "label_of", "latent_sites", "observed_sites", "random_sites"]

PARTS = ("_observed", "_unobserved")  # of a site that is observed in some rows only
OF_PARTICLES = "num_particles_vectorized"  # the plate that Pyro's ELBOs put around all others
BATCH = -1  # the dimension of the plate that data are in


@dataclass(frozen=True)
class Layout:
    """The names of the terms.

    Attributes:
        observed: Observed sites, "x" first: the parts of the distortion.
        latents: Latent sites in the model's order: the parts of the rate.
        units: What each KL is of: ``z[0]``, ``z[1]`` and so on of a site that factorises over the elements of a vector,
            the site itself of any other; empty where no site factorises.
        weights: The scale of sites whose scale is neither 1 nor β; its mean where each datum has its own.
    """

    observed: tuple[str, ...] = ("x",)
    latents: tuple[str, ...] = ("z",)
    units: tuple[str, ...] = ()
    weights: dict[str, float] = field(default_factory=dict)

    def parts(self, numbers: Sequence[float]) -> tuple[dict[str, dict[str, float]], list[float]]:
        """What follows loss, distortion and rate in a row of `terms.row_of_traces`.

        Returns:
            Distortions and rates by site, where there are several of a kind, and the KL of each unit.
        """
        by_site, rest = {}, list(numbers)
        for kind, names in (("distortions", self.observed), ("rates", self.latents)):
            if len(names) > 1 and rest:
                by_site[kind] = dict(zip(names, rest, strict=False))
                rest = rest[len(names) :]
        return by_site, rest

    @property
    def is_plain(self) -> bool:
        """Whether there is one latent site "z" and one observed site "x"."""
        return self.observed == ("x",) and self.latents == ("z",)


def label_of(site: str) -> str:
    """What a site is called in reports.

    >>> label_of("y_unobserved"), label_of("z")
    ('y', 'z')
    """
    return next((site.removesuffix(part) for part in PARTS if site.endswith(part)), site)


def random_sites(trace: poutine.Trace) -> list[str]:
    """The sites of a program that have a distribution, in its order: no plates, and nothing of `pyro.deterministic`."""
    return [
        name
        for name, site in trace.nodes.items()
        if site["type"] == "sample" and not site_is_subsample(site) and not site["infer"].get("_deterministic")
    ]


def latent_sites(trace: poutine.Trace) -> list[str]:
    """The latent sites of a program, in its order."""
    return [name for name in random_sites(trace) if not trace.nodes[name]["is_observed"]]


def observed_sites(trace: poutine.Trace) -> list[str]:
    """The observed sites of a model, "x" first."""
    names = [name for name in random_sites(trace) if trace.nodes[name]["is_observed"]]
    return sorted(names, key=lambda name: label_of(name) != "x")


def check_sites(trace: poutine.Trace, program: str, names: Sequence[str]) -> None:
    """Make sure that a program has the sites that it must have.

    Args:
        trace: Of the program.
        program: What to call it, "model" or "guide".
        names: The sites.

    Raises:
        ValueError: A site is missing.
    """
    for name in names:
        if name not in trace.nodes:
            known = latent_sites(trace) + observed_sites(trace)
            raise ValueError(f"the {program} has no site {name!r}, only {', '.join(map(repr, known)) or 'none at all'}")


def check_traces(model: poutine.Trace, guide: poutine.Trace) -> None:
    """Make sure that terms can be read off the traces of a model of data and of its guide.

    Raises:
        ValueError: The data are no observed site "x"; a latent site is in one of the two only; the guide observes
            something; or a site is not in the plate of the data, or in another one too.
    """
    check_sites(model, "model", ("x",))
    if not model.nodes["x"]["is_observed"]:
        raise ValueError("the model draws its site 'x' in place of observing it: pass obs=x")
    for name in observed_sites(guide):
        raise ValueError(f"the guide observes its site {name!r}, which no term can count: observe it in the model")
    ours, theirs = latent_sites(model), latent_sites(guide)
    for name in ours:
        if name not in theirs:
            raise ValueError(f"a latent site {name!r} of the model is in no reported term: sample it in the guide too")
    for name in theirs:
        if name not in ours:
            raise ValueError(f"the guide has a latent site {name!r} and the model has not: sample it in the model too")
    if not ours:
        raise ValueError("the programs have no latent site: sample 'z' in the model and in the guide")
    for trace in (model, guide):
        for name in latent_sites(trace) + observed_sites(trace):
            _check_plates(name, trace.nodes[name])


def _check_plates(name: str, site: dict[str, Any]) -> None:
    dims = [frame.dim for frame in site["cond_indep_stack"] if frame.vectorized and frame.name != OF_PARTICLES]
    if dims == [BATCH]:
        return
    if BATCH not in dims:
        where = "must be inside `with pyro.plate('batch', ..., dim=-1):`: terms are those of each datum"
        raise ValueError(f"the site {name!r} {where}")
    raise ValueError(f"the site {name!r} is in a second plate: make its values one event with .to_event")
