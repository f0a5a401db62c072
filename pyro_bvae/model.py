"""The β-VAE as two Pyro programs.

    model:  z ~ p(z),  x ~ p(x | z)          guide:  z ~ q(z | x)

Stochastic variational inference on the pair minimises, summed over the images of a batch,

    loss(x) = −E_q(z|x) log p(x | z) + β KL(q(z | x) ‖ p(z)).

β is a scale on the latent site, in the model *and* in the guide: `TraceMeanField_ELBO` reads it from the guide,
`Trace_ELBO` needs both.

Source: Higgins et al., β-VAE: learning basic visual concepts with a constrained variational framework,
https://openreview.net/forum?id=Sy2fzU9gl
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from math import prod
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from pyro import poutine
from torch import Tensor, nn

from . import likelihoods
from .names import check
from .networks import NETWORKS

__all__ = ["BetaVAE", "StandardNormal"]

_instances = count()


class StandardNormal(nn.Module):
    """p(z) = N(0, 1) in each of K latents."""

    loc: Tensor
    scale: Tensor

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.register_buffer("loc", torch.zeros(latent_dim), persistent=False)
        self.register_buffer("scale", torch.ones(latent_dim), persistent=False)

    def forward(self) -> dist.TorchDistribution:
        """The prior, event shape ``(K,)``."""
        return dist.Normal(self.loc, self.scale).to_event(1)


class BetaVAE(nn.Module):
    """The generative model p(x, z) and the guide q(z | x), as Pyro programs over a batch of data.

    Any part can be replaced: pass a prior, likelihood, encoder or decoder of your own, or override `encode`, `decode`,
    `model` or `guide` in a subclass. Whatever you write, call the latent site "z" and the observed site "x", and
    everything else in this package goes on working.

    Args:
        shape: Shape of one datum: ``(C, H, W)`` for images with pixels in [0, 1], ``(D,)`` for vectors.
        latent_dim: Number of latents, K.
        beta: Weight of the KL term, at least 0. Can be set later (``vae.beta = 4.0``), to a float or a tensor.
        network: Name of the encoder and decoder pair, a key of `networks.NETWORKS`.
        hidden: Widths of the network's hidden layers; by default the network's own.
        likelihood: A key of `likelihoods.LIKELIHOODS`, or a module that maps decoder output to a distribution.
        scale: The likelihood's standard deviation, where it has one.
        mean_link: The likelihood's link, "sigmoid" or "identity", where it has one.
        prior: A module or function without arguments that returns a distribution with event shape ``(K,)``; the
            standard normal by default.
        encoder: A module from data ``(B, *shape)`` to mean and log-variance, each ``(B, K)``, in place of the
            network's. For any other posterior override `encode`.
        decoder: A module from latents ``(B, K)`` to likelihood parameters ``(B, *shape)``, in place of the network's.

    Raises:
        ValueError: A number is out of range or a name unknown.

    >>> vae = BetaVAE((1, 28, 28), latent_dim=10, beta=6.0)
    >>> vae.encode(torch.zeros(5, 1, 28, 28)).event_shape
    torch.Size([10])
    """

    _beta: Tensor

    def __init__(
        self,
        shape: Sequence[int],
        latent_dim: int = 10,
        *,
        beta: float | Tensor = 1.0,
        network: str = "mlp",
        hidden: Sequence[int] | None = None,
        likelihood: str | nn.Module = "bernoulli",
        scale: float | None = None,
        mean_link: str | None = None,
        prior: Callable[[], dist.TorchDistribution] | None = None,
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.shape = tuple(int(side) for side in shape)
        if len(self.shape) not in (1, 3) or min(self.shape) < 1:
            raise ValueError(f"shape is (C, H, W) for images or (D,) for vectors, got {tuple(shape)}")
        if latent_dim < 1:
            raise ValueError(f"latent_dim must be at least 1, got {latent_dim}")
        self.latent_dim = latent_dim
        self.name = f"beta_vae_{next(_instances)}"
        self.register_buffer("_beta", torch.tensor(1.0), persistent=False)
        self.beta = beta

        pair = NETWORKS[check("network", network, NETWORKS)]
        hidden = pair.hidden if hidden is None else tuple(hidden)
        if any(width < 1 for width in hidden):
            raise ValueError(f"hidden widths must be at least 1, got {hidden}")
        if isinstance(likelihood, str):
            self.likelihood: nn.Module = likelihoods.build(likelihood, self.shape, scale=scale, mean_link=mean_link)
        else:
            self.likelihood = likelihood
        outputs = getattr(self.likelihood, "outputs_per_value", 1)
        self.parameter_shape = (self.shape[0] * outputs, *self.shape[1:])
        self.prior = StandardNormal(latent_dim) if prior is None else prior
        self.encoder = pair.encoder(self.shape, latent_dim, hidden) if encoder is None else encoder
        self.decoder = pair.decoder(latent_dim, self.parameter_shape, hidden) if decoder is None else decoder
        self.settings: dict[str, Any] = {
            "shape": list(self.shape),
            "latent_dim": latent_dim,
            "network": network,
            "hidden": list(hidden),
            "likelihood": likelihood if isinstance(likelihood, str) else "custom",
            "scale": scale,
            "mean_link": getattr(self.likelihood, "mean_link", None),
        }

    @property
    def custom(self) -> dict[str, str]:
        """The parts that are not this package's, each with the name of its class: `settings` cannot rebuild those."""
        parts = {"model": self, "likelihood": self.likelihood, "prior": self.prior}
        parts |= {"encoder": self.encoder, "decoder": self.decoder}
        names = {part: _class_name(thing) for part, thing in parts.items()}
        return {part: name for part, name in names.items() if not name.startswith(__package__ + ".")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Give a copy a name of its own: two models of one name in Pyro's parameter store would train only one."""
        super().__setstate__(state)
        self.name = f"beta_vae_{next(_instances)}"

    @property
    def beta(self) -> Tensor:
        """The weight of the KL term, a scalar tensor."""
        return self._beta

    @beta.setter
    def beta(self, value: float | Tensor) -> None:
        beta = torch.as_tensor(value, dtype=self._beta.dtype, device=self._beta.device)
        if not (beta.detach() >= 0 and beta.detach().isfinite()):
            raise ValueError(f"beta must be a number of at least 0, got {beta.item()}")
        self._beta = beta

    @property
    def beta_norm(self) -> float:
        """β·K/M for K latents and M values a datum: the weight if both terms of the loss were means."""
        return float(self.beta) * self.latent_dim / prod(self.shape)

    def encode(self, x: Tensor) -> dist.TorchDistribution:
        """q(z | x), event shape ``(K,)``, of data ``(B, *shape)``."""
        loc, log_variance = self.encoder(x)
        return dist.Normal(loc, torch.exp(0.5 * log_variance)).to_event(1)

    def decode(self, z: Tensor) -> dist.TorchDistribution:
        """p(x | z), batch shape ``(...)`` and event shape ``shape``, of latents ``(..., K)``."""
        parameters = self.decoder(z.reshape(-1, z.shape[-1]))  # 2-D convolutions take one batch dimension
        return self.likelihood(parameters.reshape(*z.shape[:-1], *parameters.shape[1:]))

    def prepare(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """What the programs are to see of data ``(B, *shape)``: the data, unless the likelihood quantises them."""
        prepare = getattr(self.likelihood, "prepare", None)
        return x if prepare is None else prepare(x, generator)

    def model(self, x: Tensor | None = None, size: int = 1) -> Tensor:
        """The program p(x, z), summed over the batch.

        Args:
            x: Data ``(B, *shape)``, or None to draw from the model.
            size: How many to draw when there are no data.

        Returns:
            The data, or draws ``(size, *shape)``.
        """
        pyro.module(self.name, self)
        with pyro.plate("batch", size if x is None else len(x), dim=-1):
            with self.weighted():
                z = pyro.sample("z", self.prior())
            return pyro.sample("x", self.decode(z), obs=x)

    def guide(self, x: Tensor) -> Tensor:
        """The program q(z | x), summed over the batch.

        Args:
            x: Data ``(B, *shape)``.

        Returns:
            Latents ``(B, K)``.
        """
        pyro.module(self.name, self)
        with pyro.plate("batch", len(x), dim=-1), self.weighted():
            return pyro.sample("z", self.encode(x))

    @contextmanager
    def weighted(self) -> Iterator[None]:
        """Weigh the log-probability of the latent site by β, 0 included.

        `poutine.scale` refuses 0, so at 0 a mask takes its place; both are always there, so that a warm-up from 0 does
        not change the program.
        """
        positive = self.beta > 0
        with poutine.mask(mask=positive), poutine.scale(scale=torch.where(positive, self.beta, 1.0)):
            yield


def _class_name(thing: object) -> str:
    named = thing if hasattr(thing, "__qualname__") else type(thing)
    return f"{named.__module__}.{named.__qualname__}"
