"""The Ada-GVAE: pairs of data that share all but a few factors have one posterior of the latents that they share.

    δ_k = KL(q(z_k | x₁) ‖ q(z_k | x₂)),    shared = {k: δ_k < t (max_k δ_k + min_k δ_k)},    t = ½

The posterior of a shared latent is, for both, the normal with the mean of their means and of their variances. Which
factors the two share, and how many, nobody says. `Averaged` does it to any guide, as a handler of Pyro.

Source: Locatello et al., Weakly-supervised disentanglement without compromises, https://arxiv.org/abs/2002.02886
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pyro.distributions as dist
import torch
from pyro import poutine
from pyro.poutine.messenger import Messenger
from pyro.poutine.util import site_is_subsample
from torch import Tensor

from ..terms import factorises, traces
from .regularised import NUMBER, WEIGHT, WHOLE_NUMBER, Regularised, Sites

__all__ = ["Ada", "Averaged"]


class Ada(Regularised):
    """The Ada-GVAE: D + β R, where the posteriors of a pair are averaged in the latents that it shares.

    A batch of B data is B/2 pairs: its second half are the partners of its first half, in the same order. `fit` makes
    it so, with partners that the factors of the data say; these are looked at for nothing else. One datum that is left
    over is no part of a pair. Neutral at β = 1 and threshold 0, where nothing is shared.

    Args:
        beta: β.
        threshold: t; ½ in the paper.
        differing: The most factors in which two data of a pair differ; how many do is drawn from 1 on, each number
            alike. 1 in the paper, and in its second setting all but one, where half of the pairs differ in one anyway.
        free_bits: λ of the rate, in nats a latent; see `Regularised.mean_rate`.
        num_particles: Draws of z a step.

    Raises:
        ValueError: A number is out of range.
    """

    needs_one_site = True
    OPTIONS: ClassVar = {
        "beta": WEIGHT,
        "threshold": WEIGHT,
        "differing": WHOLE_NUMBER,
        "free_bits": NUMBER,
        "num_particles": WHOLE_NUMBER,
    }
    beta: Tensor
    threshold: Tensor

    def __init__(
        self,
        beta: float = 1.0,
        threshold: float = 0.0,
        *,
        differing: int = 1,
        free_bits: float = 0.0,
        num_particles: int = 1,
    ) -> None:
        coefficients = {"beta": beta, "threshold": threshold}
        super().__init__(coefficients, free_bits=free_bits, num_particles=num_particles, differing=differing)
        self.differing = differing

    def regulariser(self, sites: Sites) -> Tensor:
        """β R."""
        return self.beta * self.mean_rate(sites)

    def _get_trace(self, model: Any, guide: Any, args: Any, kw: Any) -> tuple[poutine.Trace, poutine.Trace]:
        averaged: Callable[..., Any] = Averaged(self.threshold)(guide)
        return traces(model, averaged, *args, **kw)


class Averaged(Messenger):
    """Gives the two of each pair one posterior of the latents that they share, in a guide whose batch is of pairs.

    Args:
        threshold: t, a scalar.
    """

    def __init__(self, threshold: Tensor) -> None:
        super().__init__()
        self.threshold = threshold

    def _pyro_sample(self, msg: Any) -> None:
        if not msg["is_observed"] and not site_is_subsample(msg):
            msg["fn"] = averaged(msg["fn"], self.threshold)


def averaged(q: dist.TorchDistribution, threshold: Tensor) -> dist.TorchDistribution:
    """The posteriors of a batch of pairs, averaged in the latents that each pair shares.

    Args:
        q: Independent normals, batch shape ``(B,)``; the second half of the batch are the partners of the first.
        threshold: t, a scalar.

    Raises:
        ValueError: They are other distributions.

    >>> loc, scale = torch.tensor([[0.0, 0.0], [0.2, 9.0]]), torch.ones(2, 2)
    >>> averaged(dist.Normal(loc, scale).to_event(1), torch.tensor(0.5)).mean
    tensor([[0.1000, 0.0000],
            [0.1000, 9.0000]])
    """
    if not (factorises(q) and isinstance(q.base_dist, dist.Normal)):
        raise ValueError(
            f"the objective Ada averages one latent, a vector of independent normals, and got {type(q).__name__} of "
            f"shape {tuple(q.shape())}: take the posterior diagonal, or for other programs the objective beta"
        )
    loc, scale = q.base_dist.loc, q.base_dist.scale
    half = len(loc) // 2
    (loc_1, scale_1), (loc_2, scale_2) = ((loc[part], scale[part]) for part in (slice(half), slice(half, 2 * half)))
    ratio = (scale_1 / scale_2).square()
    kl = (ratio - 1 - ratio.log() + ((loc_1 - loc_2) / scale_2).square()) / 2
    shared = kl < threshold * (kl.amax(-1, keepdim=True) + kl.amin(-1, keepdim=True))

    def of_both(own: Tensor, mean: Tensor) -> Tensor:
        first, second = (torch.where(shared, mean, part) for part in (own[:half], own[half : 2 * half]))
        return torch.cat([first, second, own[2 * half :]])

    new_scale = of_both(scale, ((scale_1.square() + scale_2.square()) / 2).sqrt())
    return dist.Normal(of_both(loc, (loc_1 + loc_2) / 2), new_scale, validate_args=False).to_event(1)
