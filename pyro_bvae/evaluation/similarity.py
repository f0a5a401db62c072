"""Measures of how similar two pictures are."""

from __future__ import annotations

from math import log10

import torch
from torch import Tensor
from torch.nn.functional import conv2d

__all__ = ["psnr", "ssim"]

LEAST_MSE = 1e-12  # 120 decibels, for pictures that are equal


def psnr(mse: float) -> float:
    """Peak signal-to-noise ratio in decibels, −10 log₁₀ MSE, of pixels in [0, 1].

    >>> psnr(0.01)
    20.0
    """
    return -10 * log10(max(mse, LEAST_MSE))


def ssim(one: Tensor, other: Tensor, window: int = 11, spread: float = 1.5) -> Tensor:
    """Mean structural similarity of pictures with pixels in [0, 1], over channels and all whole Gaussian windows.

    (2 m₁m₂ + c₁)(2 s₁₂ + c₂) / (m₁² + m₂² + c₁)(s₁² + s₂² + c₂), c₁ = 0.01², c₂ = 0.03².

    Source: Wang et al., Image quality assessment, https://doi.org/10.1109/TIP.2003.819861

    Args:
        one: Pictures ``(B, C, H, W)``.
        other: Pictures of the same shape.
        window: Side of the window; cut to the largest odd side that fits.
        spread: Standard deviation of the window in pixels.

    Returns:
        One number a picture, ``(B,)``, 1 for equal ones.
    """
    side = min(window, *one.shape[2:])
    side -= 1 - side % 2
    places = torch.arange(side, dtype=one.dtype, device=one.device) - side // 2
    bell = torch.exp(-places.square() / (2 * spread**2))
    kernel = torch.outer(bell, bell)[None, None] / bell.sum() ** 2

    def local_mean(x: Tensor) -> Tensor:
        return conv2d(x.flatten(0, 1)[:, None], kernel).unflatten(0, one.shape[:2])

    m1, m2 = local_mean(one), local_mean(other)
    s1, s2 = local_mean(one.square()) - m1.square(), local_mean(other.square()) - m2.square()
    s12 = local_mean(one * other) - m1 * m2
    similarity = (2 * m1 * m2 + 1e-4) * (2 * s12 + 9e-4) / ((m1.square() + m2.square() + 1e-4) * (s1 + s2 + 9e-4))
    return similarity.mean((1, 2, 3, 4)) if similarity.dim() == 5 else similarity.flatten(1).mean(1)
