"""The 1,797 handwritten digits that scikit-learn carries, 8×8 with 17 grey levels, enlarged bicubically.

Source: Alpaydin and Kaynak, Optical recognition of handwritten digits, https://doi.org/10.24432/C50P49
"""

from __future__ import annotations

import torch
from torch.nn.functional import interpolate

from .dataset import Dataset

__all__ = ["load"]


def load(image_size: int = 28) -> Dataset:
    """The digits as uint8 images of one channel.

    Args:
        image_size: Side in pixels; the originals have 8.
    """
    from sklearn.datasets import load_digits  # here, since its import takes a second

    bunch = load_digits()
    grey = torch.tensor(bunch.images, dtype=torch.float32)[:, None] / 16  # (N, 1, 8, 8)
    if image_size != 8:
        grey = interpolate(grey, size=(image_size, image_size), mode="bicubic", align_corners=False, antialias=True)
    images = (grey.clamp(0, 1) * 255).round().to(torch.uint8)
    note = "scikit-learn" if image_size == 8 else f"scikit-learn, enlarged from 8×8 to {image_size}×{image_size}"
    return Dataset("digits", images, labels=torch.tensor(bunch.target), source=note)
