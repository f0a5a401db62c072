"""Convolutions on a GPU: channels innermost from end to end, and products where there are few of them.

cuDNN's fast kernels want the channels of images and kernels innermost, and copies others before and after. So what is
recorded are operations on images ``(B, H, W, C)`` and kernels ``(O, h, w, C)``, whose results are in this order too.
With one channel, both orders look the same to cuDNN; which one its result would have, a compiler cannot foresee.

At the image end of a network, with one or three channels, cuDNN's kernels are slow. With kernel 4, stride 2 and padding
1, as everywhere in `networks`, the patches that a kernel sees make a matrix there, one a row:

    convolution:             wide rows = im2col(thin) Wᵀ             transposed:      thin = col2im(wide rows W)
    derivative in weights:   wide rowsᵀ im2col(thin)                 in its input:    the other of the two
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.library import Library, register_fake
from torch.nn.functional import pad

__all__ = ["convolve", "differentiate", "is_for_cudnn"]

MOST_CHANNELS = 4  # of the thin side
GEOMETRY = ([2, 2], [1, 1], [1, 1], [0, 0])  # stride, padding, dilation, output padding
HOW = "int[] stride, int[] padding, int[] dilation, bool transposed, int[] output_padding, int groups"
aten = torch.ops.aten

_library = Library("pyro_bvae", "FRAGMENT")
_library.define(f"convolution(Tensor x, Tensor weight, {HOW}) -> Tensor")
_library.define(
    f"convolution_backward(Tensor gradient, Tensor x, Tensor weight, {HOW}, bool[] mask) -> (Tensor, Tensor)"
)


def is_for_cudnn(x: Tensor) -> bool:
    """Whether these images are convolved here."""
    return x.device.type == "cuda" and x.dim() == 4


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, how: Sequence[Any], lowers: bool) -> Tensor:
    """The convolution, or transposed one, of images with kernels.

    Args:
        x: Images ``(B, C, H, W)``.
        weight: Kernels, ``(O, C, h, w)``, or ``(C, O, h, w)`` of a transposed convolution.
        bias: Of each channel, ``(O,)``.
        how: Stride, padding, dilation, whether it is transposed, output padding, groups.
        lowers: Whether operands are rounded to bfloat16.
    """
    x, weight = _rounded(lowers, x, weight)
    if not _is_thin(x, weight, how):
        new = _first(torch.ops.pyro_bvae.convolution(_last(x), _last(weight), *how))
    elif how[3]:
        new = _col2im((_last(x).flatten(0, 2) @ weight.flatten(1)).float(), x)
    else:
        new = _first((_im2col(x) @ weight.flatten(1).t()).unflatten(0, (len(x), x.shape[2] // 2, x.shape[3] // 2)))
    return new.float() if bias is None else new.float() + bias.view(-1, 1, 1)


def differentiate(
    gradient: Tensor, x: Tensor, weight: Tensor, how: Sequence[Any], mask: Sequence[bool], lowers: bool
) -> tuple[Tensor | None, ...]:
    """The derivatives in images, kernels and bias, those that ``mask`` asks for."""
    of_bias = gradient.sum([0, 2, 3]) if mask[2] else None
    if _is_thin(x, weight, how):
        turned = [*how[:3], not how[3], *how[4:]]
        by_x = convolve(gradient, weight, None, turned, lowers) if mask[0] else None
        thin, wide = _rounded(lowers, *((gradient, x) if how[3] else (x, gradient)))
        rows, patches = _last(wide).flatten(1, 2), _im2col(thin).unflatten(0, (len(x), -1))  # (B, h · w, ...)
        by_weight = (rows.transpose(1, 2) @ patches).float().sum(0).view_as(weight) if mask[1] else None
        return by_x, by_weight, of_bias
    operands = map(_last, _rounded(lowers, gradient, x, weight))
    parts = torch.ops.pyro_bvae.convolution_backward(*operands, *how, mask[:2])
    return *[_first(part).float() if wanted else None for part, wanted in zip(parts, mask[:2], strict=True)], of_bias


def _convolution(x: Tensor, weight: Tensor, *how: Any) -> Tensor:
    return _last(aten.convolution(_first(x), _first(weight), None, *how))


def _convolution_backward(gradient: Tensor, x: Tensor, weight: Tensor, *how: Any) -> tuple[Tensor, Tensor]:
    *geometry, mask = how
    operands = map(_first, (gradient, x, weight))
    parts = aten.convolution_backward(*operands, None, *geometry, [*mask, False])[:2]
    return tuple(x.new_empty(0) if part is None else _last(part) for part in parts)  # type: ignore[return-value]


_library.impl("convolution", _convolution, "CompositeExplicitAutograd")
_library.impl("convolution_backward", _convolution_backward, "CompositeExplicitAutograd")


@register_fake("pyro_bvae::convolution")  # type: ignore[untyped-decorator]
def _shape_of_images(x: Tensor, weight: Tensor, *how: Any) -> Tensor:
    return x.new_empty(_last(aten.convolution(_first(x), _first(weight), None, *how)).shape)


@register_fake("pyro_bvae::convolution_backward")  # type: ignore[untyped-decorator]
def _shapes_of_derivatives(_: Tensor, x: Tensor, weight: Tensor, *how: Any) -> tuple[Tensor, Tensor]:
    of_x, of_weight = how[-1]
    return x.new_empty(x.shape if of_x else 0), weight.new_empty(weight.shape if of_weight else 0)


def _last(images: Tensor) -> Tensor:
    """Channels last, ``(B, H, W, C)``, without gaps."""
    return images.permute(0, 2, 3, 1).contiguous()


def _first(images: Tensor) -> Tensor:
    """The same with channels first in the shape, and innermost in memory as before."""
    return images.permute(0, 3, 1, 2)


def _rounded(lowers: bool, *operands: Tensor) -> tuple[Tensor, ...]:
    return tuple(operand.bfloat16() for operand in operands) if lowers else operands


def _is_thin(x: Tensor, weight: Tensor, how: Sequence[Any]) -> bool:
    spacing = tuple(list(each) for each in (*how[:3], how[4]))
    fits = how[5] == 1 and weight.shape[2:] == (4, 4) and (how[3] or x.shape[2] % 2 == x.shape[3] % 2 == 0)
    return spacing == GEOMETRY and fits and weight.shape[1] <= MOST_CHANNELS


def _im2col(thin: Tensor) -> Tensor:
    """The patch under the kernel at each position, one a row, ``(B · H/2 · W/2, C · 16)``."""
    seen = pad(thin, (1, 1, 1, 1)).unfold(2, 4, 2).unfold(3, 4, 2)  # (B, C, H/2, W/2, 4, 4)
    return seen.permute(0, 2, 3, 1, 4, 5).reshape(-1, 16 * thin.shape[1])


def _col2im(patches: Tensor, wide: Tensor) -> Tensor:
    """The sum of overlapping patches, ``(B, C, 2H, 2W)``, one patch a pixel of ``wide``."""
    size, _, height, width = wide.shape
    cells = patches.view(size, height, width, -1, 2, 2, 2, 2)
    cells = cells.permute(0, 3, 4, 6, 1, 5, 2, 7)  # (B, C, u, v, H, 2, W, 2)
    parts = [pad(cells[:, :, u, v], (0, 0, v, 1 - v, 0, 0, u, 1 - u)) for u in (0, 1) for v in (0, 1)]
    total = parts[0] + parts[1] + parts[2] + parts[3]
    return total.reshape(size, -1, 2 * height + 2, 2 * width + 2)[:, :, 1:-1, 1:-1]
