"""The FactorVAE: a penalty on the total correlation, which a discriminator estimates."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import softplus

from .. import ranks
from .regularised import NUMBER, WEIGHT, WHOLE_NUMBER, Regularised, Sites

__all__ = ["Factor", "permuted"]


class Factor(Regularised):
    """The FactorVAE: D + R + γ TC, with TC = E_q(z) log q(z)/Π_k q(z_k) ≈ mean T(z).

    The discriminator's output T(z) is the log-odds that z comes from q(z) and not from the product of its marginals.
    Draws from that product are made by permuting each latent over a batch. Each batch is split in halves. The first
    gives the mean of T in the loss, and the discriminator's draws from q(z). The second, permuted, gives its draws from
    the product. D and R are means over both halves. Neutral at γ = 0.

    The discriminator and its own Adam, which `update` steps, are in the state dict.

    Source: Kim and Mnih, Disentangling by factorising, https://arxiv.org/abs/1802.05983

    Args:
        latent_dim: Number of latents, K.
        gamma: γ; 35 to 40 in the paper.
        width: Of the discriminator's hidden layers.
        layers: How many of them.
        lr: Learning rate of the discriminator.
        free_bits: λ of the rate, in nats a latent; see `Regularised.mean_rate`.
        num_particles: Draws of z a step.
    """

    needs_one_site = True
    OPTIONS: ClassVar = {
        "gamma": WEIGHT,
        "width": WHOLE_NUMBER,
        "layers": WHOLE_NUMBER,
        "lr": NUMBER,
        "free_bits": NUMBER,
        "num_particles": WHOLE_NUMBER,
    }
    NEEDS = ("latent_dim",)
    learns = True
    supports_cuda_graph = False
    gamma: Tensor

    def __init__(
        self,
        latent_dim: int,
        gamma: float = 0.0,
        *,
        width: int = 1000,
        layers: int = 6,
        lr: float = 1e-4,
        free_bits: float = 0.0,
        num_particles: int = 1,
    ) -> None:
        others = {"width": width, "layers": layers, "lr": lr}
        super().__init__({"gamma": gamma}, free_bits=free_bits, num_particles=num_particles, **others)
        widths = [latent_dim, *[width] * layers]
        hidden = [(nn.Linear(a, b), nn.LeakyReLU(0.2)) for a, b in pairwise(widths)]
        self.discriminator = nn.Sequential(*[part for pair in hidden for part in pair], nn.Linear(widths[-1], 1))
        self.optimizer = torch.optim.Adam(self.discriminator.parameters(), lr=lr, betas=(0.5, 0.9))

    def regulariser(self, sites: Sites) -> Tensor:
        """R + γ TC."""
        fixed = {name: weight.detach() for name, weight in self.discriminator.named_parameters()}
        first, _ = _halves(sites.z)
        odds = functional_call(self.discriminator, fixed, (first,))
        return self.mean_rate(sites) + self.gamma * odds.mean()

    def update_inputs(self, sites: Sites) -> tuple[Tensor, ...]:
        """The draws of z."""
        return (sites.z,)

    def update(self, *inputs: Tensor) -> None:
        """Take one step of the discriminator down its loss, −½ E log σ(T(z)) − ½ E log(1 − σ(T(z permuted)))."""
        joint, other = _halves(*inputs)
        with torch.enable_grad():
            true, false = self.discriminator(joint), self.discriminator(permuted(other))
            loss = (softplus(-true).mean() + softplus(false).mean()) / 2
            self.optimizer.zero_grad()
            loss.backward()
        self.optimizer.step()

    def get_extra_state(self) -> dict[str, Any]:
        """The state of the discriminator's optimiser, plain data and tensors."""
        return self.optimizer.state_dict()

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Restore the state of the discriminator's optimiser."""
        self.optimizer.load_state_dict(state)


def permuted(z: Tensor) -> Tensor:
    """Each latent permuted over the batch by itself: draws of the product of marginals, ``(B, K)``."""
    return z.gather(0, ranks.drawn(torch.rand_like(z)).argsort(0))


def _halves(z: Tensor) -> tuple[Tensor, Tensor]:
    half = len(z) // 2
    return z[: max(half, 1)], z[half:]
