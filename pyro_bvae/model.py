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
from operator import index
from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from pyro.poutine.messenger import Messenger
from torch import Tensor, nn

from . import likelihoods, posteriors, priors
from .compiled.store import register
from .networks import network_of
from .priors import StandardNormal
from .settings.declared import class_name, unwrapped
from .settings.options import BETA, check_options
from .settings.signatures import hinted

__all__ = ["BetaVAE", "StandardNormal", "beta_of_norm"]

Prior = Callable[[], dist.TorchDistribution]
_instances = count()


class BetaVAE(nn.Module):
    """The generative model p(x, z) and the guide q(z | x), as Pyro programs over a batch of data.

    Any part can be replaced: pass a prior, likelihood, encoder or decoder of your own, or override `encode`, `decode`,
    `model` or `guide` in a subclass. Whatever you write, call the latent site "z" and the observed site "x", keep the
    arguments ``model(x, size)`` and ``guide(x)``, and everything else in this package goes on working.

    Args:
        shape: Shape of one datum: ``(C, H, W)`` for images with pixels in [0, 1], ``(D,)`` for vectors.
        latent_dim: Number of latents, K.
        beta: Weight of the KL term, at least 0. Can be set later (``vae.beta = 4.0``), to a float or a tensor.
        network: Name of the encoder and decoder pair, a key of `networks.NETWORKS`.
        hidden: Widths of the encoder's dense layers; by default the network's own.
        decoder_hidden: Widths of the decoder's, from the latents on; by default the encoder's, mirrored.
        decoder_activation: A key of `networks.ACTIVATIONS`.
        likelihood: A key of `likelihoods.LIKELIHOODS`, or a module that maps decoder output to a distribution.
        scale: The likelihood's standard deviation, where it has one.
        mean_link: The likelihood's link, "sigmoid" or "identity", where it has one.
        prior: A key of `priors.PRIORS`, with a number where it takes one, like "mixture:10"; or a module or function
            without arguments that returns a distribution with event shape ``(K,)``. None is "normal".
        posterior: A key of `posteriors.POSTERIORS`, likewise, like "iaf:2"; or a module that maps mean, log-variance
            and context to a distribution. For any other posterior override `encode`.
        encoder: A module from data ``(B, *shape)`` to mean and log-variance, each ``(B, K)``, in place of the
            network's; a posterior that wants context asks it for a third tensor.
        decoder: A module from latents ``(B, K)`` to likelihood parameters ``(B, *shape)``, in place of the network's;
            or the name of the network whose decoder it is, with widths and activation as above.

    Raises:
        ValueError: A number is out of range, a name unknown, or the prior's event shape is not ``(K,)``.
        TypeError: The prior is no module or function.

    Attributes:
        settings: The constructor's arguments as plain data.
        custom: The class names of the parts that were given as objects, which cannot be rebuilt from ``settings``.

    Source: Higgins et al., β-VAE, https://openreview.net/forum?id=Sy2fzU9gl

    >>> vae = BetaVAE((1, 28, 28), latent_dim=10, beta=6.0)
    >>> vae.encode(torch.zeros(5, 1, 28, 28)).event_shape
    torch.Size([10])
    """

    _beta: Tensor
    program: Any = None  # the `Program` by which a class was chosen, by its name or its file

    @hinted
    def __init__(
        self,
        shape: Sequence[int],
        latent_dim: int = 10,
        *,
        beta: float | Tensor = 1.0,
        network: str = "mlp",
        hidden: Sequence[int] | None = None,
        decoder_hidden: Sequence[int] | None = None,
        decoder_activation: str = "relu",
        likelihood: str | nn.Module = "bernoulli",
        scale: float | None = None,
        mean_link: str | None = None,
        prior: str | Prior | None = "normal",
        posterior: str | nn.Module = "diagonal",
        encoder: nn.Module | None = None,
        decoder: str | nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.shape, self.latent_dim, scale = _checked_shape(shape), index(latent_dim), unwrapped(scale)
        check_options(latent_dim=latent_dim, hidden=hidden, decoder_hidden=decoder_hidden, scale=scale)
        other, own = (decoder, None) if isinstance(decoder, str) else (None, decoder)
        pair = network_of(network, other).sized(hidden, decoder_hidden, decoder_activation)
        self.name = f"beta_vae_{next(_instances)}"
        self.register_buffer("_beta", torch.tensor(1.0), persistent=False)
        self.beta = beta
        self.likelihood = _likelihood(likelihood, self.shape, scale, mean_link)
        self.posterior = posteriors.build(posterior, self.latent_dim) if isinstance(posterior, str) else posterior
        self.prior: Prior = priors.made(prior, self)
        context = getattr(self.posterior, "context", 0)
        self.encoder = pair.encoder(self.shape, self.latent_dim, context) if encoder is None else encoder
        self.decoder = pair.decoder(self.latent_dim, self.parameter_shape) if own is None else own
        families = {"likelihood": likelihood, "prior": "normal" if prior is None else prior, "posterior": posterior}
        self.custom = _class_names(self, **families, encoder=encoder, decoder=own)
        self.settings: dict[str, Any] = {
            **{"shape": list(self.shape), "latent_dim": self.latent_dim, "network": network, "decoder": other},
            **pair.settings,
            **{name: family if isinstance(family, str) else "custom" for name, family in families.items()},
            **{"scale": scale, "mean_link": getattr(self.likelihood, "mean_link", None)},
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Give a copy a new name, since of two models with one name in Pyro's parameter store only one is trained."""
        super().__setstate__(state)
        self.name = f"beta_vae_{next(_instances)}"

    @property
    def parameter_shape(self) -> tuple[int, ...]:
        """Shape of what the decoder gives for one datum: the datum's, with as many times its channels as wanted."""
        return (self.shape[0] * getattr(self.likelihood, "outputs_per_value", 1), *self.shape[1:])

    @property
    def beta(self) -> Tensor:
        """The weight of the KL term, a scalar tensor."""
        return self._beta

    @beta.setter
    def beta(self, value: float | Tensor) -> None:
        number = value.detach() if isinstance(value, Tensor) else torch.as_tensor(value, dtype=torch.float64)
        if number.numel() != 1 or not BETA.holds(number):
            raise ValueError(f"beta must be a number of {BETA.bounds}, got {number.tolist()}")
        # a number is no copy from the CPU, which would wait for a GPU
        beta = value.to(self._beta) if isinstance(value, Tensor) else self._beta.new_full((), number.item())
        self._beta = beta if beta.requires_grad else beta.clone().reshape(())

    @property
    def beta_value(self) -> float:
        """β as a plain number, with the fewest digits that its 32 bits need."""
        return float(str(np.float32(self._beta.item())))

    @property
    def beta_norm(self) -> float:
        """β·K/M for K latents and M values a datum: the weight if both terms of the loss were means."""
        return self.beta_value * self.latent_dim / prod(self.shape)

    def encode(self, x: Tensor) -> dist.TorchDistribution:
        """The posterior q(z | x). Override it for a family of your own, with ``self.encoder(self.standardise(x))``.

        Args:
            x: Data ``(B, *shape)``, in their own units.

        Returns:
            A distribution with batch shape ``(B,)`` and event shape ``(K,)``.
        """
        q: dist.TorchDistribution = self.posterior(*self.encoder(self.standardise(_floats(x))))
        return q

    def decode(self, z: Tensor) -> dist.TorchDistribution:
        """The likelihood p(x | z).

        Args:
            z: Latents ``(..., K)``, any leading shape.

        Returns:
            A distribution with batch shape ``(...)`` and event shape ``shape``.
        """
        parameters = self.decoder(z.reshape(-1, z.shape[-1]))  # 2-D convolutions take one batch dimension
        return self.likelihood(parameters.reshape(*z.shape[:-1], *parameters.shape[1:]))

    def prepare(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The data ``(B, *shape)`` as the programs see them: unchanged, unless the likelihood quantises them."""
        prepare = getattr(self.likelihood, "prepare", None)
        return x if prepare is None else prepare(x, generator)

    def standardise(self, x: Tensor) -> Tensor:
        """The data ``(B, *shape)`` as the encoder sees them: unchanged, or (x − loc)/scale under a `Standardised`."""
        return self.likelihood.standardise(x) if isinstance(self.likelihood, likelihoods.Standardised) else x

    def unstandardise(self, u: Tensor) -> Tensor:
        """The reverse of `standardise`, loc + scale · u under a `Standardised`."""
        likelihood = self.likelihood
        return likelihood.loc + likelihood.scale * u if isinstance(likelihood, likelihoods.Standardised) else u

    def model(self, x: Tensor | None = None, size: int = 1) -> Tensor:
        """The program p(x, z), summed over the batch.

        Args:
            x: Data ``(B, *shape)``, or None to draw from the model.
            size: How many to draw when there are no data.

        Returns:
            The data, or draws ``(size, *shape)``.
        """
        self.register()
        with pyro.plate("batch", size if x is None else x.shape[0], dim=-1):
            with self.weighted():
                z = pyro.sample("z", self.prior())
            return pyro.sample("x", self.decode(z), obs=None if x is None else _floats(x))

    def guide(self, x: Tensor) -> Tensor:
        """The program q(z | x), summed over the batch.

        Args:
            x: Data ``(B, *shape)``.

        Returns:
            Latents ``(B, K)``.
        """
        self.register()
        with pyro.plate("batch", x.shape[0], dim=-1), self.weighted():
            return pyro.sample("z", self.encode(x))

    def register(self) -> None:
        """Make all parameters known to Pyro: ``pyro.module(self.name, self)``, for weights of any memory layout."""
        register(self.name, self)

    @contextmanager
    def weighted(self) -> Iterator[None]:
        """Weigh the log-probability of latent sites by β, 0 included.

        It is `poutine.scale`, which refuses 0, without that refusal: the structure of the program stays the same in a
        warm-up from 0. The derivative of the loss in β is the KL.
        """
        with _Scale(self.beta):
            yield


class _Scale(Messenger):
    """Multiplies the scale of sites by a weight of at least 0."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = weight

    def _pyro_sample(self, msg: Any) -> None:
        msg["scale"] = self.weight * msg["scale"]


def beta_of_norm(beta_norm: float, latent_dim: int, shape: Sequence[int]) -> float:
    """The β whose β_norm = β·K/M is given, for K latents and data of M values."""
    return beta_norm * prod(shape) / latent_dim


def _floats(x: Tensor) -> Tensor:
    if not x.is_floating_point():
        raise TypeError(
            f"the programs take floats, pixels in [0, 1], got {x.dtype}: datasets.pixels(x) makes them of bytes"
        )
    return x


def _checked_shape(shape: Sequence[int]) -> tuple[int, ...]:
    sides = tuple(int(side) for side in shape)
    if len(sides) not in (1, 3) or min(sides) < 1:
        raise ValueError(f"shape is (C, H, W) for images or (D,) for vectors, got {tuple(shape)}")
    return sides


def _class_names(vae: BetaVAE, **given: object) -> dict[str, str]:
    """The classes of the parts that were given as objects, and of the model where it is a subclass."""
    parts = {**given, "model": None if type(vae) is BetaVAE else vae}
    return {part: class_name(thing) for part, thing in parts.items() if not isinstance(thing, str | None)}


def _likelihood(
    likelihood: str | nn.Module, shape: tuple[int, ...], scale: float | None, mean_link: str | None
) -> nn.Module:
    if isinstance(likelihood, str):
        return likelihoods.build(likelihood, shape, scale=scale, mean_link=mean_link)
    if scale is not None or mean_link is not None:
        raise ValueError("scale and mean_link are for a likelihood given by its name; set them on the module")
    return likelihood
