"""Vectors of a joint Gaussian with a signal of low rank, whose exact likelihood is known.

    x = √s W u + √(1 − s) ε,   u ~ N(0, I_R),   ε ~ N(0, I_D)

with rows of W (D×R) drawn once and scaled to length 1, so that every feature has variance 1, of which a share s = 0.8
is signal. Then x ~ N(0, C) with C = s W Wᵀ + (1 − s) I.
"""

from __future__ import annotations

from math import e, log, pi

import numpy as np
import torch
from torch import Tensor

from .dataset import Dataset

__all__ = ["entropy", "load", "log_likelihood"]

SEED = 0
MOST_VALUES = 10**9  # which take 8 GB while they are drawn
SIGNAL_SHARE = 0.8  # of the variance of a feature


def load(dim: int = 10, rank: int = 2, points: int = 300_000) -> Dataset:
    """The vectors, the same at every call.

    Args:
        dim: Length of a vector, D.
        rank: Rank of the signal, R.
        points: How many, N.

    Raises:
        ValueError: ``rank`` is larger than ``dim``, or there are more than 10⁹ values in all.
    """
    if rank > dim:
        raise ValueError(f"rank must be at most dim, got rank {rank} of vectors of {dim}")
    if points * dim > MOST_VALUES:
        raise ValueError(f"points times dim must be at most {MOST_VALUES:,}, got {points:,} vectors of {dim:,}")
    random = np.random.default_rng([SEED, dim, rank])
    loadings = random.normal(size=(dim, rank))
    loadings /= np.linalg.norm(loadings, axis=1, keepdims=True)
    signal = random.normal(size=(points, rank)) @ loadings.T
    vectors = np.sqrt(SIGNAL_SHARE) * signal + np.sqrt(1 - SIGNAL_SHARE) * random.normal(size=(points, dim))
    covariance = SIGNAL_SHARE * loadings @ loadings.T + (1 - SIGNAL_SHARE) * np.eye(dim)
    return Dataset(
        "gaussian",
        torch.from_numpy(vectors.astype(np.float32)),
        covariance=torch.from_numpy(covariance),
        source=f"drawn by pyro_bvae, rank {rank}",
    )


def log_likelihood(x: Tensor, covariance: Tensor) -> float:
    """Mean of log N(x; 0, C) over vectors ``(N, D)``, in nats a vector.

    >>> round(log_likelihood(torch.zeros(1, 2), torch.eye(2)), 4)  # −log 2π
    -1.8379
    """
    x, covariance = x.double(), covariance.double()
    root = torch.linalg.cholesky(covariance)
    whitened = torch.linalg.solve_triangular(root, x.T, upper=False)
    log_det = 2 * root.diagonal().log().sum().item()
    return -0.5 * (whitened.square().sum(0).mean().item() + log_det + x.shape[1] * log(2 * pi))


def entropy(covariance: Tensor) -> float:
    """H = ½ log det 2πe C of N(0, C), in nats a vector; like that of any density it can be negative.

    >>> round(entropy(torch.eye(2)), 4)  # 1 + log 2π
    2.8379
    """
    return 0.5 * torch.linalg.slogdet(2 * pi * e * covariance.double()).logabsdet.item()
