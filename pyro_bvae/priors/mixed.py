"""A mixture that is drawn from without waiting for a GPU."""

from __future__ import annotations

import torch
from pyro import distributions as dist
from torch import Size, Tensor

__all__ = ["Mixed"]


class Mixed(dist.MixtureSameFamily):
    """Σ_c π_c p_c(z): the log-density is a log-sum-exp, and draws choose a component by the Gumbel-max trick.

    torch's own draws look at the weights with Python, which no CUDA graph can hold.
    """

    @torch.no_grad()
    def sample(self, sample_shape: Size = Size()) -> Tensor:  # noqa: B008
        """Draws, ``(*sample_shape, *batch_shape, K)``."""
        draws: Tensor = self.component_distribution.sample(sample_shape)  # (..., C, K)
        gumbel = -torch.rand(draws.shape[:-1], dtype=draws.dtype, device=draws.device).log().neg().log()
        component = (self.mixture_distribution.logits + gumbel).argmax(-1, keepdim=True).unsqueeze(-1)
        return draws.gather(-2, component.expand(*component.shape[:-1], draws.shape[-1])).squeeze(-2)
