"""The largest β at which one more latent would lower the loss, λ.

Let the decoder give each value a mean m(z) and a variance v(z), in a family with one natural parameter a value (a
Gaussian of one scale, Bernoulli, continuous Bernoulli), and let r = x − m be the residual. Add a latent that moves the
natural parameters along a small vector w, with the posterior N(a wᵀr, s²). It adds to the loss

    −a c + ½ (a² c + s²) f + ½ β (a² c + s² − 1 − log s²),    c = wᵀ cov(r) w,  f = wᵀ F w,  F = E diag v.

The minimum of that, at a = 1/(β + f) and s² = β/(β + f), is −(c − βf)/2β + O(w⁴). So the latent lowers the loss if β is
below λ, the largest eigenvalue of F^(−½) cov(r) F^(−½). A linear Gaussian decoder then gives it f = λ − β, and so
½ log(λ/β) nats.

Where the code holds nothing, r is x less its mean, and the collapsed state is a minimum once β ≥ λ. For a Gaussian of
scale σ that is to say that βσ² is at least the largest eigenvalue of the data's covariance (probabilistic PCA, with
noise βσ²). A decoder that is not linear may have a lower minimum elsewhere.

Source: Lucas et al., Don't blame the ELBO, https://arxiv.org/abs/1911.02469, for Gaussians at β 1
"""

from __future__ import annotations

import torch
from pyro import poutine
from torch import Tensor
from torch.distributions import Bernoulli, Normal
from torch.nn.functional import normalize

from ..codes import posterior_mean
from ..datasets.dataset import random_subset
from ..likelihoods.continuous_bernoulli import ContinuousBernoulli
from ..likelihoods.standardised import Rescaled
from ..model import BetaVAE
from ..runs.config import weighs_rate
from ..runs.run import Run
from ..terms import batches, evaluation_mode, per_value

__all__ = ["largest_paying_beta"]

DATA_A_SPLIT = 1000  # at most, of the training and of the held-out data
POWER_ITERATIONS = 50


def largest_paying_beta(run: Run) -> float | None:
    """The largest β at which one more latent would lower the loss: λ of this module's docstring.

    The eigenvector is that of training data, and λ is the variance of held-out data along it: an eigenvalue of few data
    in many dimensions would be too large.

    Args:
        run: As `fit` returns it, or `load_run`.

    Returns:
        λ; None where the likelihood has more than one natural parameter a value, the objective is not the β-VAE's, the
        programs have more than one latent site, or the data cannot be loaded any more.
    """
    if not weighs_rate(run.config) or "latents" in run.config:
        return None
    try:
        data = run.dataset()
    except (OSError, ValueError):
        return None
    chosen = (index[random_subset(len(index), DATA_A_SPLIT)] for index in (data.train, data.held_out))
    train, held_out = (_scaled_residuals(run.model, data.images[index]) for index in chosen)
    if train is None or held_out is None:
        return None
    center = train.mean(0)
    direction = _principal_direction(train - center)
    return ((held_out - center) @ direction).square().mean().item()


def _principal_direction(rows: Tensor) -> Tensor:
    """The direction in which rows ``(N, M)`` vary most, ``(M,)``, by power iteration."""
    direction = rows[rows.square().sum(1).argmax()]
    for _ in range(POWER_ITERATIONS):
        direction = normalize(rows.T @ (rows @ direction), dim=0)
    return direction


def _scaled_residuals(vae: BetaVAE, data: Tensor) -> Tensor | None:
    """F^(−½) (x − m) at the posterior's mean, ``(N, M)``; None where the family has more parameters a value."""
    with evaluation_mode(vae, seed=0):
        _, x, _ = next(batches(vae, data, len(data)))
        model = poutine.trace(poutine.condition(vae.model, {"z": posterior_mean(vae, x)})).get_trace(x)
        p = per_value(model.nodes["x"]["fn"])
        has_one_parameter = getattr(vae.likelihood, "outputs_per_value", None) == 1
        family = p.base_dist if isinstance(p, Rescaled) else p  # F^(−½) (x − m) is the same in all units
        if not (has_one_parameter and isinstance(family, Normal | Bernoulli | ContinuousBernoulli)):
            return None
        variance = p.variance.mean(0)
        return ((x - p.mean) / variance.clamp(min=torch.finfo(variance.dtype).tiny).sqrt()).flatten(1)
