"""Each run is scored as what it is, whatever it is called and whichever runs are scored beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import Cli

from pyro_bvae import BetaVAE, fit, load_run, scoring
from pyro_bvae.datasets import Dataset
from pyro_bvae.programs.semi_supervised import SemiSupervised
from pyro_bvae.runs.run import Run
from pyro_bvae.scoring.repetitions import labels_of, named, sharing

CHEAP = ("mig", "irs", "udr")


def vectors(name: str = "mine") -> Dataset:
    generator = torch.Generator().manual_seed(0)
    factors = torch.cartesian_prod(torch.arange(5), torch.arange(4), torch.arange(3))
    images = factors.repeat(1, 2) / 5 + 0.1 * torch.rand(60, 6, generator=generator)
    return Dataset(name, images, factors=factors, labels=factors[:, 2])


def in_memory(data: Dataset, settings: Sequence[tuple[float, int]]) -> list[Run]:
    """Short fits without a folder, one for each β and seed."""
    runs = []
    for beta, seed in settings:
        torch.manual_seed(seed)
        runs.append(fit(BetaVAE(data.shape, 2, hidden=(5,), beta=beta), data, steps=2, seed=seed))
    return runs


@pytest.mark.parametrize("name", ["mine", "pixels"])
def test_runs_in_memory_are_told_apart(name: str) -> None:
    runs = in_memory(vectors(name), [(0.1, 0), (10.0, 0), (0.1, 1), (10.0, 1), (1.0, 0), (1.0, 0)])
    labels = [label for _, label in labels_of(runs)]
    assert labels[:2] == labels[2:4]
    assert len({*labels}) == 3
    assert "pixels" not in labels
    rows = scoring.score(runs, CHEAP, repeats=2, baselines=["pixels"])
    assert sorted((summary.runs, summary.repeats) for summary in scoring.summarise(rows)) == [(1, 2), *[(2, 2)] * 3]
    assert len(scoring.rank(rows, scoring.terms_of(runs))) == 6
    assert len({name for _, _, name in named(runs)}) == 6


@pytest.mark.parametrize("form", ["{}/run", "beta{}", "beta{}-seed0"])
@pytest.mark.parametrize("is_relative", [True, False])
def test_runs_on_disk_are_ranked_wherever_they_lie(
    form: str, is_relative: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data, base = vectors(), Path() if is_relative else tmp_path
    runs = []
    for number in range(5):
        vae = BetaVAE(data.shape, 2, hidden=(5,), beta=1.0 + number)
        fit(vae, data, steps=1, out=base / form.format(number))
        runs.append(load_run(base / form.format(number), dataset=data))
    rows = scoring.score(runs, CHEAP, repeats=1, baselines=["pixels"])
    assert len(scoring.rank(rows, scoring.terms_of(runs))) == 5
    correlations = scoring.rank_correlations(rows)
    assert correlations is not None
    assert correlations.runs == 5


def test_a_run_is_scored_with_the_labels_that_it_saw_beside_any_other(
    cli: Cli, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    common = ["--dataset", "digits", "--program", "semi-supervised", "--hidden", "8", "--steps", "3", "--no-figures"]
    for name, options in {"few": ["--labelled", "20"], "many": ["--labelled", "900"],
                          "other": ["--labelled", "20", "--seed", "1"], "all": []}.items():  # fmt: skip
        cli("fit", *common, *options, "--out", name)

    def opened(*names: str) -> list[Run]:
        return sharing([load_run(Path(name)) for name in names])

    for first in ("few", "many", "other", "all"):
        for run in opened(first, "few", "many", "other", "all"):
            assert run.path is not None
            own = load_run(run.path).dataset().beside["labels"]
            assert torch.equal(run.dataset().beside["labels"], own)
    data = load_run(Path("few")).dataset()
    assert isinstance(load_run(Path("few")).model, SemiSupervised)
    kept = replace(data, factors=data.labels[:, None], factor_names=["digit"])
    kept.__dict__["fingerprint"] = data.fingerprint
    runs = {name: load_run(Path(name)) for name in ("few", "many")}
    alone = scoring.score([replace(runs["few"], _dataset=kept)], ["irs", "mig"], repeats=1)[0].scores
    beside = scoring.score([replace(runs["many"], _dataset=with_labels_of("many", kept)), runs["few"]],
                           ["irs", "mig"], repeats=1)[-1].scores  # fmt: skip
    assert beside == alone


def with_labels_of(name: str, data: Dataset) -> Dataset:
    labels = load_run(Path(name)).dataset().beside["labels"]
    other = replace(data, extra={**data.extra, "labels": labels})
    other.__dict__["fingerprint"] = data.fingerprint
    return other
