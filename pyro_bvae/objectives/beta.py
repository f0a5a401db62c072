"""The β-VAE's own objective."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from .regularised import NUMBER, WEIGHT, WHOLE_NUMBER, Regularised, Sites

__all__ = ["Beta"]


class Beta(Regularised):
    """D + β R, which is Pyro's `TraceMeanField_ELBO`, with free bits.

    Neutral at β = 1 and free bits 0.

    Source: Higgins et al., β-VAE, https://openreview.net/forum?id=Sy2fzU9gl

    Args:
        beta: β; by default that of the programs, ``vae.beta``, which is otherwise ignored.
        free_bits: λ of the rate, in nats a latent: one whose mean KL is below λ costs λ, however small its KL is. See
            `Regularised.mean_rate`.
        num_particles: Draws of z a step.
    """

    OPTIONS: ClassVar = {"beta": WEIGHT, "free_bits": NUMBER, "num_particles": WHOLE_NUMBER}
    beta: Tensor

    def __init__(self, beta: float | None = None, *, free_bits: float = 0.0, num_particles: int = 1) -> None:
        super().__init__({} if beta is None else {"beta": beta}, free_bits=free_bits, num_particles=num_particles)
        self.takes_beta = beta is None

    def regulariser(self, sites: Sites) -> Tensor:
        """β R; each of several latent sites, or each datum, has the weight that the programs give it."""
        is_by_datum = isinstance(sites.beta, Tensor) and sites.beta.dim() > 0
        if self.takes_beta and not self.free_bits and (sites.weighted or is_by_datum):
            return sites.weighted_rate.mean()
        return (sites.beta if self.takes_beta else self.beta) * self.mean_rate(sites)
