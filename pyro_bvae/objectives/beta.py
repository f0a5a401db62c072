"""The β-VAE's own objective."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from .regularised import NUMBER, WEIGHT, WHOLE_NUMBER, Regularised, Sites

__all__ = ["Beta"]


class Beta(Regularised):
    """D + β R, with the β of the programs, ``vae.beta``, or its own: Pyro's `TraceMeanField_ELBO`, with free bits.

    Neutral at β = 1 and free bits 0.

    Source: Higgins et al., β-VAE, https://openreview.net/forum?id=Sy2fzU9gl

    Args:
        beta: β, in place of the programs', which is then ignored.
        free_bits: Nats a latent that cost no less than themselves, so that they are free.
        num_particles: Draws of z a step.
    """

    OPTIONS: ClassVar = {"beta": WEIGHT, "free_bits": NUMBER, "num_particles": WHOLE_NUMBER}
    beta: Tensor

    def __init__(self, beta: float | None = None, *, free_bits: float = 0.0, num_particles: int = 1) -> None:
        super().__init__({} if beta is None else {"beta": beta}, free_bits=free_bits, num_particles=num_particles)
        self.takes_beta = beta is None

    def regulariser(self, sites: Sites) -> Tensor:
        """β R."""
        return (sites.beta if self.takes_beta else self.beta) * self.mean_rate(sites)
