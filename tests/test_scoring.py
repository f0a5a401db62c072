"""Runs and baselines are scored on the same draws, and a score that cannot be taken gives its reason."""

from __future__ import annotations

import json
from dataclasses import replace
from math import inf
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Cli

from pyro_bvae import BetaVAE, metrics
from pyro_bvae.codes import encode
from pyro_bvae.datasets import Dataset
from pyro_bvae.runs.run import Run
from pyro_bvae.scoring import (
    METRICS,
    Metric,
    ScoreSettings,
    draws,
    rank,
    registry,
    requirements,
    score_columns,
    summarise,
    terms_of,
)
from pyro_bvae.scoring import scores as scoring
from pyro_bvae.scoring.correlations import means_of_runs
from pyro_bvae.scoring.repetitions import labels_of
from pyro_bvae.scoring.representations import Representation
from pyro_bvae.settings import names
from pyro_bvae.terms import mean_terms

CHEAP = ("mig", "modularity", "irs", "total-correlation", "active-units")
ARRAYS = ("mig", "sap", "explicitness")


OF_FACTORS = {name for name, metric in METRICS.items() if metric.least_factors > 0 and metric.whole is None}
OF_ACTIVE = {name for name, metric in METRICS.items() if metric.whole is not None}


def test_no_two_metrics_share_a_column() -> None:
    columns = [column for name in METRICS for column in score_columns([name])]
    assert len({*columns}) == len(columns) == len(METRICS) + 9  # four more of three scores, one of two
    assert columns == score_columns(METRICS)


def test_a_metric_is_added_by_one_entry(runs: list[Run], monkeypatch: pytest.MonkeyPatch) -> None:
    spacing = Metric(
        lambda sample: tuple(np.quantile(np.diff(np.sort(sample.points(50)[0], axis=0), axis=0), [0.5, 1])),
        columns=("spacing-median", "spacing-largest"),
        least_latents=3,
        least_factors=0,
    )
    monkeypatch.setitem(METRICS, "spacing", spacing)
    rows = scoring.score(runs[:2], ["spacing", "mig"], repeats=2)
    assert [*rows[0].scores] == ["mig", "spacing-median", "spacing-largest"]
    assert all(0 <= row.scores["spacing-median"] < row.scores["spacing-largest"] for row in rows)
    (summary,) = summarise(rows)
    assert summary.scores["spacing-largest"].repeats > 0
    assert requirements.lacking(runs[0].dataset(), runs=2, latents=2)["spacing"] == "three latents"
    with pytest.raises(ValueError, match="metric has either take, for one run, or take_of_runs"):
        Metric()


def test_scores_are_those_of_the_metrics(runs: list[Run]) -> None:
    row = scoring.score(runs[:1], ["mig", "beta-vae", "sap"], repeats=2)[1]
    data = runs[0].dataset()
    codes = encode(runs[0].model, data.images).loc
    order = np.random.default_rng(1).permutation(len(data))
    assert row.scores["mig"] == pytest.approx(metrics.mig(codes[order], data.factors[order]))
    assert row.scores["sap"] == pytest.approx(metrics.sap(codes[order], data.factors[order], seed=1))
    assert row.scores["beta-vae"] == pytest.approx(metrics.beta_vae_score(codes, data, seed=1))
    assert (row.label, row.seed, row.repeat, row.run) == ("a", 0, 1, str(runs[0].path))


