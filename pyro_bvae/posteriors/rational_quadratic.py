"""A monotonic function of a number, made of ratios of quadratics between knots.

Between the knots (x_j, y_j) and (x_j+1, y_j+1), with slopes d_j and d_j+1 there, s = Δy/Δx, and θ = (x − x_j)/Δx,

    y = y_j + Δy (s θ² + d_j θ(1 − θ)) / q,    q = s + (d_j + d_j+1 − 2s) θ(1 − θ)
    ∂y/∂x = s² (d_j+1 θ² + 2s θ(1 − θ) + d_j (1 − θ)²) / q²

Outside of the knots it is the identity.

Source: Gregory and Delbourgo, Piecewise rational quadratic interpolation to monotonic data, IMA Journal of Numerical
Analysis 2 (1982); Durkan et al., Neural spline flows, https://arxiv.org/abs/1906.04032
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

__all__ = ["rational_quadratic"]

LEAST = 1e-3  # share of a bin, and slope


def rational_quadratic(
    x: Tensor, widths: Tensor, heights: Tensor, slopes: Tensor, *, bound: float, inverse: bool = False
) -> tuple[Tensor, Tensor]:
    """The function or its inverse, and the logarithm of its slope.

    Args:
        x: Numbers ``(..., K)``.
        widths: Shares of the bins of [−bound, bound] in x, ``(..., K, bins)``, which add up to 1.
        heights: The same in y.
        slopes: At the inner knots, positive, ``(..., K, bins − 1)``; at the ends they are 1.
        bound: The last knot, in x and in y.
        inverse: Whether x is a value of the function, and its argument is asked for.

    Returns:
        Values and log-slopes, ``(..., K)`` each.

    >>> even, ones = torch.full((1, 4), 0.25), torch.ones(1, 3) - LEAST
    >>> y, log_slope = rational_quadratic(torch.tensor([0.3]), even, even, ones, bound=1.0)
    >>> y.allclose(torch.tensor([0.3]), atol=1e-6), log_slope.allclose(torch.zeros(1), atol=1e-6)
    (True, True)
    """
    (left, width), (bottom, height) = _bins(widths, bound), _bins(heights, bound)
    inner = x.clamp(-bound, bound)
    edges = (bottom if inverse else left)[..., 1:]
    bin_of = (inner.unsqueeze(-1) >= edges).sum(-1, keepdim=True)  # (..., K, 1)
    slopes = pad(LEAST + slopes, (1, 1), value=1.0)  # (..., K, bins + 1)
    left, width, bottom, height, before, after = (
        each.gather(-1, bin_of).squeeze(-1) for each in (left, width, bottom, height, slopes[..., :-1], slopes[..., 1:])
    )
    steepness = height / width
    excess = before + after - 2 * steepness
    share = _share(inner - bottom, height, before, steepness, excess) if inverse else (inner - left) / width
    both = share * (1 - share)
    ratio = steepness + excess * both
    rise = after * share.square() + 2 * steepness * both + before * (1 - share).square()
    log_slope = 2 * (steepness / ratio).log() + rise.log()
    value = left + width * share
    if not inverse:
        value = bottom + height * (steepness * share.square() + before * both) / ratio
    is_inside = x.abs() <= bound
    return torch.where(is_inside, value, x), torch.where(is_inside, -log_slope if inverse else log_slope, 0.0)


def _bins(shares: Tensor, bound: float) -> tuple[Tensor, Tensor]:
    """Where bins begin, and how wide they are, from their shares ``(..., bins)``."""
    sizes = 2 * bound * (LEAST + (1 - LEAST * shares.shape[-1]) * shares)
    return pad(sizes.cumsum(-1)[..., :-1], (1, 0)) - bound, sizes


def _share(rise: Tensor, height: Tensor, before: Tensor, steepness: Tensor, excess: Tensor) -> Tensor:
    """θ of a value that lies so far above the beginning of its bin: the root of a quadratic in [0, 1]."""
    a = height * (steepness - before) + rise * excess
    b = height * before - rise * excess
    c = -steepness * rise
    root = (b.square() - 4 * a * c).clamp(min=torch.finfo(b.dtype).tiny).sqrt()
    return (2 * c / (-b - root)).clamp(0, 1)
