"""Runs to compare, for tests."""

from __future__ import annotations

from dataclasses import fields
from itertools import product
from math import exp, log
from pathlib import Path

from conftest import some_config

from pyro_bvae.comparison import RunRow
from pyro_bvae.runs.folder import RunFolder

BUDGET = ["--steps", "6", "--image-size", "16", "--hidden", "20", "--latent-dim", "3"]


def row(label: str, **values: object) -> RunRow:
    names = {field.name for field in fields(RunRow)} - {"curve", "slope", "varied"}
    return RunRow(**(dict.fromkeys(names, 1.0) | {"label": label, "nats": "density", "scores": {}} | values))


def finished(path: Path, rate: float, **settings: object) -> RunRow:
    """The row of a run on D = 100 exp(−R) + 7, with nothing but a config in its folder."""
    config = some_config(**{"likelihood": "gaussian"} | settings)
    RunFolder(path).start(config)
    terms = {"rate": rate, "distortion": 100 * exp(-rate) + 7, "beta": config["beta"]}
    return row(path.name, **terms, run=str(path), seed=config["seed"])


def sweep(folder: Path, betas: list[float], **settings: object) -> list[RunRow]:
    """Two seeds around the optimum of each β."""
    return [
        finished(folder / f"{number}-{seed}", log(100 / beta) + 1e-4 * (-1) ** seed, beta=beta, seed=seed, **settings)
        for number, (beta, seed) in enumerate(product(betas, (0, 1)))
    ]
