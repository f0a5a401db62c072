"""How good a model is on data that it has not seen, at β 1, whatever β it was trained with.

    ELBO       −(distortion + rate) ≤ log p(x)
    iw_bound   E log (1/S) Σ_s p(x, z_s)/q(z_s | x) ≤ log p(x), rising with S: see `importance`
    H − D      ≤ I_rep, the information that the code holds of data with known entropy H

Two families can be compared in nats only if both are densities, or both are masses of the same levels. In bits per
dimension all families of 256 grey levels can be compared: the distortion is then that of the level's bin.

Both bounds are estimates, by draws of z, and can lie above log p(x): their standard errors stand beside them.

Source: Alemi et al., Fixing a broken ELBO, https://arxiv.org/abs/1711.00464
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from math import log, prod
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from ..codes import centres
from ..datasets import Progress, Rows
from ..generation import image_means
from ..likelihoods.grey_levels import central_interval, log_bin_mass
from ..model import BetaVAE
from ..terms import check_data, evaluation_mode, mean_terms, of_batches, per_value
from .activity import active_units
from .importance import bound_and_error
from .precision import standard_errors
from .similarity import psnr, ssim
from .weights import drawn

__all__ = ["Evaluation", "evaluate", "least_information"]

ROUNDING = 1e-6  # by which a value may lie outside an interval whose end it is


@dataclass(frozen=True)
class Evaluation:
    """Means over images; information in nats an image.

    Attributes:
        elbo: −(distortion + rate).
        distortion: −E_q log p(x | z).
        rate: KL(q(z | x) ‖ p(z)).
        kl_per_latent: The rate's K parts; None where prior or guide does not factorise.
        latents: What each of them is of, like ``z[3]`` or ``y``; empty where there are none.
        active_units: How many latents have a mean KL above 0.01 nats; where prior or guide does not factorise, whose
            posterior mean has a variance above 0.01.
        iw_bound: The importance-weighted bound; None for 0 particles.
        particles: Draws an image for that bound.
        nats: The kind of log-probability: "density", "mass of 256 levels", "mass of 2 levels", or "no probability" for
            the cross-entropy of grey pixels, which cannot be compared with any other family.
        bits_per_dim: (E_q[−log P(bins | z)] + rate)/(M log 2); None for vectors and families without bins.
        mse: Squared error of the reconstruction mean, per pixel or feature, in the data's units squared.
        psnr: −10 log₁₀ MSE, decibels; None for vectors.
        ssim: Structural similarity of the reconstruction mean; None for vectors.
        coverage_50: Share of values within the central 50% of p(x | z), with z drawn from the guide. At 0.5 the
            likelihood is calibrated, above it is too wide. None for families without quantiles.
        coverage_90: The same for 90%.
        beta: The β of the training.
        beta_norm: β·K/M.
        images: How many images the means are over.
        distortions: The parts of the distortion, by observed site.
        rates: The parts of the rate, by latent site.
        elbo_standard_error: Of the ELBO, an estimate, by the draws of its latents.
        rate_standard_error: Of a rate that is an estimate, likewise; None where it is exact.
        iw_standard_error: Of the importance-weighted bound, likewise; None for fewer than two particles.
    """

    elbo: float
    distortion: float
    rate: float
    kl_per_latent: list[float] | None
    latents: list[str]
    active_units: int | None
    iw_bound: float | None
    particles: int
    nats: str
    bits_per_dim: float | None
    mse: float
    psnr: float | None
    ssim: float | None
    coverage_50: float | None
    coverage_90: float | None
    beta: float
    beta_norm: float
    images: int
    distortions: dict[str, float]
    rates: dict[str, float]
    elbo_standard_error: float
    rate_standard_error: float | None
    iw_standard_error: float | None


def evaluate(
    vae: BetaVAE,
    data: Tensor | Rows,
    *,
    particles: int = 0,
    batch_size: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
) -> Evaluation:
    """Evaluate a model on data, usually the held-out ones, ``dataset.rows(dataset.held_out)``.

    Args:
        vae: The programs; its device is used.
        data: Images or vectors ``(N, *shape)``, uint8 or float, or rows of them with what else the programs take.
        particles: Draws an image for the importance-weighted bound; without any, the bound is not taken.
        batch_size: How many are evaluated at once.
        seed: Seed of the draws of z.
        progress: Called after each batch, and after each draw for the bound.

    Returns:
        The means over the data.
    """
    how: dict[str, Any] = {"batch_size": batch_size, "seed": seed, "progress": progress}
    rows = check_data(vae, data)
    means, average = mean_terms(vae, rows, **how), _averages(vae, rows, **how)
    mse, bins, is_images = average["squares"] or 0.0, average["bins"], len(vae.shape) == 3
    weighted, weighted_error = bound_and_error(vae, rows, particles, **how) if particles else (None, None)
    errors = standard_errors(vae, rows, batch_size=batch_size, seed=seed)
    return Evaluation(
        elbo=means.elbo,
        distortion=means.distortion,
        rate=means.rate,
        kl_per_latent=means.kl_per_latent,
        latents=means.units,
        active_units=active_units(vae, rows, means, batch_size=batch_size),
        iw_bound=weighted,
        particles=particles,
        nats=_nats(vae, rows.images),
        bits_per_dim=None if bins is None or not is_images else (bins + means.rate) / (prod(vae.shape) * log(2)),
        mse=mse,
        psnr=psnr(mse) if is_images else None,
        ssim=average["ssim"],
        coverage_50=average["coverage_50"],
        coverage_90=average["coverage_90"],
        beta=vae.beta_value,
        beta_norm=vae.beta_norm,
        images=len(rows),
        distortions=means.distortions,
        rates=means.rates,
        elbo_standard_error=errors.elbo,
        rate_standard_error=errors.rate,
        iw_standard_error=weighted_error,
    )


def least_information(result: Evaluation, log_likelihood: float | None) -> float | None:
    """H − D, a lower bound on I_rep, the information that the code holds of the data, in nats.

    A negative bound says nothing. The entropy H is estimated by −E log p(x) over the same data as D, so that errors of
    the sample cancel.

    Source: Alemi et al., Fixing a broken ELBO, https://arxiv.org/abs/1711.00464

    Args:
        result: The evaluation, which has the distortion D.
        log_likelihood: Mean of the true log p(x) over the same data, nats; None where it is not known.

    Returns:
        The bound; None where H is not known or the likelihood is no density.
    """
    if log_likelihood is None or result.nats != "density":
        return None
    return -log_likelihood - result.distortion


def _averages(
    vae: BetaVAE, rows: Rows, *, batch_size: int, seed: int, progress: Progress | None
) -> dict[str, float | None]:
    """The means of what `_sums` has of each batch."""
    with evaluation_mode(vae, seed):
        parts = of_batches(
            vae, rows, batch_size, partial(_sums, vae), draws=2, progress=progress, what="errors and coverage"
        )
    sums = {name: _sum([part[name] for part in parts]) for name in parts[0]}
    return {name: None if total is None else total / len(rows) for name, total in sums.items()}


def _sum(values: list[float | None]) -> float | None:
    """None where one of them is."""
    numbers = [value for value in values if value is not None]
    return sum(numbers) if len(numbers) == len(values) else None


def _sums(vae: BetaVAE, original: Tensor, x: Tensor, **given: Tensor) -> dict[str, float | None]:
    """The sums over a batch; None where undefined."""
    of_batch = _of_means(vae, original, x, given) | _of_draws(vae, x, given)
    return {name: None if value is None else value.double().sum().item() for name, value in of_batch.items()}


def _of_means(vae: BetaVAE, original: Tensor, x: Tensor, given: Mapping[str, Tensor]) -> dict[str, Tensor | None]:
    """Squared error and similarity of the reconstruction, the mean of p(x | z) at the posterior's mean, ``(B,)``."""
    mean = image_means(vae, centres(vae, x, **given), **given)
    squares = (mean - original).square().flatten(1).mean(1)
    return {"squares": squares, "ssim": ssim(mean, original) if original.dim() == 4 else None}


