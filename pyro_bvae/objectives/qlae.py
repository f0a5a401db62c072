"""Quantised latents, after the QLAE: each latent takes one of a few values, of a codebook of its own.

    Q(c)_k = c_k + t (v_k(c_k) − c_k),    v_k(c) = the value of latent k that is nearest to c

where c is the mean that the encoder gives. Gradients pass Q as if it were the identity (straight-through). The QLAE is
an autoencoder without noise; here it is a pair of programs whose posterior is N(Q(c), σ²), and at β 0 nothing pays for
noise, so that σ falls. The values follow the codes: after each step, each moves towards the mean of those next to it,
which is the gradient of the paper's quantisation loss with a step length of its own. The paper regularises by strong
weight decay, an option of `fit`: ``weight_decay=0.1`` with Adam.

The published loss is a mean over the M values of a datum plus 0.01 times a mean over the K latents. Here both are sums,
so that the latter is weighed by M/K, 410 for dSprites and ten latents.

What is quantised is the training. The codes and terms of the programs afterwards are those of c, which the commitment
holds near the values.

Source: Hsu et al., Disentanglement via latent quantization, https://arxiv.org/abs/2305.18378, and its code,
https://github.com/kylehkhsu/latent_quantization
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pyro.distributions as dist
import torch
from pyro import poutine
from pyro.poutine.messenger import Messenger
from pyro.poutine.util import site_is_subsample
from torch import Tensor, nn
from torch.distributions import constraints

from ..terms import factorises, traces
from .regularised import NUMBER, WEIGHT, WHOLE_NUMBER, Regularised, Sites

__all__ = ["Codebooks", "Qlae", "Quantised"]


class Qlae(Regularised):
    """D + β R + γ (M/K) Σ_k (c_k − v_k)², under the posterior N(Q(c), σ²).

    Neutral at β = 1, γ = 0 and t = 0, where nothing is quantised.

    Args:
        latent_dim: Number of latents, K.
        data_dim: Number of values of a datum, M.
        beta: β; 0 in the paper, which has no rate.
        commitment: γ; 0.01 in the paper.
        quantised: t, from 0 to 1.
        values: How many values a latent can take, V; 10 in the paper.
        lr: The share of the way that a value moves in a step, from 0 to 1.
        free_bits: λ of the rate, in nats a latent; see `Regularised.mean_rate`.
        num_particles: Draws of z a step.

    Raises:
        ValueError: A number is out of range.
    """

    needs_one_site = True
    OPTIONS: ClassVar = {
        "beta": WEIGHT,
        "commitment": WEIGHT,
        "quantised": WEIGHT,
        "values": WHOLE_NUMBER,
        "lr": NUMBER,
        "free_bits": NUMBER,
        "num_particles": WHOLE_NUMBER,
    }
    NEEDS = ("latent_dim", "data_dim")
    learns = True
    beta: Tensor
    commitment: Tensor
    quantised: Tensor

    def __init__(
        self,
        latent_dim: int,
        data_dim: int,
        beta: float = 1.0,
        commitment: float = 0.0,
        quantised: float = 0.0,
        *,
        values: int = 10,
        lr: float = 0.01,
        free_bits: float = 0.0,
        num_particles: int = 1,
    ) -> None:
        coefficients = {"beta": beta, "commitment": commitment, "quantised": quantised}
        super().__init__(coefficients, free_bits=free_bits, num_particles=num_particles, values=values, lr=lr)
        _check_shares(quantised=quantised, lr=lr)
        self.codebooks, self.lr = Codebooks(latent_dim, values), lr
        self.as_mean = data_dim / latent_dim  # what a mean over latents weighs beside a mean over a datum's values

    def set(self, **coefficients: float) -> None:
        """Change coefficients in place; see `Regularised.set`."""
        _check_shares(quantised=coefficients.get("quantised", 0.0))
        super().set(**coefficients)

    def regulariser(self, sites: Sites) -> Tensor:
        """β R + γ (M/K) Σ_k (c_k − v_k)²."""
        codes = codes_of(sites.q)
        distance = (codes - self.codebooks.nearest(codes.detach())).square().sum(-1).mean()
        return self.beta * self.mean_rate(sites) + self.commitment * self.as_mean * distance

    def update_inputs(self, sites: Sites) -> tuple[Tensor, ...]:
        """The codes c, ``(B, K)``."""
        return (codes_of(sites.q),)

    def update(self, *inputs: Tensor) -> None:
        """Move the values towards the codes."""
        (codes,) = inputs
        self.codebooks.follow(codes, self.lr)

    def _get_trace(self, model: Any, guide: Any, args: Any, kw: Any) -> tuple[poutine.Trace, poutine.Trace]:
        quantising: Callable[..., Any] = _Quantising(self.codebooks, self.quantised)(guide)
        return traces(model, quantising, *args, **kw)


def _check_shares(**shares: float) -> None:
    for name, share in shares.items():
        if not 0 <= share <= 1:
            raise ValueError(f"{name} of the objective qlae is a share from 0 to 1, got {share}")


class Codebooks(nn.Module):
    """The values that each latent can take, at first evenly from −½ to ½, as published.

    Args:
        latent_dim: Number of latents, K.
        count: Values of each, V.

    Attributes:
        values: ``(K, V)``.
    """

    values: Tensor

    def __init__(self, latent_dim: int, count: int) -> None:
        super().__init__()
        self.register_buffer("values", torch.linspace(-0.5, 0.5, count).repeat(latent_dim, 1))

    def nearest(self, codes: Tensor) -> Tensor:
        """The value next to each code, ``(B, K)``."""
        values = self.values.expand(len(codes), -1, -1)
        return values.gather(-1, self._places(codes).unsqueeze(-1)).squeeze(-1)

    @torch.no_grad()
    def follow(self, codes: Tensor, share: float) -> None:
        """Move each value to the mean of the codes ``(B, K)`` next to it, by a share of the way.

        >>> books = Codebooks(1, 2)
        >>> books.follow(torch.tensor([[0.6], [0.8]]), 0.5)
        >>> books.values
        tensor([[-0.5000,  0.6000]])
        """
        is_next = self._places(codes).unsqueeze(-1) == torch.arange(self.values.shape[1], device=codes.device)
        count = is_next.sum(0)  # (K, V)
        mean = (is_next * codes.unsqueeze(-1)).sum(0) / count.clamp(min=1)
        self.values.copy_(torch.where(count > 0, self.values + share * (mean - self.values), self.values))

    def _places(self, codes: Tensor) -> Tensor:
        return (codes.unsqueeze(-1) - self.values).abs().argmin(-1)


class Quantised(dist.Normal):
    """A normal around quantised codes, which knows the codes.

    Args:
        loc: Q(c), ``(B, K)``.
        scale: σ, ``(B, K)``.
        code: c, ``(B, K)``.
    """

    arg_constraints: ClassVar[Mapping[str, Any]] = {**dist.Normal.arg_constraints, "code": constraints.real}

    def __init__(self, loc: Tensor, scale: Tensor, code: Tensor, validate_args: bool | None = None) -> None:
        self.code = code
        super().__init__(loc, scale, validate_args=validate_args)


class _Quantising(Messenger):
    """Quantises the posterior of a guide."""

    def __init__(self, codebooks: Codebooks, share: Tensor) -> None:
        super().__init__()
        self.codebooks, self.share = codebooks, share

    def _pyro_sample(self, msg: Any) -> None:
        if msg["is_observed"] or site_is_subsample(msg):
            return
        q = msg["fn"]
        if not (factorises(q) and isinstance(q.base_dist, dist.Normal)):
            raise ValueError(
                "the objective Qlae quantises one latent, a vector of independent normals, and got "
                f"{type(q).__name__} of shape {tuple(q.shape())}: take the posterior diagonal, or for other programs "
                "the objective beta"
            )
        code, scale = q.base_dist.loc, q.base_dist.scale
        fixed = code.detach()
        loc = code + self.share * (self.codebooks.nearest(fixed) - fixed)
        msg["fn"] = Quantised(loc, scale, code, validate_args=False).to_event(1)


def codes_of(q: dist.TorchDistribution) -> Tensor:
    """The codes c of a quantised posterior; of any other one its means."""
    base = getattr(q, "base_dist", q)
    codes: Tensor = base.code if isinstance(base, Quantised) else q.mean
    return codes
