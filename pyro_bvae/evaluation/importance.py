"""The importance-weighted bound on log p(x).

    E log (1/S) Σ_s w_s ≤ log p(x),    w_s = p(x, z_s)/q(z_s | x)

which is the ELBO for S = 1 and rises with S; z is all latents, x all that is observed.

Source: Burda et al., Importance weighted autoencoders, https://arxiv.org/abs/1509.00519
"""

from __future__ import annotations

from functools import partial
from math import log, prod

import torch
from torch import Tensor

from ..datasets import Progress, Rows
from ..model import BetaVAE
from ..terms import check_data, evaluation_mode, of_batches, recorded_for_many
from .weights import weights

__all__ = ["bound_and_error", "iw_bound"]


def iw_bound(
    vae: BetaVAE,
    data: Tensor | Rows,
    particles: int,
    *,
    batch_size: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
) -> float:
    """The importance-weighted bound on log p(x), nats, mean over a data set; memory is that of one batch.

    Args:
        vae: The programs.
        data: Images or vectors ``(N, *shape)``, uint8 or float, or rows of them with what else the programs take.
        particles: Draws an image, S.
        batch_size: How many images are evaluated at once.
        seed: Seed of the draws.
        progress: Called after each draw of a batch, with the number of draws for all data.

    Returns:
        E log (1/S) Σ_s p(x, z_s)/q(z_s | x).
    """
    rows = check_data(vae, data)
    return bound_and_error(vae, rows, particles, batch_size=batch_size, seed=seed, progress=progress)[0]


def bound_and_error(
    vae: BetaVAE, rows: Rows, particles: int, *, batch_size: int, seed: int, progress: Progress | None
) -> tuple[float, float | None]:
    """The bound, and its standard error by the draws, from how far two halves of them differ; see `iw_bound`.

    Every other draw belongs to the same half, of S₀ and S₁ draws. √(S₀ S₁)/S times the difference between the
    logarithms of the halves' mean weights has about the standard deviation of the logarithm of the mean weight of all S
    draws. Of one draw there is no error: None.
    """
    done, halves = 0, ((particles + 1) // 2, particles // 2)
    log_weight = recorded_for_many(vae, partial(_log_weight, vae), particles * rows.images.numel())

    def sums(_: Tensor, x: Tensor, **given: Tensor) -> tuple[float, float]:
        nonlocal done
        log_sums = x.new_full((2, len(x)), -torch.inf, dtype=torch.float64)
        for draw in range(particles):
            log_sums[draw % 2] = torch.logaddexp(log_sums[draw % 2], log_weight(x, **given).double())
            done += len(x)
            if progress is not None:
                progress("importance-weighted bound", done, particles * len(rows))
        log_means = log_sums - log_sums.new_tensor(halves).log().unsqueeze(-1)
        total = (log_sums.logsumexp(0) - log(particles)).sum().item()
        return total, (log_means[0] - log_means[1]).square().sum().item() if particles > 1 else 0.0

    with evaluation_mode(vae, seed):
        of_batch = of_batches(vae, rows, batch_size, sums, draws=particles)
    total, squares = (sum(parts) for parts in zip(*of_batch, strict=True))
    error = (prod(halves) * squares) ** 0.5 / particles / len(rows) if particles > 1 else None
    return total / len(rows), error


def _log_weight(vae: BetaVAE, x: Tensor, **given: Tensor) -> Tensor:
    return weights(vae.model, vae.guide, x, **given).log_weight
