"""A rate that is led to a capacity."""

from __future__ import annotations

import torch
from torch import Tensor

from ..names import check
from .regularised import Regularised, Sites

__all__ = ["Capacity"]

OF = ("mean", "image")


class Capacity(Regularised):
    """D + γ |R − C|, where the capacity C rises by step: ``objective.set(capacity=schedule(step))``.

    Neutral at γ = 1 and C = 0, since R is not negative.

    Source: Burgess et al., Understanding disentangling in β-VAE, https://arxiv.org/abs/1804.03599

    Args:
        gamma: γ; 1000 in the paper.
        capacity: C, in nats an image.
        of: "mean": |mean R − C| of the batch's mean rate, as disentanglement_lib has it. "image": mean |R(x) − C|, as
            the paper writes it, which asks every image for the same rate.
        num_particles: Draws of z a step.

    Raises:
        ValueError: A number is not finite, or ``of`` unknown.
    """

    gamma: Tensor
    capacity: Tensor

    def __init__(self, gamma: float = 1.0, capacity: float = 0.0, *, of: str = "mean", num_particles: int = 1) -> None:
        super().__init__({"gamma": gamma, "capacity": capacity}, num_particles=num_particles)
        self.of = check("of", of, OF)

    def regulariser(self, sites: Sites) -> Tensor:
        """γ |R − C|."""
        rate = sites.rate.mean() if self.of == "mean" else sites.rate
        return self.gamma * torch.abs(rate - self.capacity).mean()
