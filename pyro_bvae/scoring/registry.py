"""How each metric is taken of a fitted model, and what it needs: one `Metric` a name.

To add a metric, write it as a function of arrays in `pyro_bvae.metrics`, enter it in `METRICS` here, and add its name
to `settings.names.METRICS` in the same place; a test holds the names equal. Nothing else has to know it. For example,
a metric with two columns that compares three latents:

    "spacing": Metric(
        lambda sample: metrics.spacing(*sample.points(INFORMATION_POINTS)),  # returns two numbers
        columns=("spacing-mean", "spacing-deviation"),
        least_latents=3,
    ),
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from math import inf

import numpy as np

from .. import metrics
from ..metrics.arrays import as_classes
from ..metrics.sampling import columns_of
from ..terms import count_active
from .draws import CLASSIFIER_POINTS, INFORMATION_POINTS, UDR_POINTS, Sample
from .of_samples import dci_es, infomec, one_to_one, wasserstein
from .rows import ByFactor

__all__ = ["METRICS", "ByFactor", "Metric", "Scores", "score_columns"]

SHARE = (0.0, 1.0)


Scores = float | tuple[float | None, ...] | ByFactor | None


@dataclass(frozen=True)
class Metric:
    """How a metric is taken, and what it needs.

    Attributes:
        take: From a sample to its score, or to a tuple of a score a column; None where it is not defined. A ValueError
            says why a score cannot be taken, and the other metrics go on.
        take_of_runs: In place of ``take`` for a metric that compares runs: from one sample of each run with the same
            settings, two or more, to a score a run.
        columns: Names of the columns; by default the one column has the metric's name.
        least_latents: Number of latents that it needs.
        least_factors: Number of factors that it needs, each of more than one value; 0 if it needs no factors.
        needs_labels: Whether it needs labels. They are those of `Representation.run`; a sample's data have none.
        fits_each_latent: Whether it fits something to each latent, which takes too long for codes as wide as pixels.
        draws_by_factor: Whether it draws data that share a factor, so that all data have to be encoded.
        repeats_differ: Whether its score depends on what a repeat draws.
        protocol: The key in `metrics.PROTOCOLS` of the β-VAE metric, to be reported beside the score.
        limits: The least and the greatest that a score may be.
        counts_latents: Whether it is a number of latents, which is at most that of all.
        whole: The metric of all latents that this one takes of the active ones alone; such a metric is taken where it
            is asked for, and not by default.

    Raises:
        ValueError: It can be taken in both ways, or in none.
    """

    take: Callable[[Sample], Scores] | None = None
    take_of_runs: Callable[[Sequence[Sample]], Sequence[float]] | None = None
    columns: tuple[str, ...] = ()
    least_latents: int = 1
    least_factors: int = 1
    needs_labels: bool = False
    fits_each_latent: bool = False
    draws_by_factor: bool = False
    repeats_differ: bool = True
    protocol: str | None = None
    limits: tuple[float, float] = (-inf, inf)
    counts_latents: bool = False
    whole: str | None = None

    def __post_init__(self) -> None:
        if (self.take is None) == (self.take_of_runs is None):
            raise ValueError("a metric has either take, for one run, or take_of_runs, for runs that are compared")

    @property
    def leaves_out(self) -> tuple[str, ...]:
        """Names of the factors that the protocol leaves out."""
        return () if self.protocol is None else metrics.PROTOCOLS[self.protocol].leaves_out


def score_columns(chosen: Collection[str]) -> list[str]:
    """The columns of metrics, in the order of `METRICS`.

    >>> score_columns(["dci", "mig"])
    ['mig', 'dci-disentanglement', 'dci-completeness', 'dci-informativeness']
    """
    return [column for name, metric in METRICS.items() if name in chosen for column in metric.columns or (name,)]


def _beta_vae(protocol: str) -> Metric:
    def take(sample: Sample) -> float:
        return metrics.beta_vae_score(*sample.arguments, protocol=protocol, seed=sample.seed)

    return Metric(take, least_factors=2, draws_by_factor=True, protocol=protocol, limits=SHARE)


def _mean(factors: np.ndarray) -> ByFactor:
    return ByFactor(float(np.nanmean(factors)), factors)


def _factor_vae(sample: Sample) -> ByFactor:
    votes, factors = metrics.factor_vae_votes(*sample.arguments, seed=sample.seed), sample.data.factors
    assert factors is not None
    return ByFactor(votes.score, votes.of_factors(factors.shape[1]))


def _mig_chen(sample: Sample) -> ByFactor | None:
    """Of all data, and of all factors but one called the shape, as Chen et al. take it."""
    posterior, factors = sample.representation.moments, sample.data.factors
    if posterior is None or factors is None:
        return None
    classes, names = as_classes(factors), sample.data.factor_names or []
    columns = columns_of(classes, names, ("shape",) if names else ())
    if not len(columns):
        raise ValueError("it leaves the shape out, and no other factor varies")
    shares = np.full(classes.shape[1], np.nan)
    shares[columns] = metrics.mig_chen_of_factors(posterior.loc, posterior.scale, classes[:, columns])
    return _mean(shares)


def _dci(sample: Sample) -> tuple[float, float, float]:
    scores = metrics.dci(*sample.points(CLASSIFIER_POINTS), seed=sample.seed, booster=sample.settings.booster)
    return scores.disentanglement, scores.completeness, scores.informativeness


def _udr(samples: Sequence[Sample]) -> list[float]:
    """UDR of each run, from codes of the same data; all latents count where a run's KL has no parts."""
    codes = [sample.points(UDR_POINTS)[0] for sample in samples]
    kl = [sample.representation.kl for sample in samples]
    return metrics.udr(codes, None if None in kl else [one or [] for one in kl])


