"""Encoder and decoder as two modules from a tensor to named tensors.

    encoder:  x (B, *shape)  →  the parameters of q(z | x), for a normal loc and scale, (B, K) each
    decoder:  z (B, K)       →  the parameters of p(x | z), (B, *shape) each, and its mean

Both take and give data in their own units, also where the networks see standardised values.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

from pyro.distributions import TorchDistribution
from torch import Tensor, nn
from torch.distributions import Independent

from ..likelihoods.standardised import Rescaled
from ..model import BetaVAE

__all__ = ["Decoder", "Encoder", "parameters_of"]


class Encoder(nn.Module):
    """From data to the parameters of q(z | x).

    Args:
        vae: The programs, of which a copy on the CPU is taken, in evaluation mode.

    Raises:
        ValueError: The model has its own guide.
    """

    argument = "x"

    def __init__(self, vae: BetaVAE) -> None:
        super().__init__()
        self.vae = _copied(vae, "guide", "encode", unused=("decoder", "prior"))

    def named(self, x: Tensor) -> dict[str, Tensor]:
        """The parameters by name, of data ``(B, *shape)``."""
        return parameters_of(self.vae.encode(x))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """The parameters in their order."""
        return tuple(self.named(x).values())


class Decoder(nn.Module):
    """From latents to the parameters of p(x | z), and its mean.

    Args:
        vae: The programs, of which a copy on the CPU is taken, in evaluation mode.

    Raises:
        ValueError: The model has its own program.
    """

    argument = "z"

    def __init__(self, vae: BetaVAE) -> None:
        super().__init__()
        self.vae = _copied(vae, "model", "decode", unused=("encoder", "prior"))

    def named(self, z: Tensor) -> dict[str, Tensor]:
        """Parameters and ``mean`` by name, of latents ``(B, K)``."""
        p = self.vae.decode(z)
        return parameters_of(p) | {"mean": p.mean}

    def forward(self, z: Tensor) -> tuple[Tensor, ...]:
        """The same in their order."""
        return tuple(self.named(z).values())


def parameters_of(p: TorchDistribution) -> dict[str, Tensor]:
    """The parameters that a distribution was made with, by name; of a rescaled one in the units of its values.

    Raises:
        ValueError: It has none that are known.

    >>> import pyro.distributions as dist, torch
    >>> parameters_of(dist.Laplace(torch.zeros(1), 2.0).to_event(1))
    {'loc': tensor([0.]), 'scale': tensor([2.])}
    """
    while isinstance(p, Independent):
        p = p.base_dist
    if isinstance(p, Rescaled):
        (affine,) = p.transforms
        given = parameters_of(p.base_dist)
        if given.keys() != {"loc", "scale"}:
            raise ValueError(f"it is a rescaled {type(p.base_dist).__name__}, which has more than loc and scale")
        return {"loc": affine(given["loc"]), "scale": given["scale"] * affine.scale}
    known = {name: vars(p).get(name) for name in p.arg_constraints}  # the others would be computed from these
    given = {name: value for name, value in known.items() if isinstance(value, Tensor)}
    if not given:
        raise ValueError(f"it is a {type(p).__name__}, which has no parameters of its own")
    return given


def _copied(vae: BetaVAE, program: str, part: str, unused: Sequence[str]) -> BetaVAE:
    """A copy on the CPU, in evaluation mode, without what its part does not use."""
    if not _is_own(vae, program):
        what = f"the model has its own `{program}`, of which files hold nothing but what `{part}` returns"
        raise ValueError(f"{what}: write the run as a .zip, or its weights as .safetensors")
    copied = copy.deepcopy(vae).cpu().eval()
    if _is_own(vae, part):
        for name in unused:
            delattr(copied, name)
    return copied


def _is_own(vae: BetaVAE, method: str) -> bool:
    """Whether a model has the method of `BetaVAE` itself."""
    return getattr(getattr(vae, method), "__func__", None) is getattr(BetaVAE, method)
