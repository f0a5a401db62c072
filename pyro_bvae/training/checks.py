"""Checks before a fit: data that the likelihood cannot describe, and programs that would not train as one expects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from pyro import poutine, validation_enabled
from pyro.infer import ELBO
from torch import Tensor, nn

from ..compiled.places import copy_of, differentiated, places, put
from ..compiled.recording import undisturbed
from ..compiled.store import strays
from ..datasets import Dataset, Rows, of_type, pixels
from ..likelihoods import LIKELIHOODS, family_of
from ..model import BetaVAE
from ..objectives import Regularised
from ..programs import adopted
from ..terms import (
    Layout,
    arguments_of,
    batches,
    check_traces,
    evaluation_mode,
    given_to,
    has_own,
    label_of,
    latent_sites,
    layout_of,
    per_value,
    traces,
)

__all__ = ["check_data", "check_programs", "layout_of_programs", "least_batch"]

FEW = 2  # data of which the sites are looked at


def check_data(programs: nn.Module, dataset: Dataset) -> BetaVAE:
    """Make sure that the likelihood can describe the data.

    Returns:
        The programs, of a module that is no `BetaVAE` in one.

    Raises:
        TypeError: It is no data set, or the module has no programs.
        ValueError: The shapes differ, there are more classes than the programs have, or values lie outside the
            likelihood's support.
    """
    if not isinstance(dataset, Dataset):
        raise TypeError(f"fit wants a Dataset, got {type(dataset).__name__}: datasets.Dataset('mine', x) makes one")
    vae = adopted(programs, dataset.shape, dataset.beside)
    if dataset.shape != vae.shape:
        raise ValueError(f"the model is for data of shape {vae.shape}, {dataset.name} has {dataset.shape}")
    if dataset.options.get("labelled") and "labels" not in arguments_of(vae):
        raise ValueError("`labelled` is for programs that take `labels`, and these do not: leave it out")
    _check_classes(vae, dataset)
    support = getattr(vae.likelihood, "support", None)
    if support is not None and dataset.images.is_floating_point() and not support.check(dataset.images).all():
        low, high = dataset.images.min().item(), dataset.images.max().item()
        raise ValueError(
            f"{dataset.name} has values from {low:.4g} to {high:.4g}, outside {_interval(support)} of "
            f"{_family(vae)}; choose a gaussian likelihood or rescale the data"
        )
    return vae


def _check_classes(vae: BetaVAE, dataset: Dataset) -> None:
    """Refuse labels beyond the ``classes`` of programs that take them from data, see `Program.build`."""
    options_for = getattr(vae, "options_for", None)
    wanted = 0 if options_for is None else options_for(dataset).get("classes", 0)
    if 0 < getattr(vae, "classes", 0) < wanted:
        raise ValueError(
            f"{dataset.name} has labels up to {wanted - 1}, and the programs have {vae.classes} `classes`: make it "
            f"{wanted}"
        )


def _interval(support: object) -> str:
    low, high = (getattr(support, f"{end}_bound", None) for end in ("lower", "upper"))
    return f"the support {support}" if low is None or high is None else f"the support [{low:g}, {high:g}]"


def _family(vae: BetaVAE) -> str:
    names: dict[type, str] = {family: f"the {name} likelihood" for name, family in LIKELIHOODS.items()}
    kind = type(family_of(vae.likelihood))
    return names.get(kind, kind.__name__)


def check_programs(
    vae: BetaVAE, elbo: ELBO, x: Tensor, beta_moves: bool = False, given: Mapping[str, Tensor] | None = None
) -> None:
    """Run the loss once on a batch, under Pyro's validation, and look at what was run. Nothing is changed.

    Args:
        vae: The programs.
        elbo: What is to be minimised.
        x: Data ``(B, *shape)`` on the model's device.
        beta_moves: Whether β is scheduled, or moved to match a rate.
        given: What else the programs take.

    Raises:
        ValueError: The objective ignores a β that is not 1, or moves; the prior lies on another device; encoder or
            likelihood give something of another shape; β or a mask weighs a latent site in one program only; there is a
            site of which there are no terms; a discrete site is drawn that the objective wants summed; or the loss
            depends on a parameter that is not the model's.
    """
    if isinstance(elbo, Regularised) and not elbo.takes_beta and (vae.beta_value != 1 or beta_moves):
        here = "" if vae.beta_value == 1 else f", here {vae.beta_value:g}"
        raise ValueError(
            f"the objective {type(elbo).__name__} ignores the β of the programs{here}: leave it at 1, and set "
            "the objective's own coefficients"
        )
    model, guide = poutine.trace(vae.model), poutine.trace(vae.guide)
    with evaluation_mode(vae, seed=0), validation_enabled(), torch.enable_grad():
        where = vae.prior().sample().device
        if where != x.device:
            raise ValueError(f"the prior draws on {where}, the data are on {x.device}: register_buffer its tensors")
        given = given or {}
        _check_parts(vae, vae.prepare(x))
        both = traces(vae.model, vae.guide, vae.prepare(x), **given)
        check_traces(*both)
        _check_draws(both[1], elbo)
        loss = elbo.differentiable_loss(model, guide, vae.prepare(x), **given)
    for name in latent_sites(guide.trace):
        _check_weights(name, model.trace.nodes[name], guide.trace.nodes[name])
    _check_parameters(vae, loss)


def layout_of_programs(vae: BetaVAE, dataset: Dataset) -> tuple[Layout, bool]:
    """The names of the terms of programs, from a look at a few data, and whether Pyro's mean-field ELBO is for them.

    It is for one latent site that is not enumerated. Nothing is changed. Of programs that do not run, whose fault is
    for `check_programs` to say, the names are those of one latent site "z" and one observed site "x".
    """
    if has_own(vae, "model", "guide"):
        return Layout(), True
    device = vae.beta.device
    few = dataset.rows(dataset.train[:FEW]).to(device)
    with undisturbed(device), evaluation_mode(vae, seed=0):
        try:
            _, x, given = next(batches(vae, few, FEW))
            model, guide = traces(vae.model, vae.guide, x, **given)
            layout = layout_of(model, guide, vae.beta_value)
        except Exception:  # whatever the programs raise
            return Layout(), True
    enumerated = any("_enumerate_dim" in site["infer"] for site in guide.nodes.values() if site["type"] == "sample")
    return layout, layout.is_plain and not enumerated


def least_batch(vae: BetaVAE, elbo: ELBO, dataset: Dataset, batch_size: int) -> int:
    """The fewest data of which a step can be taken, as far as the batches of a fit ask for it; nothing is changed.

    Batch normalisation, for example, cannot take one datum, and an estimate of a variance is NaN there. Where the last
    batch of an epoch is one datum, the loss is tried on it.

    Args:
        vae: The programs, in training mode.
        elbo: What is to be minimised.
        dataset: The data.
        batch_size: Data a step.

    Raises:
        ValueError: The batches, or all training data, are fewer.
    """
    size = min(batch_size, len(dataset.train))
    least, why = elbo.least_batch if isinstance(elbo, Regularised) else 1, f"{type(elbo).__name__} is an estimate"
    if least == 1 and size > 0 and len(dataset.train) % size == (1 if size > 1 else 0):
        why = _what_fails(vae, elbo, dataset, 1)
        least = 2 if why and not _what_fails(vae, elbo, dataset, 2) else 1
    if size < least:
        raise ValueError(
            f"no step can be taken of {size} of the training data ({why}): batch_size, and the training data, must be "
            f"at least {least}"
        )
    return least


def _what_fails(vae: BetaVAE, elbo: ELBO, dataset: Dataset, size: int) -> str:
    """What the loss of so many training data fails with; empty if it does not fail."""
    device = vae.beta.device
    rows = Rows(dataset.images, given_to(vae, dataset.beside))[dataset.train[:size]].to(device)
    x, given = pixels(rows.images, vae.beta.dtype), {k: of_type(v, vae.beta.dtype) for k, v in rows.extra.items()}
    where = [*places(vae), *(places(elbo) if isinstance(elbo, Regularised) else [])]
    with undisturbed(device), put(where, [copy_of(place.tensor) for place in where]):
        try:
            loss = elbo.differentiable_loss(vae.model, vae.guide, vae.prepare(x), **given)
        except Exception as error:  # whatever the programs raise
            return next(iter(str(error).splitlines()), "") or type(error).__name__
    return "" if loss.isfinite() else f"the loss is {loss.item()}"


def _check_parts(vae: BetaVAE, x: Tensor) -> None:
    """Look at what the parts return, where the programs are those that use them."""
    if has_own(vae, "guide"):
        if has_own(vae, "encode"):
            _check_encoder(vae, vae.encoder(x), (len(x), vae.latent_dim))
        _check_shape("the posterior", vae.encode(x), len(x), (vae.latent_dim,))
    if has_own(vae, "model"):
        _check_shape("the likelihood", vae.decode(vae.prior().sample((len(x),))), len(x), vae.shape)


def _check_encoder(vae: BetaVAE, returned: Any, shape: tuple[int, int]) -> None:
    """A pair of tensors that broadcast to ``shape``, as a log-variance may be shared; and the posterior's context."""
    context = getattr(vae.posterior, "context", 0)
    wanted = [(shape[0], context)] if context else []
    try:
        loc, log_variance, *rest = returned
        fits = torch.broadcast_shapes(loc.shape, log_variance.shape) == shape
        fits = fits and [tuple(each.shape) for each in rest] == wanted
    except (TypeError, ValueError, AttributeError, RuntimeError):  # no pair, no tensors, or they do not broadcast
        fits = False
    if not fits:
        is_tensor = isinstance(returned, Tensor)
        said = f"a tensor {tuple(returned.shape)}" if is_tensor else f"a {type(returned).__name__} of others"
        more = f", and for the posterior {type(vae.posterior).__name__} a third tensor {wanted[0]}" if wanted else ""
        raise ValueError(f"the encoder must return mean and log-variance, each {shape}{more}, got {said}")


