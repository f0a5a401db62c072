"""Latents to data: images of given latents, of draws from the prior, of encoded data.

Sites of the model stand at values, as under ``poutine.condition(model, {"z": z})``. Its site "x" then has the
distribution p(x | z), and the image is the mean of that, or a draw from it. Latent sites of which nothing is given
follow the model: they are drawn by `sample`, and otherwise stand at their mean, or at their mode.

What is given beside, ``given={"y": 3}``, is the value of a site, which is held, or of an argument of the programs,
which is passed: one value for all data, or one a datum.
"""

from __future__ import annotations

from .given import Given, given_for
from .images import (
    Known,
    as_rows,
    completed,
    freed,
    image_means,
    images_of,
    images_under,
    model_site,
    reconstruct,
    reconstruct_sites,
    reconstructed_site,
    sample,
    sample_sites,
    with_conditions,
)

__all__ = [
    "Given",
    "Known",
    "as_rows",
    "completed",
    "freed",
    "given_for",
    "image_means",
    "images_of",
    "images_under",
    "model_site",
    "reconstruct",
    "reconstruct_sites",
    "reconstructed_site",
    "sample",
    "sample_sites",
    "with_conditions",
]
