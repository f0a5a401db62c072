"""What is scored: labels that repetitions share, and baselines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pyro_bvae import BetaVAE, metrics
from pyro_bvae.datasets import Dataset
from pyro_bvae.runs.run import Run
from pyro_bvae.scoring.repetitions import labels_of
from pyro_bvae.scoring.representations import baseline, encoded

OTHERS = {
    "data_root": "/elsewhere", "device": "cuda", "compile": True, "precision": "bf16", "eval_every": 7,
    "checkpoint_every": 7, "keep": "all", "figures_every": 7, "traverse_range": [-3.0, 3.0],
}  # fmt: skip


def test_what_changes_rounding_or_pictures_alone_shares_a_label(runs: list[Run]) -> None:
    run = runs[0]
    old = replace(run, config={name: value for name, value in run.config.items() if name not in ("lr_warmup", *OTHERS)})
    same = [replace(run, config=run.config | {name: value}) for name, value in OTHERS.items()]
    assert {label for _, label in labels_of([run, old, *same])} == {"a"}
    for name, value in {"lr": 0.1, "lr_warmup": 5, "elbo": "TotalCorrelation", "hidden": [30]}.items():
        other = replace(run, config=run.config | {name: value}, path=Path("other"))
        assert [label for _, label in labels_of([run, other])] == ["a", "other"]


def test_a_run_called_like_a_baseline_has_its_path_for_a_label(runs: list[Run]) -> None:
    run = replace(runs[0], path=Path("somewhere/pca"))
    assert labels_of([run]) == [(run, "somewhere/pca")]


def test_a_run_in_one_file_is_called_as_its_folder_was(runs: list[Run], tmp_path: Path) -> None:
    file = tmp_path / "beta0.5-seed0.zip"
    file.touch()
    assert [label for _, label in labels_of([replace(runs[0], path=file)])] == ["beta0.5"]


def test_the_untrained_encoder_is_that_of_the_runs_first_step(runs: list[Run]) -> None:
    data = runs[1].dataset()
    torch.manual_seed(1)
    untrained = baseline("untrained", data, runs[1], seed=1)
    fresh = BetaVAE(data.shape, 3, hidden=(20,))
    assert untrained.codes.shape == (80, 3)
    np.testing.assert_allclose(untrained.codes, encoded(fresh, data.images, "fresh").loc, rtol=1e-4, atol=1e-6)


def test_components_are_uncorrelated(runs: list[Run]) -> None:
    for name in ("pca", "ica"):
        codes = baseline(name, runs[0].dataset(), runs[0], seed=0).codes
        off = np.corrcoef(codes, rowvar=False) - np.eye(3)
        assert np.abs(off).max() < 1e-3
    np.testing.assert_allclose(codes.std(0), 1, rtol=1e-3)  # those of ica


def test_components_are_those_along_which_data_vary(runs: list[Run]) -> None:
    images = torch.rand(3, 1, 16, 16)[torch.arange(80) % 3]  # three images, in a plane
    for name in ("pca", "ica"):
        assert baseline(name, Dataset("three", images), runs[0], seed=0).codes.shape == (80, 2)
    with pytest.raises(ValueError, match="one does not vary, and has no components"):
        baseline("pca", Dataset("one", images[:1].expand(80, -1, -1, -1)), runs[0], seed=0)


def test_factors_score_their_ceiling_whatever_their_numbers(runs: list[Run]) -> None:
    numbered = runs[0].dataset().factors ** 5 * 100
    data = replace(runs[0].dataset(), factors=numbered, factor_sizes=tuple((numbered.max(0).values + 1).tolist()))
    codes = baseline("ground-truth", data, runs[0], seed=0).codes
    assert metrics.mig(codes, data.factors) == pytest.approx(1)
