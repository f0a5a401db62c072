"""Step through the classes of a discrete latent, or of an argument of the programs, keep the rest, and look.

For each datum one picture a class: the site stands at each of its classes, the other latents stay where the guide has
them for the datum, unless they depend on the class and follow the model. In a model of classes and styles the style of
the datum is the same in all its pictures.

Source: Kingma et al., Semi-supervised learning with deep generative models, https://arxiv.org/abs/1406.5298, figure 1
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..codes import class_values, followers
from ..codes import latents as latents_of
from ..generation import Given, given_for, images_under
from ..model import BetaVAE
from ..terms import arguments_of
from .bases import Base

__all__ = ["ClassSweep", "sweep_classes"]


@dataclass(frozen=True)
class ClassSweep:
    """Pictures of data under each of C classes.

    Attributes:
        images: ``(N, C, *shape)``.
        site: The site or argument that steps through the classes.
        names: What the classes are called, C names.
        base: What is kept, and the data that it encodes.
        reconstructions: The images of the base under its own class, ``(N, *shape)``.
    """

    images: Tensor
    site: str
    names: list[str]
    base: Base
    reconstructions: Tensor

    def arrays(self) -> dict[str, Any]:
        """All of it by name, as the npz of the command line has it; `from_arrays` reads them."""
        named: dict[str, Any] = {
            "images": self.images,
            "classes": self.names,
            "site": self.site,
            "start": self.base.codes,
            "reconstructions": self.reconstructions,
            "x": self.base.originals,
            "index": self.base.index,
        }
        return {name: array for name, array in named.items() if array is not None}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> ClassSweep:
        """What `arrays` gave, for example to draw it again; an npz will do."""
        tensors = {
            name: torch.from_numpy(np.asarray(arrays[name])) for name in arrays if name not in ("classes", "site")
        }
        return cls(
            images=tensors["images"],
            site=str(arrays["site"]),
            names=[str(name) for name in arrays["classes"]],
            base=Base(tensors["start"], tensors.get("x"), tensors.get("index")),
            reconstructions=tensors["reconstructions"],
        )


def sweep_classes(
    vae: BetaVAE,
    start: Base,
    site: str,
    *,
    classes: int | None = None,
    names: Sequence[str] | None = None,
    draw: bool = False,
    seed: int = 0,
) -> ClassSweep:
    """Decode data under each class of a site or argument.

    Args:
        vae: The programs; its device is used.
        start: What is kept, from `base`.
        site: The label of a discrete latent site, or the name of an argument of the programs that has classes.
        classes: How many an argument has; a site knows its own.
        names: What they are called, from which follows how many; by default by their numbers.
        draw: Whether to draw from p(x | z) in place of taking its mean.
        seed: Seed of those draws.

    Raises:
        ValueError: There is no such site or argument, it draws no classes, or has another number of them than names.
    """
    known = given_for(vae, start.given, len(start.codes))
    count = _count(vae, site, known, classes if names is None else len(names))
    names = [str(number) for number in range(count)] if names is None else list(names)
    if len(names) != count:
        raise ValueError(f"{site!r} has {count} classes, and there are {len(names)} `names`: give one each")
    kept = known.without({site} | followers(vae, site, **known[:1].arguments)).repeated(count)
    under = torch.arange(count).repeat(len(start.codes))
    if site in arguments_of(vae) and site not in known.held:
        under = under.to(kept.arguments[site].dtype) if site in kept.arguments else under  # such as booleans
        each = Given({**kept.arguments, site: under}, kept.held)
    else:
        each = Given(kept.arguments, {**kept.held, site: under})
    images = images_under(vae, len(under), each, draw=draw, seed=seed)
    return ClassSweep(
        images=images.unflatten(0, (len(start.codes), count)),
        site=site,
        names=names,
        base=start,
        reconstructions=images_under(vae, len(start.codes), known, draw=draw, seed=seed),
    )


def _count(vae: BetaVAE, site: str, known: Given, classes: int | None) -> int:
    """How many classes there are."""
    q = latents_of(vae, **known[:1].arguments).get(site)
    values = None if q is None else class_values(q)
    if values is not None:
        return len(values)
    if q is not None:
        raise ValueError(f"the site {site!r} draws no classes: sweep its latents with `traverse`")
    if site not in arguments_of(vae):
        there = ", ".join([*latents_of(vae, **known[:1].arguments), *arguments_of(vae)])
        raise ValueError(f"{site!r} is neither a latent site nor an argument of the programs, which have {there}")
    if classes is None:
        raise ValueError(f"the number of classes of the argument {site!r} is not known: say it with `classes`")
    return classes