def _check_shape(what: str, p: torch.distributions.Distribution, size: int, event: tuple[int, ...]) -> None:
    batch, shape = tuple(p.batch_shape), tuple(p.event_shape)
    if shape == event and batch in ((), (1,), (size,)):  # what a plate takes
        return
    hint = f"; .to_event({len(event)}) makes an event of the values of a datum" if len(batch) > 1 else ""
    raise ValueError(f"{what} must have batch shape ({size},) and event shape {event}, got {batch} and {shape}{hint}")


def _check_draws(guide: poutine.Trace, elbo: ELBO) -> None:
    """Refuse discrete sites that are drawn where the gradient of the objective goes through draws."""
    if not isinstance(elbo, Regularised):
        return
    for name in latent_sites(guide):
        site = guide.nodes[name]
        if not site["fn"].has_rsample and "_enumerate_dim" not in site["infer"]:
            raise ValueError(
                f"the objective has no gradient through draws of {label_of(name)!r}, a {_kind_of(site['fn'])}: sum "
                "over its values with infer={'enumerate': 'parallel'} in the guide (pyro.infer.config_enumerate marks "
                "all sites), or pass `elbo=Trace_ELBO()`"
            )


def _kind_of(p: torch.distributions.Distribution) -> str:
    return type(per_value(p)).__name__


