"""Whether one latent site can be looked at by itself, without the others."""

from __future__ import annotations

import torch
from torch import Tensor

from ..codes import site_of
from ..datasets import Rows
from ..model import BetaVAE
from ..terms import batches, label_of, latent_sites
from .weights import drawn

__all__ = ["check_apart"]

FEW, COPIES = 7, 8  # data that are looked at, and of each of them
TOLERANCE = 1e-4  # nats, and relative


def check_apart(vae: BetaVAE, data: Rows, site: str | None) -> None:
    """Make sure that all data share one prior of a site, and that its posterior depends on no other latent.

    Draws of the other latents differ from copy to copy of a datum: a distribution that depends on them does so too.

    Args:
        vae: The programs, in evaluation mode.
        data: Some data.
        site: See `codes.code_site`.

    Raises:
        ValueError: A distribution depends on something else.
    """
    _, x, given = next(batches(vae, data[:FEW], FEW))
    model, guide = drawn(vae.model, vae.guide, x, given)
    latents = latent_sites(guide)
    if len(latents) == 1 and not given:
        return
    name = site_of(vae, site, **{key: values[:1] for key, values in given.items()})
    node = next(each for each in latents if label_of(each) == name)
    p, z = model.nodes[node]["fn"], guide.nodes[node]["value"]
    if not _are_alike(p.log_prob(z[:1].expand_as(z)), len(x)):
        raise ValueError(
            f"the prior of {name!r} depends on other sites or on what stands beside x, so that it has no rate alone"
        )
    _, copies = drawn(vae.model, vae.guide, _copied(x), {key: _copied(values) for key, values in given.items()})
    if not _are_alike(copies.nodes[node]["fn"].log_prob(_copied(z)), COPIES):
        raise ValueError(
            f"the posterior of {name!r} depends on another latent: its rate is not its own, name another `site`"
        )


def _copied(rows: Tensor) -> Tensor:
    return rows.repeat_interleave(COPIES, 0)


def _are_alike(log_probs: Tensor, size: int) -> bool:
    """Whether log-probabilities are the same within each group of ``size`` neighbours."""
    groups = log_probs.unflatten(0, (-1, size))
    return torch.allclose(groups, groups[:, :1].expand_as(groups), rtol=TOLERANCE, atol=TOLERANCE)
