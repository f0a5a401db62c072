"""What a model is worth on data it has not seen: the terms of the ELBO at β 1, whatever β it was trained with."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .codes import posterior_mean
from .generation import image_means
from .model import BetaVAE
from .terms import at_rest, batches, mean_terms

__all__ = ["Evaluation", "evaluate"]


@dataclass(frozen=True)
class Evaluation:
    """Means over images; information in nats an image.

    Attributes:
        elbo: −(distortion + rate).
        distortion: −E_q log p(x | z).
        rate: KL(q(z | x) ‖ p(z)).
        kl_per_latent: The rate's K parts; None where prior or guide does not factorise.
        active_units: Latents with a mean KL above 0.01 nats; None likewise.
        mse: Squared error of the reconstruction mean, per pixel or feature, in the data's units squared.
        beta: The β of the training.
        beta_norm: β·K/M.
        images: How many images the means are over.
    """

    elbo: float
    distortion: float
    rate: float
    kl_per_latent: list[float] | None
    active_units: int | None
    mse: float
    beta: float
    beta_norm: float
    images: int


def evaluate(vae: BetaVAE, data: Tensor, *, batch_size: int = 1000, seed: int = 0) -> Evaluation:
    """Evaluate a model on data, held-out ones as a rule: ``dataset.images[dataset.held_out]``.

    Args:
        vae: The programs; its device is used.
        data: Images or vectors ``(N, *shape)``, uint8 or float.
        batch_size: How many are evaluated at once.
        seed: Seed of the one draw of z an image.

    Returns:
        The means over the data.
    """
    means = mean_terms(vae, data, batch_size=batch_size, seed=seed)
    squared_error = 0.0
    with at_rest(vae, seed):
        for original, x in batches(vae, data, batch_size):
            mean = image_means(vae, posterior_mean(vae, x))
            squared_error += (mean - original).double().square().sum().item()
    return Evaluation(
        elbo=means.elbo,
        distortion=means.distortion,
        rate=means.rate,
        kl_per_latent=means.kl_per_latent,
        active_units=means.active_units,
        mse=squared_error / data.numel(),
        beta=vae.beta_value,
        beta_norm=vae.beta_norm,
        images=len(data),
    )
