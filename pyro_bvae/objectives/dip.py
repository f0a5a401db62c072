"""The DIP-VAE, in two forms: the covariance C of the code over the data is pulled towards the identity.

    regulariser = R + λ_od Σ_{i≠j} C_ij² + λ_d Σ_i (C_ii − 1)²

Source: Kumar et al., Variational inference of disentangled latent concepts from unlabeled observations,
https://arxiv.org/abs/1711.00848
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from pyro.distributions import TorchDistribution
from torch import Tensor
from torch.distributions import MultivariateNormal

from ..terms import factorises
from .regularised import NUMBER, WEIGHT, WHOLE_NUMBER, Regularised, Sites

__all__ = ["DipI", "DipII"]


class _Dip(Regularised):
    needs_one_site = True
    OPTIONS: ClassVar = {"off_diagonal": WEIGHT, "diagonal": WEIGHT, "free_bits": NUMBER, "num_particles": WHOLE_NUMBER}
    off_diagonal: Tensor
    diagonal: Tensor

    def __init__(
        self,
        off_diagonal: float = 0.0,
        diagonal: float = 0.0,
        *,
        free_bits: float = 0.0,
        num_particles: int = 1,
    ) -> None:
        coefficients = {"off_diagonal": off_diagonal, "diagonal": diagonal}
        super().__init__(coefficients, free_bits=free_bits, num_particles=num_particles)

    @abstractmethod
    def covariance(self, sites: Sites) -> Tensor:
        """The covariance that is pulled towards the identity, ``(K, K)``."""

    def regulariser(self, sites: Sites) -> Tensor:
        """R and the penalty."""
        covariance = self.covariance(sites)
        diagonal = covariance.diagonal()
        off = covariance.square().sum() - diagonal.square().sum()
        return self.mean_rate(sites) + self.off_diagonal * off + self.diagonal * (diagonal - 1).square().sum()


class DipI(_Dip):
    """D + R + λ_od Σ_{i≠j} C_ij² + λ_d Σ_i (C_ii − 1)², with C = Cov_x[E_q z], the covariance of posterior means.

    The covariance is that of the batch, over B and not B − 1. Neutral at λ_od = λ_d = 0.

    Source: Kumar et al., https://arxiv.org/abs/1711.00848

    Args:
        off_diagonal: λ_od.
        diagonal: λ_d; 10 λ_od in the paper.
        free_bits: λ of the rate, in nats a latent; see `Regularised.mean_rate`.
        num_particles: Draws of z a step.
    """

    def covariance(self, sites: Sites) -> Tensor:
        """Cov_x[E_q z]."""
        return _of_means(sites)


class DipII(_Dip):
    """D + R + λ_od Σ_{i≠j} C_ij² + λ_d Σ_i (C_ii − 1)², with C = E_x[Cov_q z] + Cov_x[E_q z], that of q(z).

    The second part is the covariance of the batch, over B and not B − 1. Neutral at λ_od = λ_d = 0.

    Source: Kumar et al., https://arxiv.org/abs/1711.00848

    Args:
        off_diagonal: λ_od.
        diagonal: λ_d; λ_od in the paper.
        free_bits: λ of the rate, in nats a latent; see `Regularised.mean_rate`.
        num_particles: Draws of z a step.
    """

    def covariance(self, sites: Sites) -> Tensor:
        """E_x[Cov_q z] + Cov_x[E_q z]."""
        return _mean_covariance(sites.q) + _of_means(sites)


def _of_means(sites: Sites) -> Tensor:
    try:
        means = sites.q.mean
    except NotImplementedError as error:
        raise ValueError(_wants("means")) from error
    centred = means - means.mean(0)  # (B, K)
    return centred.T @ centred / len(centred)


def _mean_covariance(q: TorchDistribution) -> Tensor:
    if factorises(q):
        return torch.diag(q.variance.mean(0))
    if isinstance(q, MultivariateNormal):
        return q.covariance_matrix.mean(0)
    raise ValueError(_wants("covariances"))


def _wants(what: str) -> str:
    return f"the DIP-VAE wants a posterior with {what} in closed form: take the posterior diagonal or full"
