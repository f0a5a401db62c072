"""How well a discrete latent agrees with the labels of data.

    error = (1/N) Σ_n [ŷ_n ≠ label_n],    ŷ_n the most probable value of q(y | x_n)

A program that saw no labels numbers its classes as it likes. They are matched to the labels one to one, so that the
error is least (the assignment problem, solved on the table of counts); that matching itself is made of the same data.
The components of a mixture prior are such classes too: c(x) is the most probable one of p(c | z) at the mean of z.

Source: Kingma et al., https://arxiv.org/abs/1406.5298 (error), Dupont, https://arxiv.org/abs/1804.00104 (matched)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from ..codes import class_values, encode, is_plain, latents
from ..datasets import Dataset, Progress, Rows
from ..datasets.few_labels import MISSING
from ..datasets.labels import looks_numbered
from ..model import BetaVAE
from ..priors import Mixture
from ..terms import check_data

__all__ = ["ClassErrors", "class_errors", "component_errors", "errors_of_classes"]


@dataclass(frozen=True)
class ClassErrors:
    """Errors of the classes that a discrete site gives to data.

    Attributes:
        site: The label of the site; "prior" for the components of a mixture prior.
        error: Share of data whose most probable class is not their label.
        matched_error: The same after classes were matched to labels one to one.
        matching: The label of each class; −1 for a class without one.
        count: How many data, those whose label is known.
    """

    site: str
    error: float
    matched_error: float
    matching: list[int]
    count: int

    @property
    def standard_error(self) -> float:
        """Of either error as an estimate from so many data: that of the larger of the two."""
        share = max(self.error, self.matched_error)
        return float((share * (1 - share) / self.count) ** 0.5)


def errors_of_classes(
    vae: BetaVAE, data: Dataset, index: Tensor, *, progress: Progress | None = None
) -> list[ClassErrors]:
    """The errors of each discrete latent site and of a mixture prior's components; none where data have no classes.

    Args:
        vae: The programs; their device is used.
        data: The data set, with its labels.
        index: Which of the data ``(N,)``.
        progress: Called while data are encoded.
    """
    labels = data.labels
    if labels is None or labels.dim() != 1 or looks_numbered(labels) or (labels[index] == MISSING).all():
        return []
    rows = data.rows(index)
    of_prior = [component_errors(vae, rows, labels[index], progress=progress)] if _is_mixture(vae) else []
    if is_plain(vae):
        return of_prior
    one = check_data(vae, rows[:1]).to(vae.beta.device)
    sites = [site for site, q in latents(vae, **one.extra).items() if class_values(q) is not None]
    return [class_errors(vae, rows, labels[index], site, progress=progress) for site in sites] + of_prior


def class_errors(
    vae: BetaVAE, data: Rows, labels: Tensor, site: str = "y", *, progress: Progress | None = None
) -> ClassErrors:
    """The errors of a discrete site against labels, which the guide does not see.

    Args:
        vae: The programs; their device is used.
        data: The images, with what else the programs take; an argument ``labels`` is passed as missing.
        labels: Classes ``(N,)``, from 0 on, and −1 where they are not known.
        site: The label of the site.
        progress: Called while data are encoded.

    Raises:
        ValueError: There is no such site, it is not discrete, or no label is known.
    """
    hidden = {name: torch.full_like(values, MISSING) for name, values in data.extra.items() if name == "labels"}
    seen = Rows(data.images, {**data.extra, **hidden})
    one = check_data(vae, seen[:1]).to(vae.beta.device)
    if site not in (of_sites := latents(vae, **one.extra)) or class_values(of_sites[site]) is None:
        raise ValueError(f"`site` names a discrete latent site, got {site!r}; the guide has {', '.join(of_sites)}")
    return _errors(site, encode(vae, seen, site=site, progress=progress).loc, labels)


@torch.no_grad()
def component_errors(vae: BetaVAE, data: Rows, labels: Tensor, *, progress: Progress | None = None) -> ClassErrors:
    """The errors of the components of a `Mixture` prior against labels.

    Args:
        vae: The programs; their device is used.
        data: The images, with what else the programs take.
        labels: Classes ``(N,)``, from 0 on, and −1 where they are not known.
        progress: Called while data are encoded.

    Raises:
        ValueError: The prior is no mixture of learned components, or no label is known.
    """
    if not _is_mixture(vae):
        raise ValueError(f"`vae` has the prior {vae.prior}; components are those of BetaVAE(..., prior='mixture:10')")
    prior: Any = vae.prior()
    z = encode(vae, data, progress=progress).loc.to(vae.beta.device).unsqueeze(-2)
    joint = prior.component_distribution.log_prob(z) + prior.mixture_distribution.logits  # (N, C)
    return _errors("prior", joint.softmax(-1).cpu(), labels)


def _is_mixture(vae: BetaVAE) -> bool:
    return isinstance(vae.prior, Mixture)


def _errors(site: str, probabilities: Tensor, labels: Tensor) -> ClassErrors:
    """The errors of the most probable of C classes ``(N, C)``."""
    labels = labels.cpu().long()
    known = labels != MISSING
    if not known.any():
        raise ValueError("`labels` are missing of all data: errors are counted where they are known")
    chosen, labels = probabilities[known].argmax(1), labels[known]
    size = max(probabilities.shape[1], int(labels.max()) + 1)
    counts = torch.bincount(chosen * size + labels, minlength=size**2).reshape(size, size)  # (class, label)
    rows, columns = linear_sum_assignment(-counts.numpy())
    right = counts[rows, columns].sum().item()
    there = {*labels.tolist()}
    matching = [int(column) if int(column) in there else -1 for column in columns[: probabilities.shape[1]]]
    error = (chosen != labels).double().mean().item()
    return ClassErrors(site, error, 1 - right / len(labels), matching, len(labels))
