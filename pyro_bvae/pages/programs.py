"""The two Pyro programs of a model as a reader sees them: their source, and the sites that they make."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from textwrap import dedent
from typing import Any

from pyro import poutine
from pyro.poutine.util import site_is_subsample
from torch import Tensor
from torch.distributions import Distribution

from ..model import BetaVAE
from ..terms import evaluation_mode, per_value, traces

__all__ = ["Site", "sites", "source_of"]


@dataclass(frozen=True)
class Site:
    """A sample site of a program.

    Attributes:
        program: "model" or "guide".
        name: Of the site.
        formula: Which distribution of the theory it is, like "p(z)".
        family: The class of the distribution of single values.
        shape: Of a draw for one datum.
        weight: What its log-probability is multiplied with: β at the latent site.
        is_observed: Whether its value is given.
    """

    program: str
    name: str
    formula: str
    family: str
    shape: tuple[int, ...]
    weight: float
    is_observed: bool


FORMULAS = {("model", "z"): "p(z)", ("model", "x"): "p(x|z)", ("guide", "z"): "q(z|x)"}


def source_of(program: Callable[..., Any]) -> str | None:
    """The source of a function without its docstring; None where there is none, as for what was typed in a prompt."""
    try:
        source = dedent(inspect.getsource(program))
        (function,) = ast.parse(source).body
    except (OSError, TypeError, SyntaxError, ValueError):
        return None
    lines = source.splitlines()
    if isinstance(function, ast.FunctionDef) and ast.get_docstring(function) is not None:
        docstring = function.body[0]
        del lines[docstring.lineno - 1 : docstring.end_lineno]
    return "\n".join(lines).rstrip()


def sites(vae: BetaVAE, x: Tensor, **given: Tensor) -> list[Site]:
    """The sites of the guide and of the model, which reads the guide's draws, as a trace has them.

    Args:
        vae: The programs.
        x: Data ``(B, *shape)`` as the programs take them.
        given: What else they take.
    """
    with evaluation_mode(vae, seed=0):
        model, guide = traces(vae.model, vae.guide, x, **given)
    return [*_sites("model", model), *_sites("guide", guide)]


def _sites(program: str, trace: poutine.Trace) -> list[Site]:
    return [
        Site(
            program=program,
            name=name,
            formula=FORMULAS.get((program, name), ""),
            family=_family(per_value(site["fn"])),
            shape=tuple(site["fn"].event_shape),
            weight=_weight(site),
            is_observed=site["is_observed"],
        )
        for name, site in trace.nodes.items()
        if site["type"] == "sample" and not site_is_subsample(site)
    ]


def _family(distribution: Distribution) -> str:
    """The class of a distribution; of one that is transformed, that of what it is made of too."""
    name = type(distribution).__name__
    return f"{type(distribution.base_dist).__name__}, {name.lower()}" if hasattr(distribution, "base_dist") else name


def _weight(site: Mapping[str, Any]) -> float:
    """What multiplies a site's log-probability: its scale, and 0 where a mask hides it, as at β 0."""
    mask = site["mask"]
    is_hidden = mask is False or (isinstance(mask, Tensor) and not bool(mask.any()))
    return 0.0 if is_hidden else float(site["scale"])
