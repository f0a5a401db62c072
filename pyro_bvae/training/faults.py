"""What is the matter where a loss or a parameter is not finite: single data, the units of the data, or the steps.

A loss that is not finite before anything was learnt has nothing to do with the learning rate. The terms of each datum
by itself show whether a few data are the reason, and how far the values go shows whether their units are.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from math import isfinite
from typing import TYPE_CHECKING

import torch
from pyro import validation_enabled
from torch import Tensor

from ..codes import FAR
from ..datasets import Dataset, Rows
from ..likelihoods import Standardised
from ..model import BetaVAE
from ..terms import batches, broken_parameter, evaluation_mode, terms

if TYPE_CHECKING:
    from .state import Training

__all__ = ["advice", "before_the_first_step", "remark_on_rates", "what_is_not_finite"]

FEW = 0.5  # share of the data up to which they are the reason themselves
LOWEST_RATE = -1.0  # nats; an estimate of a small KL may lie below 0
SMALLER_STEPS = "lower `lr`, or warm it up with `lr_warmup`"


def what_is_not_finite(training: Training, step: int, loss: float, distortion: float, rate: float) -> str:
    """What a step's loss consists of, in nats an image, and what to do about it."""
    values = {"distortion": distortion, "rate": rate}
    what = " and ".join(f"the {name} is {value}" for name, value in values.items() if not isfinite(value))
    remedy = advice(training, training.minibatches.index(step - 1).cpu(), is_first=step == 1)
    return f"the loss is {loss} at step {step}: {what or 'both its terms are finite'}; {remedy}"


def advice(training: Training, index: Tensor | None = None, is_first: bool = False) -> str:
    """What to do about terms that are not finite.

    Args:
        training: The fit.
        index: Indices of the data whose terms they are; without any, no datum is looked for.
        is_first: Whether nothing has been learnt yet.
    """
    vae, data = training.vae, training.dataset
    blamed = None if index is None or data.is_images else _blamed(vae, data, index)
    if blamed is not None:
        return blamed
    if not data.is_images and not isinstance(vae.likelihood, Standardised):
        reach = data.images.abs().amax(0)
        if reach.max() > FAR:
            largest = f"{reach.max().item():.4g} in {data.column(int(reach.argmax()))}"
            rest = "" if is_first else "; then lower `lr`"
            return f"the values reach {largest}: standardise them (`standardise`, or likelihoods.Standardised){rest}"
    if is_first:
        return "nothing was learnt yet, so look at what the networks, the likelihood and β make of these data"
    return SMALLER_STEPS


def remark_on_rates(rates: Mapping[str, float]) -> None:
    """Warn of a rate that no KL can be; of each site once.

    Args:
        rates: Of latent sites, by their labels, in nats.
    """
    for site, rate in rates.items():
        if rate < LOWEST_RATE:
            warnings.warn(
                f"the rate of {site!r} has fallen below 0, where no KL is: its distributions in model and guide are of "
                "different kinds, or it is drawn where its density overflows",
                RuntimeWarning,
                stacklevel=2,
            )


def before_the_first_step(training: Training, error: ValueError) -> Exception:
    """What to raise for an error of the checks: in words, where parameters of a distribution were no numbers."""
    parameter = broken_parameter(error)
    if parameter is None:
        return error
    what = f"before the first step {parameter}"
    return FloatingPointError(f"{what}; {advice(training, training.minibatches.index(0).cpu(), is_first=True)}")


def _blamed(vae: BetaVAE, data: Dataset, index: Tensor) -> str | None:
    """The vectors that lie far out and are few, of those whose terms are not finite; None where others are so too."""
    bad = index[_are_not_finite(vae, data.rows(index))]
    if not 0 < len(bad) <= FEW * len(index):
        return None
    x = data.images[bad]
    distances = vae.standardise(x.to(vae.beta.device)).abs().cpu()
    if not (distances.amax(1) > FAR).all():
        return None
    column = int(distances[0].argmax())
    which = f"datum {int(bad[0])} (from 0)" + (" first" if len(bad) > 1 else "")
    return (
        f"the reason lies in {len(bad):,} of {len(index):,} data, {which}, with {x[0, column].item():.4g} in "
        f"{data.column(column)}: mend or leave out what lies so far from the others"
    )


def _are_not_finite(vae: BetaVAE, data: Rows) -> Tensor:
    """Whether the terms of each datum are not finite, ``(N,)``, on the CPU."""
    bad = []
    with evaluation_mode(vae, seed=0), validation_enabled(False):
        for _, x, given in batches(vae, data, 1000):
            of_batch = terms(vae, x, **given)
            bad.append(~(of_batch.distortion + of_batch.rate).isfinite().cpu())
    return torch.cat(bad)
