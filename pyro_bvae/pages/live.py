"""The sliders of a report: what its page has to know of each run, within a limit for the weights.

Decoders and encoders travel in the page as long as their weights are below the limit, all runs together. Beyond it the
encoders are left out first, then the decoders, in whose place come sweeps of single latents that are decoded
beforehand, as for networks that a page cannot run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor

from ..datasets import Progress, pixels
from ..generation import images_of
from ..plots.bounds import most_active
from ..traversal import sweep
from .experiment import at_prior
from .measured import Measured
from .packing import UnpackableError, base64_of, pack_encoder
from .views import Shown, site_of_sliders, view_of

__all__ = ["Live", "live"]

MOST_POINTS, MOST_BYTES = 2000, 2_000_000  # held-out data in a page, and what they may take
MOST_SWEPT = 4_000_000  # bytes of the sweeps of a run
VALUES = 11  # of a sweep
MOST_PRODUCTS = 150e6  # of weights, in a decoder that a report runs itself: 150 ms or so for a picture


@dataclass(frozen=True)
class Live:
    """What the page knows of a run.

    Attributes:
        view: See `views.view_of`.
        note: What of the networks is not in the page, and why; "" where all is.
    """

    view: dict[str, Any]
    note: str

    @property
    def names(self) -> dict[int, str]:
        """What the user calls latents."""
        return {int(latent): name for latent, name in self.view["names"].items()}

    @property
    def follows(self) -> Sequence[str]:
        """The factor that each latent follows; empty where that is not known."""
        return self.view["follows"] or []


def live(runs: Sequence[Measured], limit: float, progress: Progress | None = None) -> list[Live]:
    """The views of the runs of a report.

    Args:
        runs: The runs.
        limit: Of all their weights, bytes.
        progress: Called while data are encoded.
    """
    views = [_view(one, progress) for one in runs]
    encoders = [_encoder(one) for one in runs]
    decoding = sum(_size(view["decoder"]) for view in views)
    has_encoders = decoding + sum(_size(encoder) for encoder, _ in encoders) <= limit
    lives = []
    for one, view, (encoder, reason) in zip(runs, views, encoders, strict=True):
        notes = []
        if view["decoder"] is not None and decoding > limit:
            view["decoder_note"] = f"the weights of the report would be more than {_megabytes(limit)}"
            view["decoder"] = None
        if view["decoder"] is None:
            view["sweeps"] = _sweeps(one)
            notes.append(
                f"The decoder is not in this page ({view['decoder_note']}): the sliders show pictures that were "
                "decoded beforehand, the nearest of those."
            )
        view["encoder"] = encoder if has_encoders and decoding <= limit else None
        if view["encoder"] is None:
            reason = reason or f"the weights of the report would be more than {_megabytes(limit)}"
            notes.append(f"The encoder is not in this page ({reason}): no picture of one's own can be encoded.")
        lives.append(Live(view, " ".join(notes)))
    return _with_images_once(lives)


def _view(one: Measured, progress: Progress | None) -> dict[str, Any]:
    vae, run, held_out = one.run.model, one.run, one.held_out
    subject = Shown(vae, run, one.data, one.missing or None, one.kl, *site_of_sliders(vae, one.data))
    size = prod(vae.shape) * (1 if one.is_images else 4)
    points = max(1, min(MOST_POINTS, MOST_BYTES // size))
    view = view_of(subject, points=points, most_products=MOST_PRODUCTS, progress=progress)
    names = {str(latent): name for latent, name in run.latent_names.items() if latent < view["K"]}
    view |= {"title": one.title, "path": one.typed, "dataset": one.dataset, "names": names}
    if held_out is None:
        return view
    some = pixels(held_out[view["codes"]["index"]])
    return view | _numbers(some, one.is_images, "images", "images_dtype")


def _numbers(values: Tensor, is_images: bool, name: str, kind: str) -> dict[str, Any]:
    """Data as base64: pixels as bytes, and features as floats."""
    if not is_images:
        return {name: base64_of(values), kind: "float32"}
    return {name: base64_of((255 * values.clamp(0, 1)).round(), "u1"), kind: "uint8"}


def _encoder(one: Measured) -> tuple[dict[str, Any] | None, str]:
    """The encoder for the page to run; or None, and why not."""
    try:
        return pack_encoder(one.run.model), ""
    except UnpackableError as error:
        return None, str(error)


def _size(packed: dict[str, Any] | None) -> int:
    return 0 if packed is None else int(packed["bytes"])


def _megabytes(limit: float) -> str:
    return f"{limit / 1e6:g} MB"


def _sweeps(one: Measured) -> dict[str, Any]:
    """Sweeps of the most active latents around the prior's mean, as many as there is room for."""
    vae, start = one.run.model, at_prior(one)
    each = VALUES * prod(vae.shape) * (1 if one.is_images else 4)
    most = max(1, min(start.codes.shape[-1], MOST_SWEPT // each))
    latents = list(range(most)) if one.kl is None else most_active(one.kl, most)
    values, given = torch.linspace(-3, 3, VALUES), start.kept(vae).repeated(most * VALUES)
    means = images_of(vae, sweep(start.codes, latents, values)[0], site=one.site, given=given)
    pictures = _numbers(means, one.is_images, "pictures", "dtype")
    return {"start": start.codes[0].tolist(), "latents": latents, "values": values.tolist(), **pictures}


def _with_images_once(lives: Sequence[Live]) -> list[Live]:
    """The same, with the data in the first view that has them, and the number of that one in the others."""
    first: dict[str, int] = {}
    for number, one in enumerate(lives):
        images = one.view["images"]
        if images is not None and first.setdefault(images, number) != number:
            one.view.update(images=None, images_of=first[images])
    return list(lives)
