"""Factors and codes that metrics are tried on."""

from __future__ import annotations

import numpy as np

FEW = {"points": 1500, "test_points": 1000}  # points of the metrics that sample


def grid(*sizes: int) -> np.ndarray:
    """All combinations of factors with so many values, the last one fastest."""
    return np.stack(np.meshgrid(*map(range, sizes), indexing="ij"), axis=-1).reshape(-1, len(sizes))


DSPRITES = grid(3, 6, 40, 32, 32)
SMALL = grid(3, 4, 5, 6)


def drawn(number: int, seed: int = 0) -> np.ndarray:
    """So many points of dSprites' grid."""
    return DSPRITES[np.random.default_rng(seed).permutation(len(DSPRITES))[:number]]


def rotated(factors: np.ndarray) -> np.ndarray:
    """Standardised factors, turned so that every latent mixes all of them."""
    angles = 2 * np.pi * np.outer(range(factors.shape[1]), range(factors.shape[1])) / factors.shape[1]
    hartley = (np.cos(angles) + np.sin(angles)) / np.sqrt(factors.shape[1])  # orthogonal
    return (factors - factors.mean(0)) / factors.std(0) @ hartley


def mixed(factors: np.ndarray) -> np.ndarray:
    """A code that is neither good nor bad, with more latents than factors."""
    random = np.random.default_rng(1)
    z = factors @ random.normal(size=(factors.shape[1], factors.shape[1] + 1))
    return z + 0.3 * random.normal(size=z.shape)
