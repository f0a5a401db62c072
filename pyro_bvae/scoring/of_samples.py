"""How scores that are several numbers, or ask what kind a factor is, are taken of a sample."""

from __future__ import annotations

from math import isnan

from .. import metrics
from ..datasets import Dataset
from .draws import CLASSIFIER_POINTS, INFORMATION_POINTS, Sample
from .rows import ByFactor

__all__ = ["dci_es", "infomec", "kinds_of_data", "one_to_one", "wasserstein"]


def infomec(sample: Sample) -> tuple[float | None, ...]:
    """InfoM, InfoE and InfoC; the last is None where it has nothing to choose from."""
    scores = metrics.infomec(*sample.points(INFORMATION_POINTS), seed=sample.seed)
    return scores.modularity, scores.explicitness, None if isnan(scores.compactness) else scores.compactness


def dci_es(sample: Sample) -> tuple[float, ...]:
    """Explicitness, informativeness and size."""
    scores = metrics.dci_es(*sample.points(CLASSIFIER_POINTS), kinds=kinds_of_data(sample.data), seed=sample.seed)
    return scores.explicitness, scores.informativeness, scores.size


def one_to_one(sample: Sample) -> ByFactor | None:
    """The score of folds; None where no latent holds a factor that could fold."""
    scores = metrics.one_to_one(*sample.points(INFORMATION_POINTS), kinds=kinds_of_data(sample.data))
    return None if isnan(scores.score) else ByFactor(scores.score, scores.of_factors)


def kinds_of_data(data: Dataset) -> tuple[str, ...] | None:
    """The kinds of a data set's factors, by their names; None where they have none."""
    return None if data.factor_names is None else metrics.kinds_of(data.factor_names, data.name)


def wasserstein(sample: Sample) -> tuple[float, float]:
    """The Wasserstein correlation, and its share of the variance."""
    scores = metrics.wasserstein_correlation(sample.points(INFORMATION_POINTS)[0])
    return scores.squared, scores.normalised