def test_images_are_encoded_once(runs: list[Run], monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def counted(vae: BetaVAE, images: torch.Tensor, **options: int) -> object:
        seen.append(len(images))
        return encode(vae, images, **options)

    monkeypatch.setattr("pyro_bvae.scoring.representations.encode", counted)
    scoring.score(runs[:2], [*CHEAP, *ARRAYS, "beta-vae", "factor-vae", "dci"], repeats=2)
    assert seen == [80, 80]


def test_seeds_share_a_label_and_other_settings_do_not(runs: list[Run]) -> None:
    assert [label for _, label in labels_of(runs)] == ["a", "a", "b"]
    rows = scoring.score(runs, ["active-units", "udr"], repeats=2)
    assert [(row.label, row.seed, row.repeat) for row in rows[:4]] == [
        ("a", 0, 0), ("a", 0, 1), ("a", 1, 0), ("a", 1, 1),
    ]  # fmt: skip
    assert all(row.scores["udr"] is not None for row in rows[:4])
    assert rows[4].scores["udr"] is None
    assert rows[4].missing == {"udr": "no other run shares its settings"}
    assert rows[0].missing == {}
    codes = [encode(run.model, run.dataset().images).loc for run in runs[:2]]
    order = np.random.default_rng(0).permutation(80)
    kl = [mean_terms(run.model, run.dataset().images[run.dataset().held_out]).kl_per_latent for run in runs[:2]]
    expected = metrics.udr([one[order] for one in codes], kl)
    assert [rows[0].scores["udr"], rows[2].scores["udr"]] == pytest.approx(expected)


def test_baselines_are_scored_with_the_seeds_of_the_runs(runs: list[Run]) -> None:
    rows = scoring.score(runs[:2], ["mig", "sap"], repeats=1, baselines=names.BASELINES)
    assert [row.label for row in rows] == [
        "ground-truth", "pixels", "pca", "pca", "ica", "ica", "untrained", "untrained", "a", "a",
    ]  # fmt: skip
    of_label = {row.label: row for row in rows}
    assert of_label["ground-truth"].scores["mig"] == pytest.approx(1)
    assert of_label["pixels"].scores["sap"] is None
    assert of_label["pixels"].missing == {"sap": "it fits something to each latent, and these are more than 256"}
    assert rows[6].scores["mig"] != rows[7].scores["mig"]


def test_data_without_factors_have_the_scores_that_need_none(digits_run: Run) -> None:
    (row,) = scoring.score([digits_run], repeats=1)
    assert [*row.as_dict()] == [
        "label", "run", "seed", "repeat", "kl_per_latent", "missing", "total-correlation", "mutual-information-score",
        "wasserstein-correlation", "wasserstein-correlation-normalised", "active-units", "probe",
    ]  # fmt: skip
    assert row.scores["active-units"] == sum(kl > 0.01 for kl in row.kl_per_latent)


def test_only_a_part_is_encoded_where_only_a_part_is_drawn(monkeypatch: pytest.MonkeyPatch, runs: list[Run]) -> None:
    monkeypatch.setattr(draws, "MOST_POINTS", 20)
    steps: list[tuple[str, int, int]] = []
    scoring.score(runs[:1], ["mig"], repeats=1, progress=lambda *step: steps.append(step))
    assert (f"{runs[0].path}: encoding 20", 20, 20) in steps
    assert steps[-2:] == [(f"{runs[0].path}: mig", 0, 1), ("scored", 1, 1)]


def test_what_else_is_scored_changes_no_score(monkeypatch: pytest.MonkeyPatch, runs: list[Run]) -> None:
    monkeypatch.setattr(draws, "MOST_POINTS", 20)
    monkeypatch.setattr(registry, "INFORMATION_POINTS", 15)
    alone, again, beside = (
        [
            row.scores["mig"]
            for row in scoring.score(runs[:1], chosen, repeats=repeats, baselines=["pca", "ica"])[::repeats]
        ]
        for chosen, repeats in ((["mig"], 1), (["mig"], 3), (["mig", "factor-vae"], 1))
    )
    assert alone == pytest.approx(again)
    assert alone == pytest.approx(beside)


def test_what_else_is_scored_changes_no_draw_of_a_code(monkeypatch: pytest.MonkeyPatch, runs: list[Run]) -> None:
    monkeypatch.setattr(draws, "MOST_POINTS", 20)
    monkeypatch.setattr(registry, "INFORMATION_POINTS", 15)
    alone, again, beside = (
        scoring.score(runs[:1], chosen, repeats=repeats, settings=ScoreSettings(codes="sample"))[0].scores["mig"]
        for chosen, repeats in ((["mig"], 1), (["mig"], 3), (["mig", "mig-chen"], 1))
    )
    assert alone == pytest.approx(again)
    assert alone == pytest.approx(beside)


def test_runs_without_a_folder_are_no_baselines(runs: list[Run]) -> None:
    kept = [replace(run, path=None) for run in runs[:2]]
    rows = scoring.score(kept, ["mig", "udr"], repeats=2, baselines=["ground-truth"])
    scored = [*means_of_runs(rows)]
    assert [name[-6:] for name in scored] == ["-seed0", "-seed1"]
    assert {one.run for one in rank(rows, terms_of(kept))} == {*scored}


def test_the_probe_is_fitted_once_a_run(digits_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = []
    monkeypatch.setattr("pyro_bvae.scoring.representations.probe_accuracy", lambda *_: fitted.append(1) or 0.5)
    (line,) = summarise(scoring.score([digits_run], ["probe", "total-correlation"], repeats=3))
    assert fitted == [1]
    assert (line.scores["probe"].mean, line.scores["probe"].repeats) == (0.5, None)
    assert line.scores["total-correlation"].repeats is not None


def test_udr_that_cannot_be_taken_gives_its_reason(runs: list[Run]) -> None:
    data = runs[0].dataset()
    codes = encode(runs[0].model, data.images).loc.numpy()
    both = [Representation("a", f"a{seed}", seed, codes, [seed and inf, 1.0, 1.0], runs[seed]) for seed in (0, 1)]
    rows = scoring.score_representations(both, data, ["mig", "udr"], repeats=1)
    assert [(row.scores["udr"], row.missing) for row in rows] == 2 * [(None, {"udr": "kl must be finite"})]
    assert all(row.scores["mig"] is not None for row in rows)


@pytest.mark.parametrize(
    ("latents", "columns", "lost"),
    [
        (3, ["shape", "x"], {"beta-vae-paper"}),
        (3, ["x"], {"beta-vae-paper", "beta-vae", "factor-vae", "mig-sup", "modularity", "dci", "infomec"}),
        (3, ["colour"], OF_FACTORS),
        (1, ["shape", "x", "y"], {"mig", "mig-chen", "sap", "dci", "mutual-information-score"}),
    ],
)
def test_by_default_all_scores_that_can_be_taken_are(
    latents: int, columns: list[str], lost: set[str], rectangles: Path, tmp_path: Path, cli: Cli
) -> None:
    with np.load(rectangles) as arrays:
        kept = [list(arrays["factor_names"]).index(name) for name in columns]
        np.savez(tmp_path / "a.npz", images=arrays["images"], factors=arrays["factors"][:, kept], factor_names=columns)
    options = ["--dataset", f"npz:{tmp_path / 'a.npz'}", "--latent-dim", latents, "--steps", 2]
    assert cli("fit", *options, "--out", tmp_path / "run").exit_code == 0
    result = cli("score", tmp_path / "run", "--repeats", 1)
    assert result.exit_code == 0, result.stderr
    not_taken = {line.split()[2] for line in result.stdout.splitlines() if line.startswith("not taken: ")}
    assert not_taken == lost | {"udr", "probe"}
    (row,) = json.loads((tmp_path / "run" / "scores.json").read_text())["scores"]
    taken = {name for name in names.METRICS if score_columns([name])[0] in row}
    assert taken == {*names.METRICS} - OF_ACTIVE - lost - {"udr", "probe"}
    for name in lost:
        refused = cli("score", tmp_path / "run", "--metric", name)
        assert (refused.exit_code, f"{name} needs" in refused.stderr) == (1, True)


def test_a_score_that_fails_gives_its_reason_and_the_others_are_kept(cli: Cli, here: Path, rectangles: Path) -> None:
    with np.load(rectangles) as arrays:
        rare = np.arange(len(arrays["images"])) == 7  # in one of the two parts alone
        np.savez("a.npz", images=arrays["images"], factors=np.column_stack([rare, arrays["factors"][:, 2]]).astype(int))
    cli("fit", "--dataset", "npz:a.npz", "--steps", 2, "--out", "run")
    result = cli("score", "run", "--metric", "explicitness", "--metric", "mig", "--repeats", 3, "--no-figures")
    assert result.exit_code == 0, result.stderr
    (explicitness,) = (line for line in result.stdout.splitlines() if line.startswith("  explicitness:"))
    assert "points hold" in explicitness
    (mig,) = (line for line in result.stdout.splitlines() if line.startswith("mig"))
    assert 0 <= float(mig.split()[1]) <= 1
    assert cli("score", "run", "--metric", "explicitness", "--repeats", 3, "--no-figures").exit_code == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (([], ["mig"]), "there must be a run"),
        ((["a"], ["mgi"]), "did you mean 'mig'"),
        ((["a"], ["mig"], ["pac"]), "did you mean 'pca'"),
        ((["a"], ["udr"]), "udr needs at least two runs"),
        ((["a"], ["probe"]), "probe needs data with labels"),
        ((["digits"], ["mig"]), "needs data with ground-truth factors; for digits"),
        ((["a", "digits"], ["mig"]), "fitted to different data: score them apart"),
        ((["a", "a"], ["mig"]), "a run is given twice"),
    ],
)
def test_mistakes_are_named(call: tuple, message: str, runs: list[Run], digits_run: Run) -> None:
    named, chosen, *baselines = call
    with pytest.raises(ValueError, match=message):
        scoring.score([{"a": runs[0], "digits": digits_run}[name] for name in named], chosen,
                      baselines=baselines[0] if baselines else ())  # fmt: skip


def test_any_arrays_can_be_scored(rectangles: Path) -> None:
    from pyro_bvae import datasets

    data: Dataset = datasets.load(f"npz:{rectangles}")
    own = Representation("mine", "mine", None, data.factors.float().numpy())
    (row,) = scoring.score_representations([own], data, ["mig", "active-units"], repeats=1)
    assert row.scores["mig"] == pytest.approx(1)
