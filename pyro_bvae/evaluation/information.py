"""The information in the code of a data set: its rate, split exactly into three terms.

    R = I(x; z) + TC + Σ_k KL(q(z_k) ‖ p(z_k)),    q(z) = (1/N) Σ_n q(z | x_n)

    I(x; z) = E log q(z | x)/q(z)      TC = E log q(z)/Π_k q(z_k)      KL_k = E log q(z_k)/p(z_k)

The means are over all N data, with one draw of z each, and the three terms add up to the rate of those draws up to
rounding. The aggregate posterior q(z) is a sum over the data, so all N·N pairs are evaluated, on the model's device, in
chunks that fit into memory.

Alemi et al. call I(x; z) I_rep, the information that the representation holds of the data. It has two bounds,

    H − D ≤ I_rep ≤ R,

where H is the entropy of the data, if it is known, and D the distortion. Both hold for the joint distribution of data
and guide. The information I_gen of the model's own joint equals I_rep if the two joints are equal; otherwise H − D does
not bound it.

Of programs with several latent sites, z is one of them, if all data share one prior of it and its posterior depends on
no other latent.

Source: Hoffman and Johnson, ELBO surgery, http://approximateinference.org/accepted/HoffmanJohnson2016.pdf;
Alemi et al., Fixing a broken ELBO, https://arxiv.org/abs/1711.00464
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import torch
from torch import Tensor
from torch.distributions import Normal

from ..codes import posterior, prior
from ..datasets import Progress, Rows
from ..model import BetaVAE
from ..terms import batches, check_data, evaluation_mode, factorises, per_value
from .apart import check_apart

__all__ = ["Information", "decompose_rate"]

NUMBERS_AT_ONCE = 2**22  # log-densities in memory, 16 MiB
ROWS_AT_ONCE = 256  # draws of z whose densities are taken together


@dataclass(frozen=True)
class Information:
    """Means over the draws of all data, in nats an image.

    The estimates have a bias: q(z) is that of these N data, so that I(x; z) cannot exceed log N. If it is close to
    log N, more data would raise it, and lower the sum of the other two terms by the same amount.

    Attributes:
        mutual_information: I(x; z).
        total_correlation: TC.
        dimension_wise_kl: Σ_k KL(q(z_k) ‖ p(z_k)).
        dimension_wise_kl_per_latent: The K terms of that sum; None where the prior does not factorise.
        rate: E log q(z | x)/p(z) at the same draws, the sum of the three terms.
        most: log N.
        images: N.
    """

    mutual_information: float
    total_correlation: float
    dimension_wise_kl: float
    dimension_wise_kl_per_latent: list[float] | None
    rate: float
    most: float
    images: int


def decompose_rate(
    vae: BetaVAE,
    data: Tensor | Rows,
    *,
    images: int | None = 10_000,
    site: str | None = None,
    batch_size: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
) -> Information:
    """Split the rate of a data set into mutual information, total correlation and dimension-wise KL.

    Args:
        vae: The programs; its device is used.
        data: Images or vectors ``(N, *shape)``, uint8 or float, or rows of them with what else the programs take.
        images: How many of them to use, drawn without replacement; None uses all.
        site: Which latent, see `codes.code_site`.
        batch_size: How many are encoded at once.
        seed: Seed of the draws of data and z.
        progress: Called as the aggregate posterior is evaluated.

    Returns:
        The terms, in nats an image.

    Raises:
        ValueError: The guide's latents are not independent normals, they depend on another latent site, or there are no
            data.
    """
    rows = check_data(vae, data)
    if not len(rows) or (images is not None and images < 1):
        raise ValueError(f"exact information wants at least 1 image, got {images} of {len(rows)}")
    if images is not None and images < len(rows):
        chosen = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))[:images]
        rows = rows[chosen.sort().values.to(rows.images.device)]
    with evaluation_mode(vae, seed):
        check_apart(vae, rows, site)
    with evaluation_mode(vae, seed):
        q = _posteriors(vae, rows, site, batch_size)
    with evaluation_mode(vae, seed):  # anew: the guide has drawn as well, more or less often with the batch size
        z = q.sample()
        _, _, one = next(batches(vae, rows[:1], 1))
        p = prior(vae, site, **one)
        joint, marginals = _log_aggregate(z, q, progress)
        own, log_prior = q.log_prob(z).sum(-1), p.log_prob(z)
        by_latent = None
        if factorises(p):
            by_latent = (marginals - per_value(p).log_prob(z)).double().mean(0).tolist()
    product = marginals.sum(-1)
    return Information(
        mutual_information=_mean(own, joint),
        total_correlation=_mean(joint, product),
        dimension_wise_kl=_mean(product, log_prior),
        dimension_wise_kl_per_latent=by_latent,
        rate=_mean(own, log_prior),
        most=log(len(rows)),
        images=len(rows),
    )


def _posteriors(vae: BetaVAE, rows: Rows, site: str | None, batch_size: int) -> Normal:
    """q(z_k | x_n) of all data, batch shape ``(N, K)``."""
    parameters = []
    for _, x, given in batches(vae, rows, batch_size):
        q = per_value(posterior(vae, x, site, **given))
        if not isinstance(q, Normal) or q.loc.dim() != 2:
            raise ValueError(
                f"exact information wants a guide of independent normals, got {type(q).__name__}; "
                "leave it out, or use Normal(loc, scale).to_event(1)"
            )
        parameters.append(torch.stack([q.loc, q.scale]))
    return Normal(*torch.cat(parameters, dim=1))


def _log_aggregate(z: Tensor, q: Normal, progress: Progress | None) -> tuple[Tensor, Tensor]:
    """Log q(z), ``(N,)``, and log q(z_k), ``(N, K)``, at each row of z."""
    columns = max(1, NUMBERS_AT_ONCE // (ROWS_AT_ONCE * z.shape[1]))
    joints, marginals = [], []
    for rows in z.split(ROWS_AT_ONCE):
        joint, marginal = rows.new_full((len(rows),), -torch.inf), torch.full_like(rows, -torch.inf)
        for loc, scale in zip(q.loc.split(columns), q.scale.split(columns), strict=True):
            pairs = Normal(loc, scale, validate_args=False).log_prob(rows.unsqueeze(1))  # (R, C, K)
            joint = torch.logaddexp(joint, pairs.sum(-1).logsumexp(1))
            marginal = torch.logaddexp(marginal, pairs.logsumexp(1))
        joints.append(joint - log(len(z)))
        marginals.append(marginal - log(len(z)))
        if progress is not None:
            progress("aggregate posterior", ROWS_AT_ONCE * (len(joints) - 1) + len(rows), len(z))
    return torch.cat(joints), torch.cat(marginals)


def _mean(one: Tensor, other: Tensor) -> float:
    """The mean of a difference of logarithms, in float64; on the CPU where the device has none."""
    difference = one - other
    return float((difference.cpu() if difference.device.type == "mps" else difference).double().mean())