def _active_units(sample: Sample) -> int | None:
    """By the KL of latents; of a run whose latents have none of their own, by the variance of its codes."""
    of = sample.representation
    if of.kl is not None or of.run is None:
        return count_active(of.kl)
    return int(metrics.active_units_variance(sample.points(UDR_POINTS)[0]).sum())


METRICS: dict[str, Metric] = {
    "beta-vae-paper": _beta_vae("paper"),
    "beta-vae": _beta_vae("sklearn"),
    "factor-vae": Metric(
        _factor_vae,
        least_factors=2,
        draws_by_factor=True,
        limits=SHARE,
    ),
    "mig": Metric(
        lambda sample: _mean(metrics.mig_of_factors(*sample.points(INFORMATION_POINTS), binning=sample.settings.bins)),
        least_latents=2,
        limits=SHARE,
    ),
    "mig-sup": Metric(
        lambda sample: metrics.mig_sup(*sample.points(INFORMATION_POINTS), binning=sample.settings.bins),
        least_factors=2,
        limits=SHARE,
    ),
    "mig-chen": Metric(_mig_chen, least_latents=2, draws_by_factor=True, repeats_differ=False, limits=SHARE),
    "modularity": Metric(
        lambda sample: metrics.modularity(*sample.points(INFORMATION_POINTS), binning=sample.settings.bins),
        least_factors=2,
        limits=SHARE,
    ),
    "sap": Metric(
        lambda sample: _mean(metrics.sap_of_factors(*sample.points(CLASSIFIER_POINTS), seed=sample.seed)),
        least_latents=2,
        fits_each_latent=True,
        limits=SHARE,
    ),
    "dci": Metric(
        _dci,
        columns=("dci-disentanglement", "dci-completeness", "dci-informativeness"),
        least_latents=2,
        least_factors=2,
        fits_each_latent=True,
        limits=SHARE,
    ),
    "explicitness": Metric(
        lambda sample: _mean(metrics.explicitness_of_factors(*sample.points(CLASSIFIER_POINTS), seed=sample.seed)),
        fits_each_latent=True,
        limits=SHARE,
    ),
    "infomec": Metric(
        infomec, columns=("info-m", "info-e", "info-c"), least_factors=2, fits_each_latent=True, limits=(-inf, 1.0)
    ),
    "dci-es": Metric(
        dci_es,
        columns=("dci-es-explicitness", "dci-es-informativeness", "dci-es-size"),
        fits_each_latent=True,
        limits=(-1.0, inf),
    ),
    "one-to-one": Metric(one_to_one, fits_each_latent=True, limits=SHARE),
    "irs": Metric(lambda sample: metrics.irs(*sample.points(INFORMATION_POINTS)), limits=(-inf, 1.0)),
    "udr": Metric(take_of_runs=_udr, least_factors=0, limits=SHARE),
    "total-correlation": Metric(
        lambda sample: metrics.total_correlation(sample.points(INFORMATION_POINTS)[0]),
        least_factors=0,
        fits_each_latent=True,
        limits=(0.0, inf),
    ),
    "mutual-information-score": Metric(
        lambda sample: metrics.mutual_information_score(sample.points(INFORMATION_POINTS)[0]),
        least_latents=2,
        least_factors=0,
        fits_each_latent=True,
        limits=(0.0, inf),
    ),
    "wasserstein-correlation": Metric(
        wasserstein,
        columns=("wasserstein-correlation", "wasserstein-correlation-normalised"),
        least_factors=0,
        fits_each_latent=True,
        limits=(0.0, inf),
    ),
    "active-units": Metric(
        _active_units,
        least_factors=0,
        repeats_differ=False,
        limits=(0.0, inf),
        counts_latents=True,
    ),
    "probe": Metric(
        lambda sample: sample.representation.probe,
        least_factors=0,
        needs_labels=True,
        repeats_differ=False,
        limits=SHARE,
    ),
}


def _of_active(name: str) -> Metric:
    """A metric, of the active latents alone."""
    metric = METRICS[name]
    take = metric.take
    assert take is not None
    columns = tuple(f"{column}-active" for column in metric.columns or (name,))
    return replace(metric, take=lambda sample: take(sample.of_active()), columns=columns, whole=name)


METRICS |= {
    f"{name}-active": _of_active(name)
    for name in ("mig", "mig-sup", "modularity", "sap", "dci", "irs", "total-correlation")
}
