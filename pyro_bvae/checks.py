"""What a fit looks at before it starts: programs and data that would not do what one thinks they do."""

from __future__ import annotations

from pyro import get_param_store, poutine, validation_enabled
from pyro.infer import ELBO
from pyro.poutine.util import site_is_subsample
from torch import Tensor

from .datasets import Dataset
from .model import BetaVAE
from .terms import at_rest

__all__ = ["check_data", "check_programs"]


def check_data(vae: BetaVAE, dataset: Dataset) -> None:
    """Make sure that the likelihood can describe the data.

    Raises:
        ValueError: The shapes differ, or values lie outside the likelihood's support.
    """
    if dataset.shape != vae.shape:
        raise ValueError(f"the model is for data of shape {vae.shape}, {dataset.name} has {dataset.shape}")
    support = getattr(vae.likelihood, "support", None)
    if support is None or dataset.images.is_floating_point() is False:
        return
    if not support.check(dataset.images).all():
        low, high = dataset.images.min().item(), dataset.images.max().item()
        raise ValueError(
            f"{dataset.name} has values from {low:.4g} to {high:.4g}, outside the support {support} of "
            f"{type(vae.likelihood).__name__}; choose a gaussian likelihood or rescale the data"
        )


def check_programs(vae: BetaVAE, elbo: ELBO, x: Tensor) -> None:
    """Run the loss once on a batch, under Pyro's validation, and look at what was run. Nothing is changed.

    Args:
        vae: The programs.
        elbo: What is to be minimised.
        x: Data ``(B, *shape)`` on the model's device.

    Raises:
        ValueError: The prior lies on another device, a latent site other than "z" is there, or ``pyro.param`` is used.
    """
    drawn = vae.prior().sample()
    if drawn.device != x.device:
        raise ValueError(
            f"the prior draws on {drawn.device} and the data are on {x.device}: register_buffer its tensors"
        )
    model, guide = poutine.trace(vae.model), poutine.trace(vae.guide)
    with at_rest(vae, seed=0), validation_enabled():
        elbo.differentiable_loss(model, guide, vae.prepare(x))
    for trace in (model.trace, guide.trace):
        latent = (name for name in trace.stochastic_nodes if not site_is_subsample(trace.nodes[name]))
        strange = {*latent} - {"z"}
        if strange:
            raise ValueError(
                f"a latent site {min(strange)!r} is in no reported term: put all latents into the site 'z'"
            )
    known = {id(parameter) for parameter in vae.parameters()}
    for name, parameter in get_param_store().named_parameters():
        if id(parameter) not in known:
            raise ValueError(
                f"fit trains the parameters of the model, and pyro.param({name!r}) is none of them: make it an "
                "nn.Parameter of the BetaVAE, or train with pyro.infer.SVI"
            )
