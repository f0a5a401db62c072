"""The β-VAE's own objective."""

from __future__ import annotations

from torch import Tensor

from .regularised import Regularised, Sites

__all__ = ["Beta"]


class Beta(Regularised):
    """D + β R, with the β of the programs, ``vae.beta``: Pyro's `TraceMeanField_ELBO`, with free bits.

    Neutral at β = 1 and free bits 0.

    Source: Higgins et al., β-VAE, https://openreview.net/forum?id=Sy2fzU9gl

    Args:
        free_bits: Nats a latent that cost no less than themselves, so that they are free.
        num_particles: Draws of z a step.
    """

    def __init__(self, *, free_bits: float = 0.0, num_particles: int = 1) -> None:
        super().__init__({}, free_bits=free_bits, num_particles=num_particles)

    def regulariser(self, sites: Sites) -> Tensor:
        """β R."""
        return sites.beta * self.mean_rate(sites)
