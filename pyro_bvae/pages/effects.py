"""What a latent does, measured: how much a datum changes when it moves, and which data lie at its ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from ..codes import Codes
from ..datasets import Dataset
from ..datasets.labels import looks_numbered
from ..generation import images_of
from ..model import BetaVAE
from ..settings.shown import short_names
from ..traversal import Base, sweep
from .markup import with_minus

__all__ = ["ENDS", "changes", "classes_at_ends", "moved_features"]

ENDS = (-2.0, 2.0)  # between which a latent is moved
SHARE = 0.1  # of the data that are one of its ends
MOST_CLASSES = 50
FEATURES = 3  # that are named


def changes(vae: BetaVAE, start: Base, latents: Sequence[int]) -> Tensor:
    """The change of each value of a datum when a latent goes from −2 to 2 and all others stay.

    Args:
        vae: The programs.
        start: Where from; its first code is taken.
        latents: Which are moved, L of them.

    Returns:
        Differences of the means of p(x | z) ``(L, *shape)``, in the data's units.
    """
    codes, beside = sweep(start.codes[:1], latents, torch.tensor(ENDS)), start.kept(vae)[:1]
    means = images_of(vae, codes, site=start.site, given=beside.repeated(len(latents) * len(ENDS)))[0]
    return means[:, 1] - means[:, 0]


def moved_features(change: Tensor, columns: Sequence[str] | None, units: Tensor | None) -> list[tuple[str, str]]:
    """The features of a vector that change most, each with its change: ("radius", "+2.1").

    Args:
        change: The differences ``(D,)``.
        columns: The features' names.
        units: The deviation of each feature, by which changes are compared; None where they have one unit.
    """
    size = (change if units is None else change / units).abs()
    names = short_names(columns) if columns else [f"x{feature}" for feature in range(len(change))]
    order = size.argsort(descending=True, stable=True)[:FEATURES].tolist()
    return [(names[feature], with_minus(f"{change[feature].item():+.3g}")) for feature in order]


def classes_at_ends(codes: Codes, latent: int, data: Dataset) -> list[tuple[str, int, int, int]] | None:
    """The commonest class among the tenth of the held-out data with the lowest code, and with the highest.

    Args:
        codes: Of the held-out data.
        latent: Which code.
        data: The data set.

    Returns:
        For each end the class, how many of the tenth have it, how many these are, and how many of all held-out data
        have it; None for data without classes.
    """
    if data.labels is None or data.labels.dim() != 1 or looks_numbered(data.labels):
        return None
    labels = data.labels[data.held_out]
    if len(data.labels.unique()) > MOST_CLASSES or len(labels) < 2 / SHARE:
        return None
    names = short_names(data.label_names) if data.label_names else None
    order, tenth = codes.loc[:, latent].argsort(), int(len(labels) * SHARE)
    ends = []
    for some in (order[:tenth], order[-tenth:]):
        ((label, count),) = Counter(labels[some].tolist()).most_common(1)
        overall = int((labels == label).sum())
        ends.append((names[int(label)] if names else str(int(label)), count, tenth, overall))
    return ends