def _check_weights(name: str, model: Mapping[str, Any], guide: Mapping[str, Any]) -> None:
    """Refuse a latent site that one of the programs weighs or masks in another way than the other."""
    weights = torch.broadcast_tensors(*(torch.as_tensor(site["scale"]).cpu().float() for site in (model, guide)))
    if not torch.equal(*weights):
        ours, theirs = (weight.mean() for weight in weights)
        raise ValueError(
            f"the site {name!r} is weighed by {ours:g} in the model and by {theirs:g} in the guide: put it "
            "under `with self.weighted():` in both"
        )
    masks = [torch.as_tensor(True if site["mask"] is None else site["mask"]).cpu() for site in (model, guide)]
    if not torch.equal(*torch.broadcast_tensors(*masks)):
        raise ValueError(
            f"the site {name!r} is masked in one of the programs, or in another way: put it under the same "
            "`with poutine.mask(mask=...):` in model and guide (obs_mask=known masks the model's with ~known)"
        )


def _check_parameters(vae: BetaVAE, loss: Tensor) -> None:
    """Refuse what would silently not be trained."""
    for name in strays(vae):
        raise ValueError(
            f"fit trains the parameters of the model, and pyro.param({name!r}) is none of them: make it an "
            "nn.Parameter of the BetaVAE, or train with pyro.infer.SVI"
        )
    known = {id(parameter) for parameter in vae.parameters()}
    for leaf in differentiated(loss):
        if id(leaf) not in known and leaf is not vae.beta:
            raise ValueError(
                f"the loss depends on a parameter of shape {tuple(leaf.shape)} that is not the model's and would not "
                "be trained: pass the module that holds it as a part, not a function around it"
            )
