"""Whether several ranks may take a fit together, and whether they hold the same model.

What is a sum over images is exact however they are shared out, and so is every objective that is computed from `Sites`,
which are gathered. What a module makes of the other images of its batch, as batch normalisation does, would be made of
a rank's own slice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from pyro.infer import ELBO, Trace_ELBO, TraceMeanField_ELBO
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from .. import ranks
from ..objectives import Regularised
from ..settings.options import TRAINING
from ..settings.words import brief

__all__ = ["check_ranks", "check_replicas", "check_shareable"]

OWN_TO_A_RANK = ("device", "threads")
TOLERANCE = 1e-3  # of a sum of weights, on ranks of different processors


def check_shareable(vae: nn.Module, elbo: ELBO) -> None:
    """Make sure that the gradients of slices of a batch add up to those of the whole.

    Raises:
        ValueError: They need not, for an ELBO of another kind, or a module that looks at the batch.
    """
    if ranks.size() == 1:
        return
    if not (isinstance(elbo, Regularised) or type(elbo) in (Trace_ELBO, TraceMeanField_ELBO)):
        raise ValueError(
            f"several ranks cannot take {type(elbo).__name__}, which need not be a sum over images: give Trace_ELBO, "
            "TraceMeanField_ELBO or an objective of this package, or fit with one process"
        )
    if isinstance(elbo, Regularised) and elbo.differing:
        raise ValueError(f"{type(elbo).__name__} is for pairs, which no ranks may part: fit with one process")
    for name, module in vae.named_modules():
        if isinstance(module, _BatchNorm) and module.training:
            raise ValueError(
                f"several ranks cannot fit {name}, a {type(module).__name__}, whose statistics would be those of a "
                "rank's slice of the batch: use GroupNorm or LayerNorm, or fit with one process"
            )


def check_ranks(vae: nn.Module, elbo: ELBO, config: Mapping[str, Any]) -> None:
    """Make sure that all ranks fit the same with the same settings, and let them start from the first one's parameters.

    Raises:
        ValueError: Their data or settings differ.
    """
    names = ["fingerprint", "shape", "latent_dim", "likelihood", "beta", "elbo", *TRAINING]
    own = {name: config[name] for name in names if name in config and name not in OWN_TO_A_RANK}
    first, *others = ranks.everybodys(own)
    for number, other in enumerate(others, start=1):
        differ = [
            f"{name} is {brief(first[name])} and {brief(other[name])}" for name in first if first[name] != other[name]
        ]
        if differ:
            raise ranks.known(ValueError(f"ranks 0 and {number} are to take one fit: their {'; '.join(differ)}"))
    ranks.copy_from_first(vae)
    if isinstance(elbo, nn.Module):
        ranks.copy_from_first(elbo)


@torch.no_grad()
def check_replicas(vae: nn.Module, step: int) -> None:
    """Make sure that all ranks hold the same model after a step.

    Raises:
        ValueError: They do not, since a module keeps something of the data that it has seen, which differ.
    """
    if ranks.size() == 1:
        return
    tensors = {**dict(vae.named_parameters()), **dict(vae.named_buffers())}
    own = {name: tensor.double().nan_to_num().sum().item() for name, tensor in tensors.items()}
    first, *others = ranks.everybodys(own)
    for name, value in first.items():
        if any(abs(other[name] - value) > TOLERANCE * (1 + abs(value)) for other in others):
            raise ranks.known(
                ValueError(
                    f"after step {step} the ranks differ in {name}, which a module changes by what it sees of its own "
                    "slice of a batch: fit with one process"
                )
            )
