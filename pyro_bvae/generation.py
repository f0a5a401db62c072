"""Images from the model program: of given latents, of draws from the prior, of encoded data.

The program is conditioned on the latents, ``poutine.condition(model, {"z": z})``. Its site "x" then has the
distribution p(x | z), and the image is the mean of that, or a draw from it.
"""

from __future__ import annotations

from math import prod
from operator import index

import torch
from pyro import poutine
from torch import Tensor

from .codes import explained, posterior_mean
from .model import BetaVAE
from .settings.shown import in_words
from .terms import batches, broken_parameter, check_sites, evaluation_mode

__all__ = ["image_means", "images_of", "reconstruct", "sample"]

MOST_VALUES = 10**9  # of all images that are made at once: 4 GB


def images_of(vae: BetaVAE, z: Tensor, *, draw: bool = False, seed: int = 0, batch_size: int = 1000) -> Tensor:
    """The images of given latents.

    Args:
        vae: The programs; its device is used.
        z: Latents ``(..., K)``.
        draw: Whether to draw from p(x | z) in place of taking its mean.
        seed: Seed of the draws.
        batch_size: How many images are made at once.

    Returns:
        Images ``(..., *shape)``, on the CPU.

    Raises:
        ValueError: They have more values than are kept at once, or the decoder makes no distribution of them.
    """
    rows = z.reshape(-1, z.shape[-1])
    _check_size(vae, len(rows))
    try:
        with evaluation_mode(vae, seed):
            images = [_decode(vae, batch.to(vae.beta), draw).cpu() for batch in rows.split(index(batch_size))]
    except ValueError as error:
        what = broken_parameter(error)
        if what is None:
            raise
        raise ValueError(f"{what}: the latents reach {in_words(rows.abs().max().item(), '.4g')}") from error
    return torch.cat(images).unflatten(0, z.shape[:-1])


def sample(
    vae: BetaVAE, size: int, *, draw: bool = False, seed: int = 0, batch_size: int = 1000
) -> tuple[Tensor, Tensor]:
    """Draws from the prior, and their images.

    Args:
        vae: The programs; its device is used.
        size: How many.
        draw: Whether to draw from p(x | z) too, in place of taking its mean.
        seed: Seed of the draws.
        batch_size: How many images are made at once.

    Returns:
        Latents ``(size, K)`` and images ``(size, *shape)``, on the CPU.

    Raises:
        ValueError: They have more values than are kept at once.
    """
    _check_size(vae, size)
    latents, images = [], []
    with evaluation_mode(vae, seed):
        for start in range(0, size, batch_size):
            trace = poutine.trace(vae.model).get_trace(None, min(batch_size, size - start))
            images.append(_image(trace, draw).cpu())
            latents.append(trace.nodes["z"]["value"].cpu())
    return torch.cat(latents), torch.cat(images)


def reconstruct(
    vae: BetaVAE, data: Tensor, *, draw: bool = False, seed: int = 0, batch_size: int = 1000
) -> tuple[Tensor, Tensor]:
    """Encode data and decode them again.

    Args:
        vae: The programs; its device is used.
        data: Images or vectors ``(N, *shape)``, uint8 or float, on any device.
        draw: Whether to draw z from q(z | x) and x from p(x | z); otherwise both are means.
        seed: Seed of the draws.
        batch_size: How many images are made at once.

    Returns:
        Latents ``(N, K)`` and reconstructions ``(N, *shape)``, on the CPU.
    """
    latents, images = [], []
    with evaluation_mode(vae, seed):
        for _, x, _ in batches(vae, data, batch_size):
            with explained(vae, x):
                z = vae.guide(x) if draw else posterior_mean(vae, x)
                images.append(_decode(vae, z, draw).cpu())
            latents.append(z.cpu())
    return torch.cat(latents), torch.cat(images)


def image_means(vae: BetaVAE, z: Tensor) -> Tensor:
    """Means of p(x | z), ``(B, *shape)``, of latents ``(B, K)``, on their device."""
    return _decode(vae, z, draw=False)


def _decode(vae: BetaVAE, z: Tensor, draw: bool) -> Tensor:
    conditioned = poutine.condition(vae.model, data={"z": z})
    return _image(poutine.trace(conditioned).get_trace(None, len(z)), draw)


def _image(trace: poutine.Trace, draw: bool) -> Tensor:
    check_sites(trace, "model", ("x",))
    site = trace.nodes["x"]
    return site["value"] if draw else site["fn"].mean


def _check_size(vae: BetaVAE, count: int) -> None:
    most = MOST_VALUES // prod(vae.shape)
    if count > most:
        size = "×".join(map(str, vae.shape))
        raise ValueError(f"{count:,} of {size} are more than are kept in memory at once: at most {most:,}")
