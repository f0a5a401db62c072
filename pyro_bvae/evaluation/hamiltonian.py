"""The posterior p(z | x) of a model, drawn by Hamiltonian Monte Carlo, against which the guide can be held.

Pyro's NUTS runs on the latents of one datum at a time, in the model program conditioned on it. The program's scales are
taken out, so that its density is p(x, z) at β 1, whatever β the model was trained with. Each chain starts at a draw
from the prior. Where the chains do not agree, r-hat is above 1: 1.01 is good, above 1.1 they have not met.

Source: Hoffman and Gelman, The No-U-Turn sampler, https://arxiv.org/abs/1111.4246; Vehtari et al.,
Rank-normalization, folding, and localization: an improved R-hat, https://arxiv.org/abs/1903.08008
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from pyro import poutine
from pyro.infer import MCMC, NUTS
from pyro.infer.autoguide.initialization import init_to_sample
from pyro.ops.stats import effective_sample_size, split_gelman_rubin
from pyro.poutine.messenger import Messenger
from torch import Tensor

from .. import ranks
from ..codes import site_of
from ..datasets import Progress, Rows
from ..model import BetaVAE
from ..terms import batches, check_data, evaluation_mode, label_of, latent_sites

__all__ = ["ChainsOfImages", "nuts"]

GUIDE_DRAWS = 1000  # an image


@dataclass(frozen=True)
class ChainsOfImages:
    """Draws of one latent site of M images by NUTS and by the guide, on the CPU.

    Attributes:
        site: The latent; of K elements.
        draws: By NUTS, C chains of S draws, ``(M, C, S, K)``.
        guide_draws: By the guide, ``(M, 1000, K)``.
        r_hat: Split r-hat, ``(M, K)``.
        effective: Effective sizes of the draws of all chains, ``(M, K)``.
        divergences: Divergent steps of all chains after warm-up, ``(M,)``.
        images: The data themselves, ``(M, *shape)``.
    """

    site: str
    draws: Tensor
    guide_draws: Tensor
    r_hat: Tensor
    effective: Tensor
    divergences: Tensor
    images: Tensor

    @property
    def off(self) -> Tensor:
        """Mean of the guide less that of NUTS, in standard deviations of NUTS, ``(M, K)``."""
        pooled = self.draws.flatten(1, 2)
        return (self.guide_draws.mean(1) - pooled.mean(1)) / pooled.std(1)

    @property
    def width(self) -> Tensor:
        """Standard deviation of the guide over that of NUTS, ``(M, K)``; below 1 where the guide is too sure."""
        return self.guide_draws.std(1) / self.draws.flatten(1, 2).std(1)


def nuts(
    vae: BetaVAE,
    data: Tensor | Rows,
    *,
    images: int = 4,
    chains: int = 4,
    draws: int = 200,
    warmup: int = 200,
    site: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> ChainsOfImages:
    """Draw from p(z | x) of a few images.

    All latents are drawn together; those of one site are kept.

    Args:
        vae: The programs; its device is used.
        data: Images or vectors ``(N, *shape)``, or rows of them with what else the programs take.
        images: How many of them to use, drawn without replacement.
        chains: An image.
        draws: A chain, after warm-up.
        warmup: Draws that adapt step size and mass matrix.
        site: Which latent; by default the one that codes are of.
        seed: Seed of the choice of images and of all draws.
        progress: Called after each draw.

    Returns:
        Draws, with r-hat and effective sizes.

    Raises:
        ValueError: A latent is discrete, or a number is out of range.
    """
    rows = check_data(vae, data)
    if min(images, len(rows), chains) < 1 or draws < 4 or warmup < 1:
        raise ValueError(
            f"NUTS wants at least 1 image, 1 of `chains`, 4 `draws` and a `warmup` of 1, got {min(images, len(rows))}, "
            f"{chains}, {draws} and {warmup}"
        )
    chosen = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))[:images]
    rows = rows[chosen.sort().values.to(rows.images.device)]
    of_each = chains * (draws + warmup)
    results = {}
    for number, (original, x, given) in enumerate(batches(vae, rows, 1)):
        if ranks.takes(number):
            counted = _Counted(progress, number * of_each, len(rows) * of_each)
            with evaluation_mode(vae, seed + number):
                name, known = _checked(vae, x, given, site)
                model = poutine.condition(vae.model, data=known)
                runs = [_chain(model, x, given, draws, warmup, counted) for _ in range(chains)]
                of_guide = _of_guide(vae, x, given, name)
            of_nuts = torch.stack([chain[name].reshape(draws, -1) for chain, _ in runs])
            divergences = torch.tensor(sum(count for _, count in runs))
            results[number] = (label_of(name), of_nuts.cpu(), of_guide.cpu(), divergences, original[0].cpu())
    names, *parts = zip(*ranks.merged(results), strict=True)
    of_nuts, of_guide, divergences, originals = map(torch.stack, parts)
    by_chain = of_nuts.double().transpose(0, 1)  # (C, M, S, K)
    r_hat, effective = (
        diagnostic(by_chain, chain_dim=0, sample_dim=2) for diagnostic in (split_gelman_rubin, effective_sample_size)
    )
    return ChainsOfImages(names[0], of_nuts, of_guide, r_hat, effective, divergences, originals)


class _AtBetaOne(Messenger):  # type: ignore[misc]
    """Takes the scales out of a program; around it, so that they are all there already."""

    def _pyro_sample(self, message: dict[str, Any]) -> None:
        message["scale"] = 1.0


class _Counted:
    """Tells of each draw of the chains of an image."""

    def __init__(self, progress: Progress | None, done: int, total: int) -> None:
        self._progress, self._done, self._total = progress, done, total

    def __call__(self, *_: Any) -> None:
        self._done += 1
        if self._progress is not None:
            self._progress("NUTS", self._done, self._total)


def _checked(vae: BetaVAE, x: Tensor, given: dict[str, Tensor], site: str | None) -> tuple[str, dict[str, Tensor]]:
    """The latent site to keep, of a model whose latents are all continuous; and those that are masked, with values.

    A value that is known of the datum masks the latent that Pyro has for data of which it is not.
    """
    trace = poutine.trace(vae.model).get_trace(x, **given)
    latent = {name: trace.nodes[name] for name in latent_sites(trace)}
    known = {name: node["value"] for name, node in latent.items() if not torch.as_tensor(_mask_of(node)).any()}
    for name in latent:
        if name not in known and latent[name]["fn"].support.is_discrete:
            raise ValueError(
                f"NUTS draws continuous latents, and {label_of(name)!r} is discrete: observe it, or leave NUTS out"
            )
    label = site_of(vae, site, **given)
    kept = [name for name in latent if label_of(name) == label]
    if not kept or kept[0] in known:
        raise ValueError(f"{label!r} is known of a datum, and not drawn: name another `site`")
    return kept[0], known


def _mask_of(site: Mapping[str, Any]) -> Any:
    return True if site["mask"] is None else site["mask"]


def _chain(
    model: Callable[..., Any],
    x: Tensor,
    given: dict[str, Tensor],
    draws: int,
    warmup: int,
    counted: Callable[..., None],
) -> tuple[dict[str, Tensor], int]:
    """Draws of each latent, and how many were divergent."""
    kernel = NUTS(_AtBetaOne()(model), init_strategy=init_to_sample)
    run = MCMC(kernel, draws, warmup, num_chains=1, hook_fn=counted, disable_progbar=True)
    with torch.enable_grad():
        run.run(x, **given)
    return run.get_samples(), len(run.diagnostics()["divergences"]["chain 0"])


def _of_guide(vae: BetaVAE, x: Tensor, given: dict[str, Tensor], site: str) -> Tensor:
    """Draws of the guide for one datum, ``(1000, K)``."""
    rows = {name: values.expand(GUIDE_DRAWS, *values.shape[1:]) for name, values in given.items()}
    trace = poutine.trace(vae.guide).get_trace(x.expand(GUIDE_DRAWS, *x.shape[1:]), **rows)
    return trace.nodes[site]["value"].reshape(GUIDE_DRAWS, -1)
