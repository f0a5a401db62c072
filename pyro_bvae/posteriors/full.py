"""A normal with a full covariance, for latents that are correlated given a datum."""

from __future__ import annotations

import torch
from pyro import distributions as dist
from torch import Tensor
from torch.distributions import Independent, Normal, register_kl

from .posterior import Posterior

__all__ = ["FullCovariance", "FullNormal"]


class FullCovariance(Posterior):
    """q(z | x) = N(z; m, L Lᵀ), with L lower triangular: its diagonal is s, and the rest is the encoder's context.

    Its KL from a standard normal is in closed form.

    Args:
        latent_dim: Number of latents, K.
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        rows, columns = torch.tril_indices(latent_dim, latent_dim, offset=-1)
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("columns", columns, persistent=False)
        self.context = len(rows)

    def forward(self, loc: Tensor, log_variance: Tensor, *context: Tensor) -> dist.TorchDistribution:
        """The distribution, batch shape ``(B,)`` and event shape ``(K,)``."""
        scale_tril = torch.diag_embed(torch.exp(0.5 * log_variance).expand_as(loc))
        if context:
            scale_tril[..., self.rows, self.columns] = context[0]
        return FullNormal(loc, scale_tril=scale_tril)


class FullNormal(dist.MultivariateNormal):
    """A multivariate normal with its KL from independent normals, which torch does not have."""


@register_kl(FullNormal, Independent)  # type: ignore[untyped-decorator]
def _kl(q: FullNormal, p: Independent) -> Tensor:
    """½ Σ_k [(Σ_kk + (m_k − m'_k)²)/s'_k² − 1 + log s'_k²] − Σ_k log L_kk."""
    base = p.base_dist
    if not isinstance(base, Normal) or p.reinterpreted_batch_ndims != 1 or p.event_shape != q.event_shape:
        raise NotImplementedError
    ratio = (q.variance + (q.loc - base.loc).square()) / base.variance
    log_diagonal = q.scale_tril.diagonal(dim1=-2, dim2=-1).log()
    return (0.5 * (ratio - 1) + base.scale.log() - log_diagonal).sum(-1)
