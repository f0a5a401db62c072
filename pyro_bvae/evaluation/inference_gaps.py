"""How far the ELBO is below log p(x), and how much of that the posterior family and the encoder are to blame for.

    log p(x) − ELBO(q)  =  log p(x) − ELBO(q*)   approximation gap: the family holds no better posterior
                        +  ELBO(q*) − ELBO(q)    amortisation gap: the encoder does not find the best one

q is the guide, q* the best of its family for each datum alone, see `fitted_posteriors`. An importance-weighted bound
takes the place of log p(x). It is too low where few draws carry the weight, and so is the approximation gap then.

Source: Cremer et al., Inference suboptimality in variational autoencoders, https://arxiv.org/abs/1801.03558
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import index

import torch
from torch import Tensor

from .. import ranks
from ..datasets import Progress, Rows
from ..model import BetaVAE
from ..terms import batches, check_data, evaluation_mode
from .fitted_posteriors import DRAWS_A_STEP, FittedGuide
from .weights import effective_draws, log_mean_weight, weights

__all__ = ["Gaps", "gaps"]

LR = 0.1  # of Adam's first step
SURELY = 2.0  # standard errors by which a bound is higher than another beyond the noise of its draws


@dataclass(frozen=True)
class Gaps:
    """Means over images at β 1, nats an image, each with its standard error, which is the sample's and the draws'.

    Attributes:
        log_likelihood: The bound that stands for log p(x): that of the fitted posteriors, or of the guide where it is
            higher by more than two standard errors.
        iw_bound: The importance-weighted bound of the guide.
        iw_bound_fitted: That of the posteriors fitted to each image alone.
        elbo: ELBO(q), of the guide.
        elbo_fitted: ELBO(q*), of the fitted posteriors.
        gap: log p(x) − ELBO(q), the sum of the next two.
        approximation_gap: log p(x) − ELBO(q*).
        amortisation_gap: ELBO(q*) − ELBO(q).
        still_rising: By how much the ELBO of the steps rose from the last but one tenth of them to the last. It holds
            the fall of their noise with the learning rate, which their mean, q*, does not have, so that it is rather
            too large. Where it is not small beside the amortisation gap, more steps are wanted.
        standard_error: Of each of these, by name.
        effective_draws: Mean over images of (Σw)²/Σw² of the draws of ``log_likelihood``.
        draws: Draws an image.
        steps: Of Adam.
        images: How many.
    """

    log_likelihood: float
    iw_bound: float
    iw_bound_fitted: float
    elbo: float
    elbo_fitted: float
    gap: float
    approximation_gap: float
    amortisation_gap: float
    still_rising: float
    standard_error: dict[str, float]
    effective_draws: float
    draws: int
    steps: int
    images: int


def gaps(
    vae: BetaVAE,
    data: Tensor | Rows,
    *,
    images: int = 100,
    draws: int = 1000,
    steps: int = 500,
    lr: float = LR,
    batch_size: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
) -> Gaps:
    """Take the gap between log p(x) and the ELBO apart.

    The fit of each posterior has a fixed number of steps, with a learning rate that falls linearly to 0, and q* is the
    mean of the second half of them; see ``still_rising``.

    Args:
        vae: The programs; its device is used.
        data: Images or vectors ``(N, *shape)``, or rows of them with what else the programs take.
        images: How many of them to use, drawn without replacement.
        draws: Importance draws an image, of the guide, and as many of the fitted posteriors.
        steps: Of Adam, with ten draws each.
        lr: Learning rate of its first step, in units of unconstrained parameters: of means, and of log deviations.
        batch_size: How many draws are made at once; a tenth as many images are worked on.
        seed: Seed of the choice of images and of all draws.
        progress: Called after each step and each draw.

    Returns:
        The gaps.

    Raises:
        ValueError: There are too few images, draws or steps, or the guide's posteriors cannot be fitted, see
            `FittedGuide`.
    """
    rows = check_data(vae, data)
    if min(images, len(rows)) < 2 or draws < 2 or steps < 1:
        raise ValueError(
            f"gaps want at least 2 images and 2 `draws`, and 1 of `steps`, got {min(images, len(rows))} images, "
            f"{draws} and {steps}"
        )
    if images < len(rows):
        chosen = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))[:images]
        rows = rows[chosen.sort().values.to(rows.images.device)]
    results = {}
    size = max(1, index(batch_size) // DRAWS_A_STEP)
    for number, (_, x, given) in enumerate(batches(vae, rows, size)):
        if ranks.takes(number):
            counted = _counted(progress, number * size, len(x), len(rows))
            with evaluation_mode(vae, seed + number):
                results[number] = _of_batch(vae, x, given, draws, steps, lr, counted)
    return _means(torch.cat(ranks.merged(results), dim=1), draws, steps)


def _of_batch(
    vae: BetaVAE, x: Tensor, given: dict[str, Tensor], draws: int, steps: int, lr: float, counted: _Counted
) -> Tensor:
    """ELBO, bound and effective draws of the guide, the same of the fitted posteriors, and their last rise, (7, B)."""
    fitted = FittedGuide(vae, x, given)
    rising = fitted.fit(steps, lr, lambda step: counted("fitted posteriors", step, steps))
    parts = []
    for guide, what in ((vae.guide, "draws of the guide"), (fitted, "draws of the fitted posteriors")):
        log_weights, elbos = x.new_empty(2, draws, len(x), dtype=torch.float64)
        for draw in range(draws):
            log_weights[draw], elbos[draw] = weights(vae.model, guide, x, **given)
            counted(what, draw + 1, draws)
        parts += [elbos.mean(0), log_mean_weight(log_weights), effective_draws(log_weights)]
    return torch.stack([*parts, rising.double()]).cpu()


def _means(parts: Tensor, draws: int, steps: int) -> Gaps:
    """Means and standard errors over images, of what `_of_batch` makes of each, ``(7, N)``."""
    elbo, bound, effective, elbo_fitted, bound_fitted, effective_fitted, rising = parts
    lead = bound - bound_fitted
    is_of_guide = bool(lead.mean() > SURELY * _standard_error(lead))
    log_likelihood = bound if is_of_guide else bound_fitted
    values = {
        "log_likelihood": log_likelihood,
        "iw_bound": bound,
        "iw_bound_fitted": bound_fitted,
        "elbo": elbo,
        "elbo_fitted": elbo_fitted,
        "gap": log_likelihood - elbo,
        "approximation_gap": log_likelihood - elbo_fitted,
        "amortisation_gap": elbo_fitted - elbo,
        "still_rising": rising,
    }
    return Gaps(
        **{name: value.mean().item() for name, value in values.items()},
        standard_error={name: _standard_error(value) for name, value in values.items()},
        effective_draws=(effective if is_of_guide else effective_fitted).mean().item(),
        draws=draws,
        steps=steps,
        images=len(elbo),
    )


def _standard_error(values: Tensor) -> float:
    return values.std().item() / len(values) ** 0.5


_Counted = Callable[[str, int, int], None]


def _counted(progress: Progress | None, before: int, size: int, of_all: int) -> _Counted:
    """What says how far a batch is, in images times steps or draws, of those of all batches."""

    def count(what: str, done: int, total: int) -> None:
        if progress is not None:
            progress(what, before * total + done * size, of_all * total)

    return count
