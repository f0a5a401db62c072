"""An objective that pulls the rate towards a capacity, which may grow during training."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import ClassVar

import torch
from torch import Tensor

from ..schedules import LinearWarmup
from ..settings.names import check
from ..terms import ACTIVE_ABOVE
from .regularised import WEIGHT, WHOLE_NUMBER, WORD, Regularised, Sites

__all__ = ["Capacity", "suggest_capacity"]

RATES = ("mean", "image")


class Capacity(Regularised):
    """D + γ |R − C|, where a schedule usually raises the capacity C: ``objective.set(capacity=schedule(step))``.

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

    OPTIONS: ClassVar = {"gamma": WEIGHT, "capacity": WEIGHT, "of": WORD, "num_particles": WHOLE_NUMBER}
    gamma: Tensor
    capacity: Tensor

    def __init__(self, gamma: float = 1.0, capacity: float = 0.0, *, of: str = "mean", num_particles: int = 1) -> None:
        super().__init__({"gamma": gamma, "capacity": capacity}, num_particles=num_particles, of=of)
        self.of = check("of", of, RATES)

    def regulariser(self, sites: Sites) -> Tensor:
        """γ |R − C|."""
        rate = sites.rate.mean() if self.of == "mean" else sites.rate
        return self.gamma * torch.abs(rate - self.capacity).mean()


def suggest_capacity(kl_per_latent: Sequence[float] | None, steps: int) -> LinearWarmup:
    """A schedule of the capacity, from the KL of a run at low β.

    The capacity rises in a line from 0 to the KL of all active latents, rounded up to a whole nat. The line takes a
    third of the run's steps, like the paper's 100,000 of 300,000.

    Source: Burgess et al., Understanding disentangling in β-VAE, https://arxiv.org/abs/1804.03599

    Args:
        kl_per_latent: Mean KL of each latent on held-out data, nats, of a run at β ≤ 1; at a higher β it is too small.
        steps: Training steps of the run that is to use the schedule.

    Raises:
        ValueError: No latent is active, or their KL is not defined.

    >>> suggest_capacity([2.3, 0.004, 1.2], steps=300_000)
    LinearWarmup(value=4.0, steps=100000, start=0.0)
    """
    total = sum(kl for kl in kl_per_latent or () if kl > ACTIVE_ABOVE)
    if total == 0:
        why = "prior or guide does not factorise" if kl_per_latent is None else "no latent of this run is active"
        raise ValueError(f"a capacity is read off active latents, and {why}: fit one at β ≤ 1, or for longer")
    return LinearWarmup(float(ceil(total)), max(1, steps // 3))
