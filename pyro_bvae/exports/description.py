"""What a file says of its model: the facts that its readers need, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ..files import without_places
from ..likelihoods import Bernoulli, BinarizedBernoulli, Standardised, family_of
from ..runs.run import Run

__all__ = ["FORMAT", "described", "shapes_of"]

FORMAT = "pyro-bvae export 1"
BATCH = "batch"  # the name of the axis that has any length


def described(run: Run) -> dict[str, Any]:
    """The facts of a model, the same in every format.

    Args:
        run: Whose model it is.

    Returns:
        ``format``, ``dataset``, ``step``, ``beta``, ``shape`` of a datum, ``latent_dim``, ``network``, ``likelihood``,
        ``link``, ``prior``, ``pixel_range``, ``columns``, ``standardised``, ``binarised`` and ``dtype``; what a model
        does not have is None.
    """
    vae = run.model
    family = family_of(vae.likelihood)
    named = "+".join(filter(None, (vae.settings["network"], vae.settings["decoder"])))
    own = vae.custom.get("encoder", vae.custom.get("decoder", named))
    return {
        "format": FORMAT,
        "dataset": without_places(run.config["dataset"]),
        "step": run.step,
        "beta": vae.beta_value,
        "shape": list(vae.shape),
        "latent_dim": vae.latent_dim,
        "network": own,
        "likelihood": vae.custom.get("likelihood", vae.settings["likelihood"]),
        "link": _link(family),
        "prior": vae.custom.get("prior", vae.settings["prior"].replace("normal", "standard normal")),
        "pixel_range": [0.0, 1.0] if len(vae.shape) == 3 else None,
        "columns": run.config.get("columns"),
        "standardised": isinstance(vae.likelihood, Standardised),
        "binarised": isinstance(family, BinarizedBernoulli),
        "dtype": _dtype(vae.parameters()),
    }


def shapes_of(tensors: Mapping[str, Tensor]) -> dict[str, list[int | str]]:
    """The shape of each tensor by name, with a word for the axis of the batch.

    >>> import torch
    >>> shapes_of({"z": torch.zeros(2, 10)})
    {'z': ['batch', 10]}
    """
    return {name: [BATCH, *tensor.shape[1:]] for name, tensor in tensors.items()}


def _link(family: Any) -> str | None:
    """What makes the mean of the decoder's output; None where that is no single function of it."""
    link: str | None = getattr(family, "mean_link", None)
    return "sigmoid" if isinstance(family, Bernoulli | BinarizedBernoulli) else link


def _dtype(parameters: Any) -> str:
    return str(next(iter(parameters)).dtype).removeprefix("torch.")
