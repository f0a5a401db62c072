"""What the β-VAE paper's metric depends on besides the code.

    python tests/benchmarks/paper_scores.py RUN... --out DIRECTORY

Images are encoded once. On the same codes the metric is taken with classifiers fitted for shorter and longer, with
fewer and more pairs and points, on the points that the classifier was fitted to, on standardised codes and with all
five factors, one change at a time from the protocol "paper". Beside it stand all metrics that the data allow, and the
terms of the held-out images. A json a run is written into the directory.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import mean
from time import perf_counter
from typing import Any

import numpy as np
import torch

import pyro_bvae
from pyro_bvae import metrics, scoring
from pyro_bvae.metrics.beta_vae import PROTOCOLS, Protocol
from pyro_bvae.metrics.softmax import Softmax
from pyro_bvae.runs import Run
from pyro_bvae.scoring.representations import of_run

PAPER = PROTOCOLS["paper"]
STEPS = (100, 1_000, 10_000, 100_000)
PAIRS = (1, 4, 16, 64, 256)
POINTS = (100, 1_000, 10_000)


def fitted_for(steps: int) -> Protocol:
    """The paper's protocol with a classifier that is fitted for so many steps."""
    return replace(PAPER, fit=lambda x, y, classes, seed: Softmax(classes, steps=steps, seed=seed).fit(x, y))


def on_fitted_points(codes: np.ndarray, factors: np.ndarray, columns: list[int], seed: int) -> float:
    """The accuracy on the points that the classifier was fitted to, in place of fresh ones."""
    accuracies = []

    def fit(x: np.ndarray, y: np.ndarray, classes: int, seed: int) -> Softmax:
        classifier = Softmax(classes, seed=seed).fit(x, y)
        accuracies.append(classifier.score(x, y))
        return classifier

    metrics.beta_vae_score(codes, factors, protocol=replace(PAPER, fit=fit), factors=columns, seed=seed)
    return accuracies[0]


def variants(codes: np.ndarray, factors: np.ndarray, columns: list[int], seed: int) -> Iterator[tuple[str, float]]:
    """The metric under one change after the other."""

    def score(protocol: Protocol = PAPER, z: np.ndarray = codes, **changes: Any) -> float:
        return metrics.beta_vae_score(z, factors, **{"protocol": protocol, "factors": columns, "seed": seed, **changes})

    yield "paper", score()
    for steps in STEPS:
        yield f"{steps} steps of the classifier", score(fitted_for(steps))
    for pairs in PAIRS:
        yield f"{pairs} pairs", score(pairs=pairs)
    for points in POINTS:
        yield f"{points} points", score(points=points)
    yield "on the fitted points", on_fitted_points(codes, factors, columns, seed)
    yield "standardised", score(z=(codes - codes.mean(0)) / codes.std(0))
    yield "standardised, 1000 steps", score(fitted_for(1_000), (codes - codes.mean(0)) / codes.std(0))
    yield "all factors", score(factors=list(range(factors.shape[1])))
    yield "LogisticRegression", score(PROTOCOLS["sklearn"])


def scores_of(run: Run, repeats: int) -> tuple[dict[str, Any], np.ndarray]:
    """Everything that is taken of a run, and its codes."""
    data = run.dataset()
    start = perf_counter()
    representation = of_run(run, "run", "run", data)
    encoded, codes = perf_counter() - start, representation.codes
    assert isinstance(codes, np.ndarray)
    assert data.factors is not None
    factors = data.factors.numpy()
    columns = [place for place, name in enumerate(data.factor_names or ()) if name not in PAPER.leaves_out]
    by_variant: dict[str, list[float]] = {}
    for seed in range(repeats):
        for name, score in variants(codes, factors, columns, seed):
            by_variant.setdefault(name, []).append(score)
    chosen = scoring.applicable((), data, 1, run.model.latent_dim)
    rows = scoring.score_representations([representation], data, chosen, repeats=repeats)
    last = run.history[-1]
    terms = {name: last[name] for name in last if name.startswith("held_out") or name in ("step", "seconds", "beta")}
    return {
        "run": run.path.name if run.path is not None else "",
        "config": {name: run.config[name] for name in ("beta", "seed", "network", "optimizer", "lr", "precision")},
        "terms": terms,
        "variants": by_variant,
        "scores": [row.scores for row in rows],
        "seconds": {"encoding": encoded, "all": perf_counter() - start},
    }, codes


def main() -> None:
    """Score runs, and print the means of the variants."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="folder for a json a run")
    parser.add_argument("--at", type=int, help="step of a checkpoint; the last one without")
    parser.add_argument("--repeats", type=int, default=3, help="draws of points, pairs and splits")
    parser.add_argument("--codes", action="store_true", help="write the codes of each run as well, in half precision")
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    for path in options.runs:
        results, codes = scores_of(pyro_bvae.load_run(path, at=options.at, device=device), options.repeats)
        stem = path.name if options.at is None else f"{path.name}-at-{options.at}"
        (options.out / f"{stem}.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
        if options.codes:
            np.savez_compressed(options.out / f"{stem}.npz", codes=codes.astype(np.float16))
        for name, scores in results["variants"].items():
            sys.stdout.write(f"{path.name:24} {name:32} {mean(scores):.3f}\n")


if __name__ == "__main__":
    main()
