"""The arguments of programs beside x and size: by their names, what a data set has beside images reaches them.

>>> class Conditional(BetaVAE):
...     def model(self, x=None, size=1, labels=None): ...
...     def guide(self, x, labels=None): ...
>>> arguments_of(Conditional((4,)))
('labels',)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import Parameter, signature
from typing import Any

from torch import Tensor

from ..model import BetaVAE

__all__ = ["arguments_of", "given_to", "has_own"]

OF_EVERY_PROGRAM = ("x", "size")
OPTIONAL = Parameter.KEYWORD_ONLY
BY_NAME = (OPTIONAL, Parameter.POSITIONAL_OR_KEYWORD)
OTHERS = "**"


def arguments_of(vae: BetaVAE) -> tuple[str, ...]:
    """The names of what both programs take beside x and size.

    What one of them alone takes, and has a default for, is that program's own affair.

    Raises:
        ValueError: One of them cannot do without an argument that the other does not take.
    """
    model, guide = _arguments(vae.model, skipped=2), _arguments(vae.guide, skipped=1)
    for mine, theirs, names in (("model", "guide", (model, guide)), ("guide", "model", (guide, model))):
        for name, parameter in names[0].items():
            if parameter.default is Parameter.empty and not _takes(name, names[1]):
                raise ValueError(f"the {mine} takes `{name}` and the {theirs} does not: give it to both programs")
    return tuple(name for name in {**model, **guide} if _takes(name, model) and _takes(name, guide) and name != OTHERS)


def given_to(vae: BetaVAE, extra: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What of all that stands beside images the programs take.

    Args:
        vae: The programs.
        extra: By name; an argument with a default that is not among it is left at that.

    Raises:
        ValueError: It lacks one that has no default.
    """
    names = arguments_of(vae)
    of_both = [*_arguments(vae.model, skipped=2).items(), *_arguments(vae.guide, skipped=1).items()]
    for name, parameter in of_both:
        if name in names and parameter.default is Parameter.empty and name not in extra:
            has = f"have only {', '.join(extra)} beside images" if extra else "have nothing beside images"
            raise ValueError(f"the programs take `{name}`, and the data {has}: add it as extra={{{name!r}: tensor}}")
    return {name: extra[name] for name in names if name in extra}


def has_own(vae: BetaVAE, *names: str) -> bool:
    """Whether methods are `BetaVAE`'s: neither overridden by a subclass, nor replaced on the object."""
    methods = [getattr(getattr(vae, name), "__func__", None) for name in names]
    return methods == [getattr(BetaVAE, name) for name in names]


def _arguments(program: Callable[..., Any], skipped: int) -> dict[str, Parameter]:
    """The parameters of a program but for the first ones, x and size; "**" where it takes others too."""
    parameters = list(signature(program).parameters.values())
    named = [one for one in parameters[skipped:] if one.kind in BY_NAME and one.name not in OF_EVERY_PROGRAM]
    others = [one for one in parameters if one.kind == Parameter.VAR_KEYWORD]
    known = {one.name: one for one in named}
    return known if not others else known | {OTHERS: Parameter("others", OPTIONAL, default=None)}


def _takes(name: str, arguments: Mapping[str, Parameter]) -> bool:
    return name in arguments or OTHERS in arguments
