"""The codes that are scored: those of a fitted encoder, or of a baseline to compare it with.

    ground-truth   the factors themselves, which score the highest that a metric's protocol allows
    pixels         the data, flattened
    pca, ica       as many principal or independent components as the model has latents
    untrained      the model's encoder before its first step

Source: Higgins et al., https://openreview.net/forum?id=Sy2fzU9gl, table 1
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from sklearn.decomposition import PCA, FastICA
from torch import Tensor
from torch.distributions import Normal

from ..codes import Codes, encode, is_plain, latents, width
from ..datasets import Dataset, Progress, Rows, pixels
from ..evaluation.probe import probe_accuracy
from ..generation import reconstructed_site
from ..metrics.arrays import as_classes
from ..metrics.sampling import Encoder, factors_of
from ..model import BetaVAE
from ..programs import program_of
from ..runs.building import build_model
from ..runs.run import Run
from ..settings.names import BASELINES, check
from ..settings.program_text import own_parts
from ..terms import batches, mean_terms, per_value

__all__ = ["SEEDED", "Representation", "baseline", "encoded", "of_run", "silent", "width_of"]

SEEDED = ("pca", "ica", "untrained")  # baselines that differ from seed to seed
DATA_AT_ONCE = 10_000  # that are encoded together
MOST_FITTED = 10_000  # images that components are fitted to
LEAST_DEVIATION = 1e-6  # along a component that is kept, as a share of that along the first


@dataclass(frozen=True, eq=False)
class Representation:
    """Codes of a data set, and where they come from.

    Attributes:
        label: The baseline's name, or a label that runs with the same settings share.
        name: The run's folder, or what it is called without one, see `repetitions.named`; a baseline's label.
        seed: The seed of its fit; None where nothing is drawn.
        codes: Codes of all data ``(N, K)``, or an encoder that makes them.
        kl: Mean KL of each latent on held-out data, nats; None where it is not defined.
        moments: Means and deviations of q(z | x), each ``(N, K)``; None where it is no diagonal Gaussian.
        run: The run; None for a baseline.
        site: The latent site that the codes are of; None where there is no other than "z", and for a baseline.
    """

    label: str
    name: str
    seed: int | None
    codes: np.ndarray | Encoder
    kl: list[float] | None = None
    run: Run | None = None
    site: str | None = None
    moments: Codes | None = None

    def of_latents(self, is_kept: np.ndarray) -> Representation:
        """The representation with the latents alone that are kept, ``(K,)``."""
        if callable(self.codes):
            raise ValueError("it is taken of latents alone, and this is no code of latents")
        kl = None if self.kl is None else [value for value, kept in zip(self.kl, is_kept, strict=True) if kept]
        return replace(self, codes=self.codes[:, is_kept], kl=kl, moments=None)

    @cached_property
    def probe(self) -> float | None:
        """Held-out accuracy of a linear classifier of the run's labels; None for a baseline."""
        return None if self.run is None else probe_accuracy(self.run.model, self.run.dataset(), self.site)


def of_run(
    run: Run,
    label: str,
    name: str,
    data: Dataset,
    progress: Progress | None = None,
    site: str | None = None,
    codes: str = "mean",
    index: np.ndarray | None = None,
) -> Representation:
    """The posterior means of a run, or a draw of each posterior.

    Args:
        run: With its model on the device to be used.
        label: The label that runs with the same settings share.
        name: What the run is called, see `repetitions.named`.
        data: The images to encode, all that the run was fitted to or a part of them. What its programs take beside
            them is the run's own.
        progress: Called as images are encoded.
        site: The latent site, see `codes.code_site`.
        codes: "mean" or "sample".
        index: Which of the run's data these are; by default all. A datum has the same draw in every part.

    Raises:
        ValueError: A draw is asked for, of a posterior that is no diagonal Gaussian.
    """
    own = run.dataset()
    site = reconstructed_site(run.model, own.rows(own.held_out[:1]), site)
    chosen = slice(None) if index is None else torch.from_numpy(index)
    rows = Rows(data.images, {what: values[chosen] for what, values in own.beside.items()})
    moments = encoded(run.model, rows, name, progress, site)
    is_gaussian = _is_gaussian(run, site)
    if codes == "sample" and not is_gaussian:
        raise ValueError(f"draws are taken of posteriors that are diagonal Gaussians, and that of {name} is none")
    z = _drawn(moments, np.arange(len(own)) if index is None else index) if codes == "sample" else moments.loc.numpy()
    kl = mean_terms(run.model, own.rows(own.held_out), batch_size=100).kl_of(site)
    said = None if is_plain(run.model) else site
    return Representation(label, name, run.config["seed"], z, kl, run, said, moments=moments if is_gaussian else None)


