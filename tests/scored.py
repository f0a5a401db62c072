"""Every score of codes by name, for laws that hold for all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import torch
from codes import FEW

from pyro_bvae import metrics
from pyro_bvae.datasets import Dataset
from pyro_bvae.metrics import presorted

Score = Callable[[np.ndarray, np.ndarray], float]
TAKEN: dict[tuple[object, ...], Any] = {}


def once(take: Callable[[np.ndarray, np.ndarray], Any], z: np.ndarray, v: np.ndarray) -> Any:
    """What is taken of codes and factors, taken once for all of its numbers."""
    key = (take, *((array.tobytes(), array.shape, array.dtype) for array in map(np.asarray, (z, v))))
    if key not in TAKEN:
        TAKEN[key] = take(z, v)
    return TAKEN[key]


def few_trees(z: np.ndarray, v: np.ndarray, **options: Any) -> metrics.DCI:
    """DCI of a tenth of the rounds."""
    with mock.patch.object(presorted, "ROUNDS", 10):
        return metrics.dci(z, v, **options)


def named(factors: np.ndarray) -> Dataset:
    """Data of those factors, the first that varies called the shape."""
    varying = int(np.argmax(np.ptp(factors, axis=0) > 0))
    names = ["shape" if column == varying else f"factor {column}" for column in range(factors.shape[1])]
    return Dataset("named", torch.zeros(len(factors), 1), factors=torch.tensor(factors), factor_names=names)


def mig_chen(z: np.ndarray, v: np.ndarray) -> float:
    """Of narrow posteriors."""
    return metrics.mig_chen(z, np.full(np.shape(z), 0.1), v)


SCORES: dict[str, Score] = {
    "mig": metrics.mig,
    "mig-quantile": lambda z, v: metrics.mig(z, v, binning="quantile"),
    "mig-sup": metrics.mig_sup,
    "mig-chen": mig_chen,
    "modularity": metrics.modularity,
    "modularity-quantile": lambda z, v: metrics.modularity(z, v, binning="quantile"),
    "sap": metrics.sap,
    "explicitness": metrics.explicitness,
    "irs": metrics.irs,
    "one-to-one": lambda z, v: metrics.one_to_one(z, v).score,
    "beta-vae": lambda z, v: metrics.beta_vae_score(z, v, **FEW),
    "beta-vae-paper": lambda z, v: metrics.beta_vae_score(z, named(v), protocol="paper", **FEW),
    "factor-vae": lambda z, v: metrics.factor_vae_score(z, v, **FEW),
    "disentanglement": lambda z, v: once(few_trees, z, v).disentanglement,
    "completeness": lambda z, v: once(few_trees, z, v).completeness,
    "informativeness": lambda z, v: once(few_trees, z, v).informativeness,
    "info-m": lambda z, v: once(metrics.infomec, z, v).modularity,
    "info-e": lambda z, v: once(metrics.infomec, z, v).explicitness,
    "info-c": lambda z, v: once(metrics.infomec, z, v).compactness,
    "dci-es-explicitness": lambda z, v: once(metrics.dci_es, z, v).explicitness,
    "dci-es-informativeness": lambda z, v: once(metrics.dci_es, z, v).informativeness,
}
DRAWN_ANEW = {"disentanglement", "completeness", "informativeness", "dci-es-explicitness", "dci-es-informativeness"}
