"""Convolutions of few channels as matrix products: im2col and col2im.

oneDNN's kernels want their channels in sixteens; at the image end of a network, with one or three, they run at a
fiftieth of the speed of a product. With kernel 4, stride 2 and padding 1, as everywhere in `networks`, the patches that
a kernel sees make a matrix, one a row,

    convolution:             wide rows = im2col(thin) Wᵀ             transposed:      thin = col2im(wide rows W)
    derivative in weights:   wide rowsᵀ im2col(thin)                 in its input:    the other of the two

and col2im adds the patches up where they overlap, which is the adjoint of im2col.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor
from torch.nn.functional import pad

__all__ = ["convolve", "differentiate", "is_thin"]

MOST_CHANNELS = 4  # of the thin side
GEOMETRY = ([2, 2], [1, 1], [1, 1])  # stride, padding, dilation
Product = Callable[[Tensor, Tensor], Tensor]


def is_thin(x: Tensor, weight: Tensor, geometry: Sequence[Any]) -> bool:
    """Whether `convolve` can compute a convolution, and faster: on a CPU, with few channels at one end.

    Args:
        x: Images ``(B, C, H, W)``.
        weight: Kernels, ``(O, C, 4, 4)``, or ``(C, O, 4, 4)`` of a transposed convolution.
        geometry: Stride, padding, dilation, whether it is transposed, output padding, groups.
    """
    *spacing, _, output_padding, groups = geometry
    plain = tuple(map(list, spacing)) == GEOMETRY and list(output_padding) == [0, 0] and groups == 1
    even = x.dim() == 4 and x.shape[2] % 2 == x.shape[3] % 2 == 0
    return x.device.type == "cpu" and plain and even and weight.shape[1] <= MOST_CHANNELS and weight.shape[2:] == (4, 4)


def convolve(x: Tensor, weight: Tensor, transposed: bool, product: Product) -> Tensor:
    """The convolution, or transposed one, of images with kernels, without bias."""
    flat = weight.flatten(1)  # wide channels × patch
    if transposed:
        return _col2im(product(_rows(x), flat), x)
    wide = product(_im2col(x), flat.t())
    return wide.view(len(x), x.shape[2] // 2, x.shape[3] // 2, -1).permute(0, 3, 1, 2)


def differentiate(
    gradient: Tensor, x: Tensor, weight: Tensor, transposed: bool, mask: Sequence[bool], product: Product
) -> tuple[Tensor | None, ...]:
    """The derivatives in images, kernels and bias, those that ``mask`` asks for."""
    thin, wide = (gradient, x) if transposed else (x, gradient)
    by_x = convolve(gradient, weight, not transposed, product) if mask[0] else None
    by_weight = product(_rows(wide).t(), _im2col(thin)).view_as(weight) if mask[1] else None
    return by_x, by_weight, gradient.sum([0, 2, 3]) if mask[2] else None


def _rows(wide: Tensor) -> Tensor:
    """Images as a matrix, a pixel a row."""
    return wide.permute(0, 2, 3, 1).reshape(-1, wide.shape[1])


def _im2col(thin: Tensor) -> Tensor:
    """The patch under the kernel at each position, one a row, ``(B · H/2 · W/2, C · 16)``."""
    seen = pad(thin, (1, 1, 1, 1)).unfold(2, 4, 2).unfold(3, 4, 2)  # (B, C, H/2, W/2, 4, 4)
    return seen.permute(0, 2, 3, 1, 4, 5).reshape(-1, 16 * thin.shape[1])


def _col2im(patches: Tensor, wide: Tensor) -> Tensor:
    """The sum of overlapping patches, ``(B, C, 2H, 2W)``, one patch a pixel of ``wide``."""
    size, _, height, width = wide.shape
    cells = patches.view(size, height, width, -1, 2, 2, 2, 2).permute(
        0, 3, 4, 6, 1, 5, 2, 7
    )  # (B, C, u, v, H, 2, W, 2)
    parts = [pad(cells[:, :, u, v], (0, 0, v, 1 - v, 0, 0, u, 1 - u)) for u in (0, 1) for v in (0, 1)]
    total = parts[0] + parts[1] + parts[2] + parts[3]
    return total.reshape(size, -1, 2 * height + 2, 2 * width + 2)[:, :, 1:-1, 1:-1]