def _is_gaussian(run: Run, site: str) -> bool:
    """Whether the posterior of a latent site is a diagonal Gaussian."""
    data = run.dataset()
    _, _, given = next(batches(run.model, data.rows(data.held_out[:1]), 1))
    return isinstance(per_value(latents(run.model, **given)[site]), Normal)


def _drawn(moments: Codes, index: np.ndarray) -> np.ndarray:
    """A draw of each Gaussian, of seed 0, by the numbers of the data."""
    noise = np.random.default_rng(0).standard_normal((int(index.max()) + 1, moments.loc.shape[1]), dtype=np.float32)
    drawn: np.ndarray = moments.loc.numpy() + moments.scale.numpy() * noise[index]
    return drawn


def width_of(run: Run, site: str | None = None) -> int:
    """How many numbers a code of a run has.

    Args:
        run: With its data.
        site: The latent site, see `codes.code_site`.
    """
    if is_plain(run.model):
        return run.model.latent_dim
    data = run.dataset()
    one = data.rows(data.held_out[:1])
    _, _, given = next(batches(run.model, one, 1))
    return width(latents(run.model, **given)[reconstructed_site(run.model, one, site)])


def baseline(
    name: str,
    data: Dataset,
    run: Run,
    seed: int,
    progress: Progress | None = None,
    whole: Dataset | None = None,
    site: str | None = None,
) -> Representation:
    """A baseline for a run.

    Args:
        name: One of `names.BASELINES`.
        data: The data to encode.
        run: The run to compare with: components are as many as its latents, and the untrained encoder is its own.
        seed: Seed of what is drawn: the images that components are fitted to, the components, the weights.
        progress: Called as images are encoded.
        whole: The whole data set, where ``data`` are a part of it; components are fitted to it.
        site: The latent site that the run is scored by.

    Raises:
        ValueError: An unknown name, no factors for the ground truth, or a run with classes of your own.
    """
    check("baseline", name, BASELINES)
    if name == "ground-truth":
        return Representation(name, name, None, as_classes(factors_of(data)).astype(np.float32))
    if name == "pixels":
        return Representation(name, name, None, _flat)
    if name == "untrained":
        if own_parts(run.config):
            raise ValueError("the untrained encoder of a run with classes of your own cannot be built")
        vae = build_model({**run.config, "seed": seed}, data.shape, run.dataset(), program_of(run.model)).to(
            run.model.beta.device
        )
        return Representation(name, name, seed, encoded(vae, data.rows(), name, progress, site).loc.numpy())
    project = _components(name, whole or data, width_of(run, site), seed)
    return Representation(name, name, seed, _in_blocks(project, data.images, name, progress))


def encoded(
    vae: BetaVAE, data: Tensor | Rows, name: str, progress: Progress | None = None, site: str | None = None
) -> Codes:
    """The posteriors of all data; ``progress`` is called with ``name`` as they are encoded."""
    report, what = progress or silent, f"{name}: encoding {len(data):,}"
    return encode(vae, data, site=site, progress=lambda _, done, total: report(what, done, total))


def silent(what: str, done: int, total: int) -> None:
    """Report no progress."""


def _in_blocks(
    encoder: Callable[[Tensor], np.ndarray], images: Tensor, what: str, progress: Progress | None
) -> np.ndarray:
    report = progress or silent
    blocks: list[np.ndarray] = []
    for number, block in enumerate(images.split(DATA_AT_ONCE)):
        report(f"{what}: encoding {len(images):,}", number * DATA_AT_ONCE, len(images))
        blocks.append(encoder(block))
    report(f"{what}: encoding {len(images):,}", len(images), len(images))
    return np.concatenate(blocks)


def _components(name: str, data: Dataset, latents: int, seed: int) -> Callable[[Tensor], np.ndarray]:
    """A projection on the principal components along which data vary, or on independent components of these."""
    some = np.random.default_rng(seed).permutation(len(data))[:MOST_FITTED]
    x = _flat(data.images[torch.from_numpy(np.sort(some))])
    if not np.ptp(x, axis=0).any():
        raise ValueError(f"{data.name} does not vary, and has no components")
    principal = PCA(min(latents, *x.shape), svd_solver="randomized", random_state=seed).fit(x)
    kept = principal.singular_values_ > LEAST_DEVIATION * principal.singular_values_[0]

    def project(images: Tensor) -> np.ndarray:
        components: np.ndarray = principal.transform(_flat(images))[:, kept]
        return components

    if name == "pca":
        return project
    # on dSprites some directions are as independent as others, and the usual tolerance of 1e-4 is never met
    independent = FastICA(whiten="unit-variance", max_iter=2000, tol=1e-3, random_state=seed)
    independent.fit(principal.transform(x)[:, kept].astype(np.float64))
    return lambda images: independent.transform(project(images)).astype(np.float32)


def _flat(x: Tensor) -> np.ndarray:
    return pixels(x).flatten(1).numpy()
