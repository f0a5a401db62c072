"""What a comparison says of its runs: means over seeds, slopes, and what it has measured already."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev

import pytest
from compared import finished, row, sweep

from pyro_bvae import load_run
from pyro_bvae.comparison import LabelSummary, MeanDeviation, RunRow, departure, on_curves, summarise
from pyro_bvae.comparison.measurements import measured
from pyro_bvae.runs.run import Run


@pytest.mark.parametrize("text", ["", "[]", '{"elbo": "x"}', "elbo", "null"])
def test_a_damaged_evaluation_is_made_anew(text: str, digits_run: Run, tmp_path: Path) -> None:
    shutil.copytree(digits_run.path, tmp_path / "run")
    run = load_run(tmp_path / "run")
    first = measured(run, "a", 0)
    whole = json.loads((run.path / "evaluation.json").read_text())
    text = json.dumps(whole | {"elbo": "x", "data": 7}) if text == "elbo" else text
    (run.path / "evaluation.json").write_text(text)
    assert measured(run, "a", 0) == first
    assert json.loads((run.path / "evaluation.json").read_text()) == whole


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_numbers_that_are_not_finite_are_measured_once(
    value: float, digits_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = load_run(shutil.copytree(digits_run.path, tmp_path / "run"))
    with monkeypatch.context() as patched:
        patched.setattr("pyro_bvae.evaluation.evaluation.psnr", lambda _: value)
        first = measured(run, "a", 0)
    again = measured(run, "a", 0)  # with another psnr, which is not asked for
    assert repr(again) == repr(first)
    assert repr(again.psnr) == repr(value)


def test_summaries_are_means_and_deviations_over_seeds() -> None:
    rows = [row("a", mse=value, ssim=None) for value in (1.0, 2.0, 4.5)] + [row("b", mse=7.0)]
    one, other = summarise(rows)
    assert (one.label, one.seeds, other.seeds) == ("a", 3, 1)
    assert one.measures["mse"] == (mean([1, 2, 4.5]), stdev([1, 2, 4.5]))
    assert one.measures["ssim"] is None
    assert other.measures["mse"] == (7.0, None)


def test_a_label_counts_its_runs_that_were_still_falling() -> None:
    (summary,) = summarise([row("a", still_falling=falling) for falling in (True, False, True)])
    assert summary.still_falling == summary.as_dict()["still_falling"] == 2


def test_runs_that_differ_in_beta_and_seed_have_a_slope_of_minus_beta(tmp_path: Path) -> None:
    betas = [2 * 1.05**power for power in range(5)]
    rows = on_curves(sweep(tmp_path, betas))
    assert {line.curve for line in rows} == {"gaussian"}
    inner = [line for line in rows if line.beta in betas[1:-1]]
    assert [line.slope for line in inner] == pytest.approx([-line.beta for line in inner], rel=1e-3)
    assert departure(summarise(rows)) < 1e-3


def test_other_settings_make_other_curves_and_moving_betas_none(tmp_path: Path) -> None:
    betas = [1.0, 2.0, 4.0]
    wide = sweep(tmp_path / "wide", betas, latent_dim=10, device="cpu", mean_link="sigmoid")  # which follows
    narrow = sweep(tmp_path / "narrow", betas[:2], latent_dim=5, device="cuda", mean_link="identity")
    matched = sweep(tmp_path / "matched", betas, latent_dim=10, mean_link="sigmoid", match_rate=20.0)
    rows = on_curves([*wide, *narrow, *matched])
    expected = {"latent-dim 10": 6, "latent-dim 5": 4, None: 6}
    assert {curve: [line.curve for line in rows].count(curve) for curve in expected} == expected
    assert [line.slope is None for line in rows] == [False] * 6 + [True] * 10


def test_other_objectives_and_beta_zero_have_no_slope(tmp_path: Path) -> None:
    other = sweep(tmp_path / "other", [1.0, 2.0, 4.0], elbo="Capacity(num_particles=1)")
    zero = finished(tmp_path / "zero", 9.0, beta=0.0, seed=0)
    rows = on_curves([*other, *sweep(tmp_path, [1.0, 2.0, 4.0]), zero])
    assert [line.slope is None for line in rows] == [True] * 6 + [False] * 6 + [True]
    assert rows[-1].curve == "gaussian"


def test_the_departure_is_the_median_of_rates_above_one_nat_between_the_ends() -> None:
    points = [
        (3.0, 0.5, -9.0),
        (2.0, 1.0, -1.5),
        (2.0, 2.0, -2.2),
        (2.0, 4.0, -9.0),
        (0.5, 8.0, -8.0),
        (2.0, 8.0, None),
    ]
    summaries = [
        LabelSummary(str(point), "density", 1, "one", slope,
                     {"rate": MeanDeviation(rate, 0.0), "beta": MeanDeviation(beta, 0.0)}, {})
        for point, (rate, beta, slope) in enumerate(points)
    ]  # fmt: skip
    assert departure(summaries) == pytest.approx(0.5)
    assert departure(summaries[4:]) is None


def test_an_evaluation_is_restored_unless_another_version_wrote_other_columns() -> None:
    counts = {"seed": 0, "step": 3, "active_units": 1, "particles": 0, "images": 7, "still_falling": False}
    texts = {"run": "r", "data": "d"}
    written = row("a", kl_per_latent=[1.0, 0.0], scores={"mig": 0.5, "irs": None}, **counts, **texts)
    stored = written.as_stored()
    restored = RunRow.from_stored(json.loads(json.dumps(stored)))
    assert restored is not None
    assert (restored.as_stored(), restored.scores) == (stored, {"mig": 0.5, "irs": None})
    assert RunRow.from_stored({name: value for name, value in stored.items() if name != "ssim"}) is None
    assert RunRow.from_stored(stored | {"a column of another day": 1.0}) is None
    trees = replace(written, scores={"mig": 0.5, "dci-completeness": 0.4}).as_stored()
    assert trees["booster"] == "presorted"
    assert RunRow.from_stored(trees).scores == {"mig": 0.5, "dci-completeness": 0.4}
    said_nothing = {name: value for name, value in trees.items() if name != "booster"}  # as older versions
    for other in (trees | {"booster": "histogram"}, said_nothing):
        assert RunRow.from_stored(other).scores == {"mig": 0.5}
    older = RunRow.from_stored({name: value for name, value in stored.items() if name != "rate_standard_error"})
    assert older is not None
    assert older.rate_standard_error is None