def _of_draws(vae: BetaVAE, x: Tensor, given: Mapping[str, Tensor]) -> dict[str, Tensor | None]:
    """Negative log mass of the bins, and coverage, under p(x | z) at a draw of z, ``(B,)``; None where undefined."""
    model, _ = drawn(vae.model, vae.guide, x, given)
    p = per_value(model.nodes["x"]["fn"])
    log_mass = log_bin_mass(p, x) if x.dim() == 4 else None
    numbers = {"bins": None if log_mass is None else -log_mass.flatten(1).sum(1)}
    for share in (0.5, 0.9):
        numbers[f"coverage_{share * 100:.0f}"] = _coverage(p, x, share)
    return numbers


def _coverage(p: Distribution, x: Tensor, share: float) -> Tensor | None:
    """The share of each datum's values that lie in the central interval of p, ``(B,)``."""
    ends = central_interval(p, share)
    if ends is None:
        return None
    return ((x >= ends[0] - ROUNDING) & (x <= ends[1] + ROUNDING)).double().flatten(1).mean(1)


def _nats(vae: BetaVAE, data: Tensor) -> str:
    """What the likelihood's log-probabilities of these data are, a density or a mass."""
    nats = getattr(vae.likelihood, "nats", None)
    if nats is None:
        return "density"
    is_binary = bool(((data == 0) | (data == (255 if data.dtype == torch.uint8 else 1))).all())
    return str(nats(is_binary))
