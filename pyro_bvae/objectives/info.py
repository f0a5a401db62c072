"""The InfoVAE: the rate is replaced, in part, by a distance between the aggregate posterior and the prior."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from .. import ranks
from .regularised import NUMBER, WEIGHT, WHOLE_NUMBER, Regularised, Sites

__all__ = ["Info", "squared_discrepancy"]


class Info(Regularised):
    """The InfoVAE: D + (1 − α) R + (α + λ − 1) MMD²(q(z), p(z)).

    The squared maximum mean discrepancy is the unbiased estimate between the batch's draws of z and as many of the
    prior, with the kernel exp(−|a − b|²/2K); it has no unit. Neutral at α = 0 and λ = 1.

    Source: Zhao et al., InfoVAE, https://arxiv.org/abs/1706.02262

    Args:
        alpha: α; 1 leaves no rate, which is the MMD-VAE.
        scale: λ.
        free_bits: λ of the rate, in nats a latent; see `Regularised.mean_rate`.
        num_particles: Draws of z a step.
    """

    needs_one_site = True
    OPTIONS: ClassVar = {"alpha": WEIGHT, "scale": WEIGHT, "free_bits": NUMBER, "num_particles": WHOLE_NUMBER}
    least_batch = 2  # of one draw there is no unbiased estimate
    alpha: Tensor
    scale: Tensor

    def __init__(
        self, alpha: float = 0.0, scale: float = 1.0, *, free_bits: float = 0.0, num_particles: int = 1
    ) -> None:
        super().__init__({"alpha": alpha, "scale": scale}, free_bits=free_bits, num_particles=num_particles)

    def regulariser(self, sites: Sites) -> Tensor:
        """(1 − α) R + (α + λ − 1) MMD²."""
        discrepancy = squared_discrepancy(sites.z, ranks.drawn(sites.p.sample()))
        return (1 - self.alpha) * self.mean_rate(sites) + (self.alpha + self.scale - 1) * discrepancy


def squared_discrepancy(one: Tensor, other: Tensor) -> Tensor:
    """The unbiased estimate of the squared maximum mean discrepancy of two samples; it can be negative.

    Source: Gretton et al., A kernel two-sample test, https://jmlr.org/papers/v13/gretton12a.html

    Args:
        one: Draws ``(B, K)``.
        other: Draws ``(B, K)``.

    Returns:
        A scalar.

    >>> squared_discrepancy(torch.tensor([[0.0], [0.0]]), torch.tensor([[9.0], [9.0]]))
    tensor(2.)
    """
    return _mean_of_others(_kernel(one, one)) + _mean_of_others(_kernel(other, other)) - 2 * _kernel(one, other).mean()


def _kernel(one: Tensor, other: Tensor) -> Tensor:
    squares = (one.unsqueeze(1) - other.unsqueeze(0)).square().sum(-1)
    return torch.exp(-squares / (2 * one.shape[-1]))


def _mean_of_others(kernel: Tensor) -> Tensor:
    size = len(kernel)
    return (kernel.sum() - kernel.diagonal().sum()) / max(size * (size - 1), 1)
