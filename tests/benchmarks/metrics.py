"""How long the metrics take with the literature's sample counts, on 10 latents and the five factors of dSprites.

    python tests/benchmarks/metrics.py              all of them
    python tests/benchmarks/metrics.py --boosters   and DCI by the histogram booster and by scikit-learn's own: minutes

Codes are drawn, not encoded: factors, standardised, five of them noisy and mixed in pairs. The bar is 60 s on two cores
for all, and 30 s for DCI.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np

from pyro_bvae import metrics

SIZES = (3, 6, 40, 32, 32)  # of dSprites
KINDS = ("categorical", "ordered", "cyclic", "ordered", "ordered")


def drawn_codes(factors: np.ndarray) -> np.ndarray:
    """Ten latents of all data, ``(N, 10)``: neither good nor bad."""
    random = np.random.default_rng(0)
    z = ((factors - factors.mean(0)) / factors.std(0)).astype(np.float32)
    mixed = z + 0.5 * np.roll(z, 1, axis=1)
    return np.hstack([z, mixed]) + 0.2 * random.standard_normal((len(z), 10), dtype=np.float32)


def calls(z: np.ndarray, factors: np.ndarray, boosters: bool) -> dict[str, Callable[[], Any]]:
    """Each metric with its literature's numbers of points."""
    order = np.random.default_rng(0).permutation(len(z))
    many, some, few = (order[:number] for number in (15_000, 10_000, 1_000))
    runs = [z[few], z[few][:, ::-1], z[few] @ np.linalg.qr(np.random.default_rng(0).normal(size=(10, 10)))[0]]
    found: dict[str, Callable[[], Any]] = {
        "beta-vae-paper": lambda: metrics.beta_vae_score(z, factors, protocol="paper", factors=[1, 2, 3, 4]),
        "beta-vae": lambda: metrics.beta_vae_score(z, factors),
        "factor-vae": lambda: metrics.factor_vae_score(z, factors),
        "mig": lambda: metrics.mig(z[some], factors[some]),
        "mig-sup": lambda: metrics.mig_sup(z[some], factors[some]),
        "mig-chen": lambda: metrics.mig_chen(z, np.full_like(z, 0.2), factors[:, 1:]),
        "modularity": lambda: metrics.modularity(z[some], factors[some]),
        "sap": lambda: metrics.sap(z[many], factors[many]),
        "dci": lambda: metrics.dci(z[many], factors[many]).disentanglement,
        "explicitness": lambda: metrics.explicitness(z[many], factors[many]),
        "infomec": lambda: metrics.infomec(z[some], factors[some]).modularity,
        "dci-es": lambda: metrics.dci_es(z[many], factors[many], kinds=KINDS).explicitness,
        "one-to-one": lambda: metrics.one_to_one(z[some], factors[some], kinds=KINDS).score,
        "irs": lambda: metrics.irs(z, factors),
        "udr": lambda: metrics.udr(runs)[0],
        "total-correlation": lambda: metrics.total_correlation(z[some]),
        "mutual-information-score": lambda: metrics.mutual_information_score(z[some]),
        "wasserstein-correlation": lambda: metrics.wasserstein_correlation(z[some]).normalised,
    }
    if boosters:
        for name in ("histogram", "exact"):
            found[f"dci, {name}"] = lambda name=name: metrics.dci(z[many], factors[many], booster=name).disentanglement
    return found


def main() -> None:
    """Time them, one after the other."""
    factors = np.indices(SIZES, dtype=np.int64).reshape(len(SIZES), -1).T
    z = drawn_codes(factors)
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    total, processor = 0.0, 0.0
    for name, call in calls(z, factors, "--boosters" in sys.argv[1:]).items():
        start, used = perf_counter(), sum(os.times()[:2])
        score = call()
        seconds, work = perf_counter() - start, sum(os.times()[:2]) - used
        if "," not in name:
            total, processor = total + seconds, processor + work
        print(f"{name:24} {score:8.4f} {seconds:8.2f} s {work:8.2f} s of processor", flush=True)
    print(f"{'by default':24} {'':8} {total:8.2f} s {processor:8.2f} s of processor")


if __name__ == "__main__":
    main()
