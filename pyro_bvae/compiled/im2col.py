"""Convolutions as matrix products: im2col and col2im.

oneDNN's kernels want their channels in sixteens; at the image end of a network, with one or three, they run at a
fiftieth of the speed of a product. The patches that a kernel sees make a matrix, one a row,

    convolution:             wide rows = im2col(image) Wᵀ            transposed:      image = col2im(wide rows W)
    derivative in weights:   wide rowsᵀ im2col(image)                in its input:    the other of the two

and col2im adds the patches up where they overlap, which is the adjoint of im2col. Two kinds of convolution are computed
so: those with few channels on the side of the image, with kernel 4, stride 2 and padding 1 as everywhere in `networks`,
and those whose kernel covers the whole image, where the image itself is the one patch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from math import gcd
from typing import Any

import torch
from torch import Tensor
from torch.library import Library, register_fake
from torch.nn.functional import pad

__all__ = ["Patching", "convolve", "differentiate", "patching"]

MOST_CHANNELS = 4  # on the image's side
HALVING = ([2, 2], [1, 1], [1, 1])  # stride, padding, dilation
MOST_PARTS = 16  # of a sum over rows, which one product would take one after the other
PAIRS = {2: torch.int32, 4: torch.int64}  # two values of so many bytes as one
FOURS = {2: torch.int64, 4: torch.complex128}
Product = Callable[[Tensor, Tensor], Tensor]

_library = Library("pyro_bvae", "FRAGMENT")
_library.define("im2col(Tensor image) -> Tensor")
_library.define("col2im(Tensor patches) -> Tensor")


@dataclass(frozen=True)
class Patching:
    """How images are cut into patches.

    Attributes:
        split: Images ``(B, C, H, W)`` to the patches at all positions, ``(B, h, w, C · kernel)``.
        join: Patches and weight to images, the adjoint of ``split``.
        is_long: Whether there are so many positions that a sum over them is better taken in parts.
    """

    split: Callable[[Tensor], Tensor]
    join: Callable[[Tensor, Tensor], Tensor]
    is_long: bool


def patching(x: Tensor, weight: Tensor, geometry: Sequence[Any]) -> Patching | None:
    """How `convolve` computes a convolution; None if oneDNN is the faster way, or another device has the data.

    Args:
        x: Images ``(B, C, H, W)``.
        weight: Kernels, ``(O, C, h, w)``, or ``(C, O, h, w)`` of a transposed convolution.
        geometry: Stride, padding, dilation, whether it is transposed, output padding, groups.
    """
    _, padding, dilation, transposed, output_padding, groups = geometry
    if x.dim() != 4 or x.device.type != "cpu" or groups != 1 or any(output_padding):
        return None
    if tuple(map(list, geometry[:3])) == HALVING and weight.shape[2:] == (4, 4):
        return HALVED if weight.shape[1] <= MOST_CHANNELS and x.shape[2] % 2 == x.shape[3] % 2 == 0 else None
    covers = x.shape[2:] == ((1, 1) if transposed else weight.shape[2:])
    return WHOLE if covers and not any(padding) and all(step == 1 for step in dilation) else None


def convolve(x: Tensor, weight: Tensor, transposed: bool, way: Patching, multiply: Product) -> Tensor:
    """The convolution, or transposed one, of images with kernels, without bias."""
    return _joined(x, weight, way, multiply) if transposed else _seen(way.split(x), weight, multiply)


def differentiate(
    gradient: Tensor,
    x: Tensor,
    weight: Tensor,
    transposed: bool,
    mask: Sequence[bool],
    way: Patching,
    multiply: Product,
) -> tuple[Tensor | None, Tensor | None]:
    """The derivatives in images and kernels, those that ``mask`` asks for."""
    image, wide = (gradient, x) if transposed else (x, gradient)
    patches = way.split(image)
    by_x = by_weight = None
    if mask[0]:
        by_x = _seen(patches, weight, multiply) if transposed else _joined(gradient, weight, way, multiply)
    if mask[1]:
        parts = gcd(len(x), MOST_PARTS) if way.is_long else 1
        rows = wide.permute(0, 2, 3, 1).reshape(parts, -1, wide.shape[1])
        products = multiply(rows.transpose(1, 2), patches.reshape(parts, -1, weight[0].numel()))
        by_weight = products.sum(0, dtype=torch.float32).view_as(weight)
    return by_x, by_weight


def _seen(patches: Tensor, weight: Tensor, multiply: Product) -> Tensor:
    """What kernels see in patches, ``(B, O, h, w)``."""
    return multiply(patches.flatten(0, 2), weight.flatten(1).t()).view(*patches.shape[:3], -1).permute(0, 3, 1, 2)


def _joined(wide: Tensor, weight: Tensor, way: Patching, multiply: Product) -> Tensor:
    """The images that kernels make of the wide side, each pixel a patch."""
    rows = wide.permute(0, 2, 3, 1)
    return way.join(multiply(rows.flatten(0, 2), weight.flatten(1)).view(*rows.shape[:3], -1), weight)


def im2col(image: Tensor) -> Tensor:
    """The patches of 4 × 4 at every second position of a padded image, ``(B, H/2, W/2, C · 16)``.

    Four values of a row lie side by side in the image and in the patch, and are copied as one word.
    """
    fours = pad(image, (1, 1, 1, 1)).unfold(3, 4, 2).contiguous()  # (B, C, H + 2, W/2, 4)
    words = fours.view(FOURS[image.element_size()]).squeeze(-1).unfold(2, 4, 2)  # (B, C, H/2, W/2, 4)
    return words.permute(0, 2, 3, 1, 4).contiguous().view(image.dtype).flatten(3)


def col2im(patches: Tensor) -> Tensor:
    """The sum of overlapping patches ``(B, h, w, C · 16)``, ``(B, C, 2h, 2w)``, in float32.

    A kernel is four quarters of 2 × 2, each of which makes an image without overlaps, one row or column further on.
    """
    size, height, width, _ = patches.shape
    pairs = patches.view(PAIRS[patches.element_size()]).view(size, height, width, -1, 2, 2, 2)
    quarters = pairs.permute(4, 6, 0, 3, 1, 5, 2).contiguous().view(patches.dtype)  # (down, right, B, C, h, 2, 2w)
    total = patches.new_zeros(size, pairs.shape[3], height + 1, 2, 2 * width + 2, dtype=torch.float32)
    for down, right in product((0, 1), (0, 1)):
        total[:, :, down : down + height, :, 2 * right : 2 * (right + width)] += quarters[down, right]
    return total.view(size, -1, 2 * height + 2, 2 * width + 2)[:, :, 1:-1, 1:-1].contiguous()


_library.impl("im2col", im2col, "CPU")
_library.impl("col2im", col2im, "CPU")


@register_fake("pyro_bvae::im2col")  # type: ignore[untyped-decorator]
def _shape_of_patches(image: Tensor) -> Tensor:
    size, channels, height, width = image.shape
    return image.new_empty(size, height // 2, width // 2, 16 * channels)


@register_fake("pyro_bvae::col2im")  # type: ignore[untyped-decorator]
def _shape_of_images(patches: Tensor) -> Tensor:
    size, height, width, values = patches.shape
    return patches.new_empty(size, values // 16, 2 * height, 2 * width, dtype=torch.float32)


HALVED = Patching(
    torch.ops.pyro_bvae.im2col, lambda patches, _: torch.ops.pyro_bvae.col2im(patches.contiguous()), is_long=True
)
WHOLE = Patching(
    lambda image: image.flatten(1)[:, None, None],
    lambda patches, weight: patches.reshape(len(patches), *weight.shape[1:]),
    is_long=False,
)
