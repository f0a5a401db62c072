"""The VampPrior: the mean of the posteriors of a few learned data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from pyro import distributions as dist
from torch import Tensor, nn

from .mixed import Mixed
from .prior import Prior

__all__ = ["Programs", "VampPrior"]

GREYS = (0.05, 0.95)  # between which pseudo-inputs of images start: at 0 and 1 the sigmoid has no slope


class Programs(Protocol):
    """What a VampPrior wants of its programs: the posterior, and the units that the encoder sees vectors in."""

    posterior: nn.Module
    shape: tuple[int, ...]
    latent_dim: int

    def encode(self, x: Tensor) -> dist.TorchDistribution:
        """The posterior q(z | x)."""

    def standardise(self, x: Tensor) -> Tensor:
        """Data as the encoder sees them."""

    def unstandardise(self, u: Tensor) -> Tensor:
        """The reverse."""


class VampPrior(Prior):
    """p(z) = (1/C) Σ_c q(z | u_c), with the pseudo-inputs u_c learned.

    The posterior is that of the programs, whatever its family; one that has no density at points that it did not draw
    is refused. Pseudo-inputs are data: the sigmoid of a parameter for images, and for vectors a parameter in the units
    that the encoder sees.

    Source: Tomczak and Welling, VAE with a VampPrior, https://arxiv.org/abs/1705.07120

    Args:
        shape: Shape of one datum.
        count: Number of pseudo-inputs, C.

    Attributes:
        pseudo_inputs: The parameter, ``(C, *shape)``. It is drawn from a standard normal; `start_from` takes data.
    """

    logits: Tensor

    def __init__(self, shape: Sequence[int], count: int) -> None:
        super().__init__()
        self.pseudo_inputs = nn.Parameter(torch.randn(count, *shape))
        self.register_buffer("logits", torch.zeros(count), persistent=False)
        self._programs: tuple[Programs, ...] = ()  # in a tuple: a module that holds this one is not to be part of it

    def bind(self, programs: Programs) -> None:
        """Take the posterior of these programs, ``programs.encode``; their parameters stay theirs alone.

        Raises:
            ValueError: It has no density elsewhere than at its own draws.
        """
        if not getattr(programs.posterior, "has_density", True):
            kind = type(programs.posterior).__name__
            raise ValueError(
                f"a VampPrior wants the posterior's density at points that it did not draw, which {kind} does not "
                "have: choose iaf or spline"
            )
        self._programs = (programs,)

    def forward(self) -> dist.TorchDistribution:
        """The prior, event shape ``(K,)``; its log-density is a log-sum-exp over the pseudo-inputs.

        Raises:
            ValueError: It was not bound to programs.
        """
        q = self._bound().encode(self.inputs())
        return Mixed(dist.Categorical(logits=self.logits), q)

    def inputs(self) -> Tensor:
        """The pseudo-inputs u, ``(C, *shape)``, in the units of the data."""
        if self.pseudo_inputs.dim() == 4:
            return self.pseudo_inputs.sigmoid()
        return self._bound().unstandardise(self.pseudo_inputs)

    @torch.no_grad()
    def start_from(self, x: Tensor) -> None:
        """Let the pseudo-inputs be data, chosen at random by torch's generator.

        Args:
            x: Floats ``(N, *shape)``, pixels in [0, 1], usually those of the training.
        """
        count = len(self.pseudo_inputs)
        chosen = torch.cat([torch.randperm(len(x)) for _ in range(-(-count // len(x)))])[:count]
        values = x[chosen.to(x.device)].to(self.pseudo_inputs)
        if values.dim() == 4:
            values = (GREYS[0] + (GREYS[1] - GREYS[0]) * values).logit()
        else:
            values = self._bound().standardise(values)
        self.pseudo_inputs.copy_(values)

    def _bound(self) -> Programs:
        if not self._programs:
            raise ValueError("a VampPrior takes the posterior of its programs: give it to BetaVAE as `prior`")
        return self._programs[0]
