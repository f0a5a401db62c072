"""Sweep one latent, keep the others, and look.

For a base code z, a latent k and values v_1 ... v_V, the codes of a row are z with z_k replaced by each value. Their
images come from the model program, conditioned on the code. In a disentangled code each latent changes one thing in the
picture and leaves the rest alone. Other latent sites of the program stay where the base has them, unless they depend on
the one that is swept: these follow the model.

Source: Higgins et al., https://openreview.net/forum?id=Sy2fzU9gl, figures 1 to 4
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from operator import index
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..codes import class_values, is_plain
from ..codes import latents as latents_of
from ..generation import Known, given_for, images_of, model_site
from ..likelihoods import Standardised
from ..model import BetaVAE
from .bases import Base

__all__ = ["Traversal", "sweep", "traverse"]


@dataclass(frozen=True)
class Traversal:
    """The result of a sweep.

    Attributes:
        codes: ``(N, L, V, K)``: for each base, row and column the code that was decoded.
        images: ``(N, L, V, *shape)``.
        latents: The latent of each row, ``(L,)``.
        values: The value of each column, ``(V,)``.
        kl: Mean KL in nats of the latent of each row, ``(L,)``; None where it is not known.
        base: The codes that the sweep started from, and the data that they encode.
        reconstructions: The images of the base codes, ``(N, *shape)``.
        units: Mean and deviation of each value, where the likelihood is `Standardised`; None where it is not.
        names: What the user calls the latent of each row, L names, "" for none; None where no latent has a name.
    """

    codes: Tensor
    images: Tensor
    latents: list[int]
    values: Tensor
    kl: list[float] | None
    base: Base
    reconstructions: Tensor
    units: tuple[Tensor, Tensor] | None = None
    names: list[str] | None = None

    def unit(self, row: int) -> str:
        """What the latent of a row is called: by its number, or after a site that is not called "z"."""
        site, latent = self.base.site, self.latents[row]
        if site == "z":
            return f"z{latent}"
        return site if self.base.codes.shape[-1] == 1 else f"{site}[{latent}]"

    def arrays(self) -> dict[str, Any]:
        """All of it by name, as the npz of the command line has it; `from_arrays` reads them."""
        named: dict[str, Any] = {
            "codes": self.codes,
            "images": self.images,
            "latents": self.latents,
            "values": self.values,
            "kl": [nan] * len(self.latents) if self.kl is None else self.kl,
            "start": self.base.codes,
            "reconstructions": self.reconstructions,
            "x": self.base.originals,
            "index": self.base.index,
            "units": None if self.units is None else torch.stack(self.units),
            "names": self.names,
            "site": None if self.base.site == "z" else self.base.site,
        }
        return {name: array for name, array in named.items() if array is not None}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> Traversal:
        """A traversal as `arrays` gave it, for example to draw it again.

            plots.traversal(Traversal.from_arrays(np.load("traversal.npz"))).savefig("traversal.pdf")

        Args:
            arrays: By name; an npz will do.

        Raises:
            ValueError: One is missing, as in a file of an older version.
        """
        wanted = ("codes", "images", "latents", "values", "kl", "start", "reconstructions")
        lacking = [name for name in wanted if name not in arrays]
        if lacking:
            raise ValueError(f"these are not the arrays of a whole traversal: {', '.join(lacking)} are missing")
        named = {name: np.asarray(arrays[name]) for name in (*wanted, "x", "index", "units") if name in arrays}
        tensors = {name: torch.from_numpy(array) for name, array in named.items()}
        kl = tensors["kl"]
        return cls(
            codes=tensors["codes"],
            images=tensors["images"],
            latents=tensors["latents"].tolist(),
            values=tensors["values"],
            kl=None if kl.isnan().any() else kl.tolist(),
            base=Base(tensors["start"], tensors.get("x"), tensors.get("index"), str(arrays.get("site", "z"))),
            reconstructions=tensors["reconstructions"],
            units=(tensors["units"][0], tensors["units"][1]) if "units" in tensors else None,
            names=[str(name) for name in arrays["names"]] if "names" in arrays else None,
        )


def sweep(codes: Tensor, latents: Sequence[int], values: Tensor) -> Tensor:
    """Each code with each latent replaced by each value; the codes themselves are left alone.

    Args:
        codes: Base codes ``(N, K)``.
        latents: Which latents to sweep, L of them.
        values: The values ``(V,)``.

    Returns:
        Codes ``(N, L, V, K)``.

    >>> sweep(torch.tensor([[5.0, 6.0]]), latents=[1], values=torch.tensor([-2.0, 2.0]))
    tensor([[[[ 5., -2.],
              [ 5.,  2.]]]])
    """
    swept = codes[:, None, None, :].repeat(1, len(latents), len(values), 1)
    for row, latent in enumerate(latents):
        swept[:, row, :, latent] = values.to(codes)
    return swept


def traverse(
    vae: BetaVAE,
    start: Base | Tensor,
    *,
    site: str | None = None,
    given: Known = None,
    latents: Sequence[int] | None = None,
    low: float = -2.0,
    high: float = 2.0,
    columns: int = 11,
    kl: Sequence[float] | None = None,
    draw: bool = False,
    seed: int = 0,
    names: Mapping[int, str] | None = None,
) -> Traversal:
    """Decode sweeps of single latents around base codes.

    Args:
        vae: The programs; its device is used.
        start: Base codes, from `base` or of your own ``(N, K)``.
        site: The latent site of codes of your own, see `codes.code_site`; a `Base` knows its own.
        given: Likewise where other sites stand, and what else the programs take, by name.
        latents: Which latents, in the order of the rows; by default all of them, by falling KL where it is known.
        low: The first value, in prior standard deviations of a standard normal prior.
        high: The last value, included.
        columns: How many values.
        kl: Mean KL of every latent, K values in nats, by which the rows are sorted and which stand beside them.
        draw: Whether to draw from p(x | z) in place of taking its mean.
        seed: Seed of those draws.
        names: What latents are called, by their numbers, for the rows: see `Run.latent_names`.

    Returns:
        Codes and images of every base, row and column.

    Raises:
        ValueError: A latent that does not exist, fewer than one column, or codes that do not fit.
    """
    start = start if isinstance(start, Base) else _of_codes(vae, start, site, given)
    dim = _dim(vae, start)
    if columns < 1:
        raise ValueError(f"columns must be at least 1, got {columns}")
    latents = _rows(latents, kl, dim)
    if not (isfinite(low) and isfinite(high)):
        raise ValueError(f"the range must be finite, got {low} to {high}")
    values = np.linspace(float(low), float(high), columns, dtype=np.float32)  # torch's own misses 0 by 3e-8
    codes = sweep(start.codes, latents, torch.from_numpy(values))
    kept, each = start.kept(vae), len(latents) * columns
    options: dict[str, Any] = {"site": start.site, "draw": draw, "seed": seed}
    return Traversal(
        codes=codes,
        images=images_of(vae, codes, given=kept.repeated(each), **options),
        latents=latents,
        values=torch.from_numpy(values),
        kl=None if kl is None else [kl[latent] for latent in latents],
        base=start,
        reconstructions=images_of(vae, start.codes, given=kept, **options),
        units=_units(vae),
        names=[names.get(latent, "") for latent in latents] if names else None,
    )


def _of_codes(vae: BetaVAE, codes: Tensor, site: str | None, given: Known) -> Base:
    known = given_for(vae, given, len(codes))
    codes = codes if codes.is_floating_point() else codes.to(vae.beta.dtype)
    return Base(codes, None, site=model_site(vae, site, known), given=known)


def _dim(vae: BetaVAE, start: Base) -> int:
    """The number of latents of the site that is swept.

    Raises:
        ValueError: It draws classes, or the codes are of another number.
    """
    dim, site = vae.latent_dim, start.site
    if not is_plain(vae):
        q = latents_of(vae, **start.given[:1].arguments)[site]
        if class_values(q) is not None:
            raise ValueError(f"the site {site!r} draws classes, which are no values to sweep: see `sweep_classes`")
        dim = q.event_shape.numel()
    if start.codes.dim() != 2 or start.codes.shape[1] != dim:
        raise ValueError(f"codes must have {dim} latents each, shape (B, {dim}), got shape {tuple(start.codes.shape)}")
    return dim


def _rows(latents: Sequence[int] | None, kl: Sequence[float] | None, dim: int) -> list[int]:
    """The latents that are swept: those chosen, or all of them, by their KL where it is known."""
    if kl is not None and len(kl) != dim:
        raise ValueError(f"kl must have a value for each of the {dim} latents, got {len(kl)}")
    if latents is None:
        return [*range(dim)] if kl is None else sorted(range(dim), key=lambda latent: -kl[latent])
    if not len(latents):
        raise ValueError("choose at least one latent to sweep")
    for latent in latents:
        if not 0 <= latent < dim:
            raise ValueError(f"latents must lie in 0 to {dim - 1}, got {latent}")
    return [index(latent) for latent in latents]


def _units(vae: BetaVAE) -> tuple[Tensor, Tensor] | None:
    likelihood = vae.likelihood
    return (likelihood.loc.cpu(), likelihood.scale.cpu()) if isinstance(likelihood, Standardised) else None
