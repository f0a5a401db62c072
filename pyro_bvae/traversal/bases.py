"""Where sweeps start: the codes of data, the prior's mean, or draws from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from operator import index

import torch
from torch import Tensor

from ..codes import Centred, encode, followers, is_plain, prior_mean, site_of
from ..datasets import Rows, rows_of
from ..generation import Given, Known, completed, freed, given_for, model_site, reconstruct_sites, sample_sites
from ..generation.program import run, values
from ..model import BetaVAE
from ..settings.names import BASES, check
from ..terms import batches, evaluation_mode

__all__ = ["Base", "base"]


@dataclass(frozen=True)
class Base:
    """The codes that traversals start from.

    Attributes:
        codes: ``(N, K)``; of data at a site of classes their probabilities.
        originals: The data that they encode, ``(N, *shape)``; None where they encode none.
        index: Where these are in the data that were given, ``(N,)``; None where that is not known.
        site: The latent site that they are of.
        given: Where the sites of the model stand, and what else the programs take.
    """

    codes: Tensor
    originals: Tensor | None
    index: Tensor | None = None
    site: str = "z"
    given: Given = field(default_factory=Given)

    def kept(self, vae: BetaVAE) -> Given:
        """What stays where it is while the site is swept: all but the sites that depend on it, which follow the model.

        Args:
            vae: The programs.
        """
        known = given_for(vae, self.given, len(self.codes)).without([self.site])
        return known.without(followers(vae, self.site, **known[:1].arguments)) if known.held else known


def base(
    vae: BetaVAE,
    data: Tensor | Rows | None,
    kind: str = "image",
    *,
    site: str | None = None,
    given: Known = None,
    image: int = 0,
    count: int = 1,
    seed: int = 0,
) -> Base:
    """Codes to start from.

    Args:
        vae: The programs.
        data: Images or vectors to choose from ``(N, *shape)``, uint8 or float, or rows; None for a prior, which needs
            none.
        kind: "image", the posterior means of the data ``image`` ... ``image + count − 1``; "random-image", those of
            ``count`` data chosen at random; "prior", the prior's mean; "random-z", ``count`` draws from the prior.
        site: The latent site that is looked at, see `codes.code_site`; the others stand where the guide has them.
        given: What is to be otherwise, by the name of a site or argument; sites that depend on it follow the model.
        image: Index into ``data``.
        count: How many.
        seed: Seed of the draws.

    Returns:
        The codes, with the data they encode.

    Raises:
        ValueError: An unknown kind, one that wants data where there are none, or an index that is out of range.
    """
    check("base", kind, BASES)
    if count < 1 or (kind == "prior" and count > 1):
        raise ValueError(f"count must be at least 1, and 1 for the prior's one mean, got {count}")
    if kind in ("prior", "random-z"):
        return _of_prior(vae, kind, site, given, count, seed)
    if data is None:
        raise ValueError(f"the base {kind} is a datum: give data to choose from")
    rows, image, count = rows_of(data), index(image), index(count)
    if kind == "image" and not 0 <= image <= len(rows) - count:
        raise ValueError(f"there are {len(rows)} images: image + count must be at most that, got {image} + {count}")
    if kind == "random-image" and count > len(rows):
        raise ValueError(f"count must be at most {len(rows)}, the number of images, got {count}")
    shuffled = torch.randperm(len(rows), generator=torch.Generator().manual_seed(index(seed)))[:count]
    places = shuffled if kind == "random-image" else torch.arange(image, image + count)
    return _of_data(vae, rows[places], site, given, places)


def _of_prior(vae: BetaVAE, kind: str, site: str | None, given: Known, count: int, seed: int) -> Base:
    """The mean of the prior, or draws from it."""
    known = given_for(vae, given, count)
    site = model_site(vae, site, known)
    if kind == "random-z":
        of_sites = sample_sites(vae, count, given=known, seed=seed)[0]
    else:
        with evaluation_mode(vae, seed=0):
            of_sites = values(run(vae, 1, known, {}, Centred(["x"])))
    start = _base(known.arguments, of_sites, site)
    is_mean = kind == "prior" and not known.held
    return replace(start, codes=prior_mean(vae, site, **known.arguments)[None]) if is_mean else start


def _of_data(vae: BetaVAE, rows: Rows, site: str | None, given: Known, places: Tensor) -> Base:
    """The posterior means of data; what depends on a site that is given has the means of the model."""
    known = given_for(vae, given, len(rows))
    own = next(batches(vae, completed(vae, rows, known), len(rows)))[2]
    site = site_of(vae, site, **{name: value[:1] for name, value in own.items()})
    both = Given({**own, **known.arguments}, known.held)
    start = Base(encode(vae, completed(vae, rows, known), site=site).loc, rows.images, places, site)
    if is_plain(vae) and not known.held:
        return start
    of_sites = reconstruct_sites(vae, rows, given=known)[0]
    changed = _base(both.arguments, of_sites, site)
    return replace(start, given=changed.given, codes=changed.codes if site in freed(vae, both) else start.codes)


def _base(arguments: Mapping[str, Tensor], of_sites: Mapping[str, Tensor], site: str) -> Base:
    """The values of one site as codes, with those of all."""
    given = Given({name: value.cpu() for name, value in arguments.items()}, dict(of_sites))
    return Base(of_sites[site].reshape(len(of_sites[site]), -1), None, site=site, given=given)
