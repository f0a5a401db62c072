"""How scores are taken: active latents alone, chosen factors, draws of z, bins of equal count, by factor."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from codes import FEW, grid
from conftest import Cli

from pyro_bvae import BetaVAE, fit, metrics, results, scoring
from pyro_bvae.codes import encode
from pyro_bvae.datasets import Dataset
from pyro_bvae.runs.run import Run
from pyro_bvae.scoring import METRICS, Representation, ScoreSettings, score_representations
from pyro_bvae.settings import names

FACTORS = grid(5, 6, 7)
ACTIVE = [name for name, metric in METRICS.items() if metric.whole is not None]


def data_of(factors: np.ndarray) -> Dataset:
    """Data of those factors."""
    listed = [f"f{column}" for column in range(factors.shape[1])]
    return Dataset("made", torch.zeros(len(factors), 1), factors=torch.tensor(factors), factor_names=listed)


def scores_of(codes: np.ndarray, kl: list[float] | None, **settings: object) -> dict[str, float | None]:
    """The scores of codes with a KL, of the metrics that are taken of the active latents as well."""
    chosen = [name for name in METRICS if name in ACTIVE or f"{name}-active" in ACTIVE]
    one = Representation("a", "a", 0, codes, kl)
    (row,) = score_representations(
        [one], data_of(FACTORS), chosen, repeats=1, settings=ScoreSettings(booster="histogram", **settings)
    )
    return dict(row.scores)


@pytest.mark.parametrize("kl", [[1.0] * 3 + [0.005] * 3, None])
def test_dead_latents_count_in_the_scores_of_all_and_not_in_those_of_the_active(kl: list[float] | None) -> None:
    alive = FACTORS.astype(np.float64)
    copies = 0.005 * alive  # of a deviation of at most .01
    scores = scores_of(np.hstack([alive, copies]), kl)
    alone = scores_of(alive, [1.0] * 3)
    assert scores["mig"] == pytest.approx(0, abs=1e-9)
    assert scores["mig-active"] == pytest.approx(1)
    for name in ACTIVE:
        for column in scoring.score_columns([name]):
            assert scores[column] == pytest.approx(alone[column], abs=1e-9), column
            assert alone[column] == alone[column.removesuffix("-active")]  # where all are active


def test_without_an_active_latent_there_is_no_score_of_them() -> None:
    one = Representation("a", "a", 0, FACTORS.astype(float), [0.0] * 3)
    (row,) = score_representations([one], data_of(FACTORS), ["mig-active", "irs-active", "sap-active"], repeats=1)
    assert set(row.scores.values()) == {None}
    assert set(row.missing.values()) == {"no latent is active"}
    two = Representation("a", "a", 0, FACTORS.astype(float), [1.0, 0.0, 0.0])
    (row,) = score_representations([two], data_of(FACTORS), ["mig-active", "modularity-active"], repeats=1)
    assert "defined from 2 latents on" in row.missing["mig-active"]
    assert row.scores["modularity-active"] == pytest.approx(1)


def test_pixels_have_no_active_latents() -> None:
    one = Representation("pixels", "pixels", None, lambda x: np.zeros((len(x), 1)))
    (row,) = score_representations([one], data_of(FACTORS), ["irs-active"], repeats=1)
    assert row.missing["irs-active"] == "no latent is active"


def test_scores_of_factors_average_to_the_score() -> None:
    random = np.random.default_rng(0)
    z = FACTORS + random.normal(size=FACTORS.shape) * [0.1, 1, 5]
    more = np.column_stack([FACTORS[:, :1], np.full(len(z), 3), FACTORS[:, 1:]])
    for of_factors, score in (
        (metrics.mig_of_factors, metrics.mig),
        (metrics.sap_of_factors, metrics.sap),
        (metrics.explicitness_of_factors, metrics.explicitness),
    ):
        each = of_factors(z, more)
        assert np.isnan(each).tolist() == [False, True, False, False]
        assert np.nanmean(each) == pytest.approx(score(z, FACTORS))
        np.testing.assert_allclose(each[[0, 2, 3]], of_factors(z, FACTORS))
        assert each[0] > each[3]  # which is noisier
    votes = metrics.factor_vae_votes(z, more, **FEW)
    each = votes.of_factors(4)
    assert votes.score == metrics.factor_vae_score(z, more, **FEW)
    assert np.isnan(each).tolist() == [False, True, False, False]
    assert votes.score == pytest.approx(np.average(each[[0, 2, 3]], weights=np.bincount(votes.held)[[0, 2, 3]]))


def test_a_factor_that_the_code_ignores_is_at_chance_and_the_others_are_not() -> None:
    z = np.column_stack([FACTORS[:, :2], np.random.default_rng(0).normal(size=len(FACTORS))]).astype(float)
    first, second, ignored = metrics.mig_of_factors(z, FACTORS)
    assert (first, second) == pytest.approx((1, 1), abs=0.15)
    assert ignored < 0.15
    chosen = scoring.of_factors(data_of(FACTORS), ["f1", "f0"])
    assert chosen.factor_names == ["f0", "f1"]
    assert metrics.mig(z, chosen.factors) == pytest.approx((first + second) / 2)


def test_the_names_of_factors_are_checked() -> None:
    with pytest.raises(ValueError, match="did you mean 'f1'"):
        scoring.of_factors(data_of(FACTORS), ["ff1"])
    with pytest.raises(ValueError, match="no factors to choose from"):
        scoring.of_factors(Dataset("a", torch.zeros(3, 1)), ["x"])
    for wrong in ({"booster": "exactly"}, {"bins": "widths"}, {"codes": "means"}):
        with pytest.raises(ValueError, match="did you mean"):
            ScoreSettings(**wrong)


def test_bins_of_equal_count_bear_an_outlier_and_any_change_that_keeps_the_order() -> None:
    random = np.random.default_rng(0)
    factors = random.integers(8, size=(10_000, 2))
    z = factors + 0.1 * random.normal(size=factors.shape)
    far = z.copy()
    far[0] += 100
    by_width, by_count = (metrics.mig(z, factors, binning=binning) for binning in ("width", "quantile"))
    assert metrics.mig(far, factors) < by_width - 0.5
    assert metrics.mig(far, factors, binning="quantile") == pytest.approx(by_count, abs=0.005)
    assert metrics.mig(np.exp(3 * z), factors, binning="quantile") == pytest.approx(by_count, abs=1e-9)
    assert by_count > 0.85


def test_bins_of_equal_count_by_hand() -> None:
    z, v = np.array([[0.0], [1.0], [2.0], [90.0]]), np.array([[0], [0], [1], [1]])
    assert metrics.mutual_information(z, v, bins=2, binning="quantile") == pytest.approx(np.log(2))
    assert metrics.mutual_information(z, v, bins=2) < np.log(2) - 0.1  # 90 is alone in its bin
    assert metrics.mutual_information(np.ones((4, 1)), v, binning="quantile") == 0


def test_mig_sup_sees_that_a_latent_has_two_factors_and_mig_that_a_factor_has_two_latents() -> None:
    both = FACTORS[:, :1] * 6 + FACTORS[:, 1:2]
    assert metrics.mig_sup(np.hstack([both, FACTORS[:, 2:]]), FACTORS) == pytest.approx(0.5, abs=0.15)
    assert metrics.mig_sup(np.hstack([FACTORS, FACTORS]), FACTORS) == pytest.approx(1)
    assert metrics.mig(np.hstack([FACTORS, FACTORS]), FACTORS) == pytest.approx(0)
    assert metrics.mig_sup(np.hstack([FACTORS, np.zeros_like(FACTORS)]), FACTORS) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="at least 2 factors that vary"):
        metrics.mig_sup(FACTORS, FACTORS[:, :1])


def test_the_command_takes_and_writes_all_of_them(cli: Cli, runs: list[Run], here: Path) -> None:
    chosen = ["--metric", "mig", "--metric", "factor-vae", "--metric", "mig-chen", "--metric", "dci"]
    options = [
        "--active-only",
        "--factors",
        "x, y",
        "--bins",
        "quantile",
        "--booster",
        "histogram",
        "--codes",
        "sample",
    ]
    result = cli("score", runs[0].path, *chosen, *options, "--repeats", 1, "--no-figures", "--out", "s")
    assert result.exit_code == 0, result.stderr
    (row,) = json.loads(Path("s.json").read_text())["scores"]
    data = scoring.of_factors(runs[0].dataset(), ["x", "y"])
    codes = encode(runs[0].model, data.images)
    noise = np.random.default_rng(0).standard_normal(codes.loc.shape, dtype=np.float32)
    order = np.random.default_rng(0).permutation(len(data))
    z = (codes.loc.numpy() + codes.scale.numpy() * noise)[order]
    each = metrics.mig_of_factors(z, data.factors[order], binning="quantile")
    assert [row["mig[x]"], row["mig[y]"]] == pytest.approx(each.tolist())
    assert row["mig"] == pytest.approx(each.mean())
    assert row["mig-chen"] == pytest.approx(metrics.mig_chen(codes.loc, codes.scale, data.factors), abs=1e-6)
    assert {"mig-active", "dci-disentanglement-active"} <= {*row}
    with open("s.csv", newline="") as file:
        (line,) = csv.DictReader(file)
    assert float(line["mig[y]"]) == pytest.approx(row["mig[y]"])
    assert "by factor" in result.stdout
    assert "80 points: below 3,000, mig drift" in result.stdout
    settings = {"booster": "histogram", "bins": "quantile", "codes": "sample", "factors": ["x", "y"]}
    assert json.loads(Path("s.json").read_text())["settings"] == settings
    settings["factors"] = "x,y"
    assert {**line, **settings} == line
    (flat,) = results("s.json")
    assert {**flat, **settings} == flat
    assert "taken with booster-histogram, bins-quantile, codes-sample, factors-x-y" in result.stdout
    said = cli("score", runs[0].path, "--metric", "mig", "--metric", "dci", "--booster", "histogram", "--no-figures")
    kl = json.loads((runs[0].path / "scores-mig-dci-booster-histogram.json").read_text())["summary"][0][
        "kl_per_latent"
    ][0]
    dead = sum(value <= 0.01 for value in kl)
    assert (f"{dead} latents are inactive, and mig, dci count them: --active-only" in said.stdout) == (dead > 0)
    refused = cli("score", runs[0].path, "--factors", "x,,y")
    assert (refused.exit_code, "commas between them" in refused.stderr) == (2, True)
    refused = cli("score", runs[0].path, "--factors", "colours")
    assert (refused.exit_code, "did you mean 'colour'" in refused.stderr) == (1, True)


def test_draws_are_of_diagonal_gaussians_alone(tmp_path: Path) -> None:
    data = Dataset("made", torch.rand(40, 4), factors=torch.arange(40)[:, None] % 4)
    run = fit(BetaVAE(data.shape, 2, hidden=(8,), posterior="iaf:1"), data, steps=2)
    with pytest.raises(ValueError, match="draws are taken of posteriors that are diagonal Gaussians"):
        scoring.score([run], ["mig"], repeats=1, settings=ScoreSettings(codes="sample"))
    (row,) = scoring.score([run], ["mig", "mig-chen"], repeats=1)
    assert row.scores["mig-chen"] is None
    assert row.scores["mig"] is not None


def test_mig_chen_says_where_there_is_no_factor_beside_the_shape(runs: list[Run]) -> None:
    (row,) = scoring.score(runs[:1], ["mig-chen"], repeats=1, settings=ScoreSettings(factors=("shape",)))
    assert row.missing == {"mig-chen": "it leaves the shape out, and no other factor varies"}


def test_names_of_boosters_and_bins_are_those_of_the_metrics() -> None:
    assert (names.BOOSTERS[0], names.BINNINGS[0], names.CODES[0]) == ("presorted", "width", "mean")
