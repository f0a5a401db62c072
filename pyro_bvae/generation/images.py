"""Images of given latents, of draws from the prior, of encoded data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from math import prod
from operator import index
from typing import Any

import torch
from torch import Tensor

from ..codes import Centred, centres, draws, explained, followers, is_plain, site_of
from ..datasets import Rows, rows_of
from ..model import BetaVAE
from ..programs import is_known
from ..settings.shown import in_words
from ..terms import batches, broken_parameter, check_data, evaluation_mode, given_to
from .given import Given, as_tensor, given_for
from .program import image, run, values

__all__ = [
    "Known",
    "as_rows",
    "completed",
    "freed",
    "image_means",
    "images_of",
    "images_under",
    "model_site",
    "reconstruct",
    "reconstruct_sites",
    "reconstructed_site",
    "sample",
    "sample_sites",
    "with_conditions",
]

MOST_VALUES = 10**9  # of all images that are made at once: 4 GB
OF_DATA = "x"
Known = Mapping[str, Any] | Given | None


def images_of(
    vae: BetaVAE,
    z: Tensor,
    *,
    site: str | None = None,
    given: Known = None,
    draw: bool = False,
    seed: int = 0,
    batch_size: int = 1000,
) -> Tensor:
    """The images of given latents.

    Args:
        vae: The programs; its device is used.
        z: Latents ``(..., K)``; or whole numbers ``(...)``, the classes of a site that draws classes.
        site: The latent site that they are of, see `codes.code_site`.
        given: What else is known, by the name of a site or argument: for all rows, or one a row.
        draw: Whether to draw from p(x | z) in place of taking its mean.
        seed: Seed of the draws.
        batch_size: How many images are made at once.

    Returns:
        Images ``(..., *shape)``, on the CPU.

    Raises:
        ValueError: They have more values than are kept at once, the decoder makes no distribution of them, or what is
            given does not fit the programs.
    """
    leading = z.shape[:-1] if z.is_floating_point() else z.shape
    rows = z.reshape(leading.numel(), *z.shape[len(leading) :])
    _check_size(vae, len(rows))
    known = given_for(vae, given, len(rows))
    site = model_site(vae, site, known)
    held = {**known.held, site: as_tensor(vae, rows)}
    try:
        images = images_under(vae, len(rows), Given(known.arguments, held), draw=draw, seed=seed, batch_size=batch_size)
    except ValueError as error:
        what = broken_parameter(error)
        if what is None:
            raise
        raise ValueError(f"{what}: the latents reach {in_words(rows.abs().max().item(), '.4g')}") from error
    return images.unflatten(0, leading)


def images_under(
    vae: BetaVAE, size: int, given: Known, *, draw: bool = False, seed: int = 0, batch_size: int = 1000
) -> Tensor:
    """The images ``(size, *shape)`` of what is given; all other latents stand at their centres. See `images_of`."""
    _check_size(vae, size)
    known = given_for(vae, given, size)
    with evaluation_mode(vae, seed):
        images = []
        for part in _parts(size, batch_size):
            trace = run(vae, part.stop - part.start, known[part], {}, Centred([OF_DATA]))
            images.append(image(trace, draw))
    return torch.cat(images)


def sample(
    vae: BetaVAE,
    size: int,
    *,
    site: str | None = None,
    given: Known = None,
    draw: bool = False,
    seed: int = 0,
    batch_size: int = 1000,
) -> tuple[Tensor, Tensor]:
    """Draws from the prior, and their images.

    Args:
        vae: The programs; its device is used.
        size: How many.
        site: Of which latent site draws are returned, see `codes.code_site`; all are drawn.
        given: What is known, by the name of a site or argument: for all draws, or one a draw.
        draw: Whether to draw from p(x | z) too, in place of taking its mean.
        seed: Seed of the draws.
        batch_size: How many images are made at once.

    Returns:
        Latents ``(size, K)`` and images ``(size, *shape)``, on the CPU.

    Raises:
        ValueError: They have more values than are kept at once, or what is given does not fit the programs.
    """
    known = given_for(vae, given, size)
    site = model_site(vae, site, known)
    of_sites, images = sample_sites(vae, size, given=given, draw=draw, seed=seed, batch_size=batch_size)
    return as_rows(of_sites[site]), images


def sample_sites(
    vae: BetaVAE,
    size: int,
    *,
    given: Known = None,
    draw: bool = False,
    seed: int = 0,
    batch_size: int = 1000,
) -> tuple[dict[str, Tensor], Tensor]:
    """The draws of all sites but "x", by their labels, ``(size, ...)`` each, and their images; see `sample`."""
    _check_size(vae, size)
    known = given_for(vae, given, size)
    made = []
    with evaluation_mode(vae, seed):
        for part in _parts(size, batch_size):
            trace = run(vae, part.stop - part.start, known[part], {}, nullcontext())
            made.append((values(trace), image(trace, draw)))
    return _joined(made)


def reconstruct(
    vae: BetaVAE,
    data: Tensor | Rows,
    *,
    site: str | None = None,
    given: Known = None,
    draw: bool = False,
    seed: int = 0,
    batch_size: int = 1000,
) -> tuple[Tensor, Tensor]:
    """Encode data and decode them again.

    Args:
        vae: The programs; its device is used.
        data: Images or vectors ``(N, *shape)``, uint8 or float, on any device; or rows, with what stands beside them.
        site: Of which latent site latents are returned, see `codes.code_site`; all are decoded.
        given: What the decoded data are to have in place of what was encoded, by the name of a site or argument: for
            all data, or one a datum. Sites that depend on a site that is given follow the model.
        draw: Whether to draw z from q(z | x) and x from p(x | z); otherwise both are means, and classes the most
            probable.
        seed: Seed of the draws.
        batch_size: How many images are made at once.

    Returns:
        Latents ``(N, K)`` and reconstructions ``(N, *shape)``, on the CPU.

    Raises:
        ValueError: The data lack what the programs take, or what is given does not fit the programs.
    """
    site = reconstructed_site(vae, data, site, given)
    of_sites, images = reconstruct_sites(vae, data, given=given, draw=draw, seed=seed, batch_size=batch_size)
    return as_rows(of_sites[site]), images


def reconstruct_sites(
    vae: BetaVAE,
    data: Tensor | Rows,
    *,
    given: Known = None,
    draw: bool = False,
    seed: int = 0,
    batch_size: int = 1000,
) -> tuple[dict[str, Tensor], Tensor]:
    """The values of all sites but "x" that are decoded, by their labels, and their images; see `reconstruct`."""
    rows = completed(vae, data, given)
    known, done, made = given_for(vae, given, len(rows)), 0, []
    with evaluation_mode(vae, seed):
        for _, x, own in batches(vae, rows, batch_size):
            part, done = known[done : done + len(x)], done + len(x)
            with explained(vae, x):
                latents = (draws if draw else centres)(vae, x, **own)
                given_here = Given({**own, **part.arguments}, part.held)
                free = freed(vae, given_here)
                kept = {name: value for name, value in latents.items() if name not in free}
                trace = run(vae, len(x), given_here, kept, nullcontext() if draw else Centred([OF_DATA]))
                made.append((values(trace), image(trace, draw)))
    return _joined(made)


def image_means(vae: BetaVAE, latents: Tensor | Mapping[str, Tensor], **given: Tensor) -> Tensor:
    """Means of p(x | z), ``(B, *shape)``, on the device of the latents.

    Args:
        vae: The programs.
        latents: Of the site "z", ``(B, K)``; or of each site by its label, as `codes.centres` has them.
        given: What else the programs take.
    """
    of_sites = {"z": latents} if isinstance(latents, Tensor) else latents
    size = len(next(iter(of_sites.values())))
    means: Tensor = run(vae, size, Given(given), of_sites, Centred([OF_DATA])).nodes[OF_DATA]["fn"].mean
    return means


def freed(vae: BetaVAE, known: Given) -> set[str]:
    """The sites that do not stay where data have them: those that are given, and those that depend on them.

    Args:
        vae: The programs.
        known: What is given of the data.
    """
    first = known[:1].arguments
    return set(known.held).union(*(followers(vae, name, **first) for name in known.held))


def completed(vae: BetaVAE, data: Tensor | Rows, given: Known) -> Rows:
    """Data with the arguments of the programs that are given of them, where they do not have these themselves.

    Raises:
        TypeError: See `terms.check_data`.
        ValueError: See `terms.check_data`.
    """
    if isinstance(data, Tensor | Rows):
        rows = rows_of(data)
        arguments = given_for(vae, given, len(rows)).arguments
        lacking = {name: value.to(rows.images.device) for name, value in arguments.items() if name not in rows.extra}
        data = Rows(rows.images, {**rows.extra, **lacking})
    return check_data(vae, data)


def as_rows(values: Tensor) -> Tensor:
    """The values of a site as rows ``(N, K)``, as codes are; classes as they are drawn."""
    return values.reshape(len(values), -1) if values.is_floating_point() else values


def reconstructed_site(vae: BetaVAE, data: Tensor | Rows, site: str | None, given: Known = None) -> str:
    """The latent site that is meant, where programs take what stands beside data."""
    return site_of(vae, site, **next(batches(vae, completed(vae, data, given)[:1], 1))[2])


def with_conditions(vae: BetaVAE, given: Mapping[str, Any], data: Rows | None, size: int) -> dict[str, Any]:
    """What is given of draws, and for the arguments of which nothing is said the values of data.

    Args:
        vae: The programs.
        given: By name, as for `sample`.
        data: Some data, whose values are taken in their order, again and again; None where there are none.
        size: How many draws.
    """
    if data is None or is_plain(vae):
        return dict(given)
    there = {name: values for name, values in given_to(vae, data.extra).items() if is_known(values).any()}
    return {name: values[torch.arange(size) % len(data)] for name, values in there.items()} | {**given}


def model_site(vae: BetaVAE, site: str | None, known: Given) -> str:
    """The latent site that is meant, see `codes.code_site`."""
    return site_of(vae, site, **known[:1].arguments)


def _parts(size: int, batch_size: int) -> Iterator[slice]:
    for start in range(0, size, index(batch_size)):
        yield slice(start, min(start + batch_size, size))


def _joined(made: Sequence[tuple[dict[str, Tensor], Tensor]]) -> tuple[dict[str, Tensor], Tensor]:
    of_sites, images = zip(*made, strict=True)
    return {name: torch.cat([each[name] for each in of_sites]) for name in of_sites[0]}, torch.cat(images)


def _check_size(vae: BetaVAE, count: int) -> None:
    most = MOST_VALUES // prod(vae.shape)
    if count > most:
        size = "×".join(map(str, vae.shape))
        raise ValueError(f"{count:,} of {size} are more than are kept in memory at once: at most {most:,}")
