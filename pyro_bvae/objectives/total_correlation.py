"""The β-TCVAE: the rate is split into information, total correlation and dimension-wise KL, each with its own weight.

    R = I(x; z) + TC + Σ_k KL(q(z_k) ‖ p(z_k)),    q(z) = (1/N) Σ_n q(z | x_n)

The aggregate posterior q(z) of N data is estimated from a batch of B data, where z_i is drawn from q(z | x_i):

    minibatch-weighted   q̂(z_i) = 1/(N B) Σ_j q(z_i | x_j)
    stratified           q̂(z_i) = (1/N) q(z_i | x_i) + (N − 1)/(N (B − 1)) Σ_{j≠i} q(z_i | x_j)

The stratified estimate of q(z) is unbiased, that of log q(z) too low (Jensen). If the batch is all data, it is exact.
The minibatch-weighted estimate is too low: at B = N by log N, in the joint density and in the marginal of each latent.
Its information is then log N too high and its total correlation (K − 1) log N, with the gradients of uniform weights.

Each x_j has one weight. It counts once in the joint density, after the sum over the latents, and once in each marginal.
"""

from __future__ import annotations

from math import log
from typing import ClassVar

import torch
from torch import Tensor

from ..settings.names import check
from ..terms import factorises
from .regularised import NUMBER, WEIGHT, WHOLE_NUMBER, WORD, Regularised, Sites

__all__ = ["TotalCorrelation", "aggregate_terms"]

ESTIMATORS = ("stratified", "weighted")


class TotalCorrelation(Regularised):
    """The β-TCVAE: D + α I(x; z) + β TC + γ Σ_k KL(q(z_k) ‖ p(z_k)).

    It is written D + R + (α − 1) I + (β − 1) TC + (γ − 1) Σ_k KL_k, with R in closed form, and so is the ELBO in value
    at its neutral setting, α = β = γ = 1. Its β is its own; the programs' β is ignored.

    Source: Chen et al., Isolating sources of disentanglement in VAEs, https://arxiv.org/abs/1802.04942

    Args:
        size: How many training data there are, N.
        beta: Weight of the total correlation; 6 in the paper.
        alpha: Weight of the information.
        gamma: Weight of the dimension-wise KL.
        estimator: "stratified", or "weighted" as in the published code, with which β means something else: for many
            data and informative latents the gradients of the two point in opposite directions.
        free_bits: λ of the rate, in nats a latent; see `Regularised.mean_rate`.
        num_particles: Draws of z a step.

    Raises:
        ValueError: A number is out of range, or the estimator unknown.
    """

    needs_one_site = True
    OPTIONS: ClassVar = {
        "beta": WEIGHT,
        "alpha": WEIGHT,
        "gamma": WEIGHT,
        "estimator": WORD,
        "free_bits": NUMBER,
        "num_particles": WHOLE_NUMBER,
    }
    NEEDS = ("size",)
    alpha: Tensor
    beta: Tensor
    gamma: Tensor

    def __init__(
        self,
        size: int,
        beta: float = 1.0,
        *,
        alpha: float = 1.0,
        gamma: float = 1.0,
        estimator: str = "stratified",
        free_bits: float = 0.0,
        num_particles: int = 1,
    ) -> None:
        coefficients = {"alpha": alpha, "beta": beta, "gamma": gamma}
        super().__init__(coefficients, free_bits=free_bits, num_particles=num_particles, estimator=estimator)
        if size < 1:
            raise ValueError(f"size is the number of training data, at least 1, got {size}")
        self.size = size
        self.estimator = check("estimator", estimator, ESTIMATORS)

    def regulariser(self, sites: Sites) -> Tensor:
        """R + (α − 1) I + (β − 1) TC + (γ − 1) Σ_k KL_k."""
        information, correlation, by_dimension = aggregate_terms(sites, self.size, self.estimator)
        weighted = (self.alpha - 1) * information + (self.beta - 1) * correlation + (self.gamma - 1) * by_dimension
        return self.mean_rate(sites) + weighted


def aggregate_terms(sites: Sites, size: int, estimator: str) -> tuple[Tensor, Tensor, Tensor]:
    """I(x; z), total correlation and dimension-wise KL, estimated from a batch; they add up to log q(z|x) − log p(z).

    Args:
        sites: Of a batch.
        size: How many data there are, N.
        estimator: "stratified" or "weighted".

    Returns:
        Means over the batch, scalars, in nats.

    Raises:
        ValueError: The guide does not factorise.
    """
    if not factorises(sites.q):
        raise ValueError(
            "a total correlation wants a guide that factorises over the latents: take the posterior diagonal"
        )
    pairs = sites.q.base_dist.log_prob(sites.z.unsqueeze(1))  # (B, B, K): z_i under q(z | x_j)
    weights = _log_weights(pairs, size, estimator)
    joint = (weights + pairs.sum(-1)).logsumexp(1)
    product = (weights.unsqueeze(-1) + pairs).logsumexp(1).sum(-1)
    terms = (sites.q.log_prob(sites.z) - joint, joint - product, product - sites.p.log_prob(sites.z))
    return terms[0].mean(), terms[1].mean(), terms[2].mean()


def _log_weights(pairs: Tensor, size: int, estimator: str) -> Tensor:
    """Logarithms of the weights of x_j at z_i, ``(B, B)``."""
    batch = len(pairs)
    if estimator == "weighted" or batch == 1 or size == 1:
        return pairs.new_full((batch, batch), -log(size * batch))
    own = torch.eye(batch, dtype=torch.bool, device=pairs.device)
    return torch.where(own, -log(size), log((size - 1) / (size * (batch - 1)))).to(pairs.dtype)
