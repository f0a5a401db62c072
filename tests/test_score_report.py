"""What is reported of scores is what the metrics say: summaries, figures, the command line, columns of a comparison."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from math import isfinite
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import pytest
import torch
from conftest import Cli
from PIL import Image
from pyro_bvae_cli.progress import Counter

from pyro_bvae import load_run, metrics, plots, scoring
from pyro_bvae.codes import encode
from pyro_bvae.comparison.measurements import measured
from pyro_bvae.metrics.arrays import as_classes
from pyro_bvae.runs.run import Run
from pyro_bvae.scoring import ScoreRow, ScoreSettings, report
from pyro_bvae.settings import names
from pyro_bvae.terms import mean_terms

HEAT_MAPS = ("information", "importances", "nearest_information", "one_to_one")


def test_summaries_are_of_repeats_within_runs_and_of_runs() -> None:
    values = {("r", 0): (0.1, 0.3), ("r", 1): (0.5, 0.5), ("r", 2): (0.6, 0.8)}
    rows = [
        ScoreRow("a", run, seed, repeat, None, missing={"sap": "why"}, scores={"mig": value, "sap": None})
        for (run, seed), pair in values.items()
        for repeat, value in enumerate(pair)
    ]
    (line,) = scoring.summarise(rows)
    score = line.scores["mig"]
    assert (line.runs, line.repeats, line.scores["sap"], line.missing) == (3, 2, None, {"sap": "why"})
    assert score.mean == pytest.approx(mean([0.2, 0.5, 0.7]))
    assert score.runs == pytest.approx(stdev([0.2, 0.5, 0.7]))
    assert score.repeats == pytest.approx(mean([stdev(pair) for pair in values.values()]))
    half = 4.302652729911275 * score.runs / 3**0.5  # Student's t at 97.5% with two degrees of freedom
    assert score.mean - half < 0 < 1 < score.mean + half
    assert score.interval == (0, 1)
    near = [replace(row, scores={"mig": 0.5 + 0.01 * row.scores["mig"]}) for row in rows]
    (line,) = scoring.summarise(near)
    assert line.scores["mig"].interval == pytest.approx(
        (0.5 + 0.01 * (score.mean - half), 0.5 + 0.01 * (score.mean + half))
    )
    assert scoring.summarise(rows[:2])[0].scores["mig"].interval is None


@pytest.mark.parametrize("column", scoring.score_columns(scoring.METRICS))
@pytest.mark.parametrize("runs", [2, 3, 5])
def test_an_interval_stays_within_the_range_of_its_score(column: str, runs: int) -> None:
    metric = next(metric for name, metric in scoring.METRICS.items() if column in scoring.score_columns([name]))
    least, most = metric.limits
    most = 4 if metric.counts_latents else most
    for extreme in (value for value in (least, most) if isfinite(value)):
        values = [extreme, *[extreme + (0.5 if extreme == least else -0.5)] * (runs - 1)]
        rows = [ScoreRow("a", "r", seed, 0, [1.0] * 4, {}, {column: value}) for seed, value in enumerate(values)]
        low, high = scoring.summarise(rows)[0].scores[column].interval
        assert least <= low <= mean(values) <= high <= most


def test_the_kl_of_each_latent_is_summarised_a_run(runs: list[Run]) -> None:
    rows = scoring.score(runs[:2], ["mig"], repeats=2, baselines=["pca"])
    baseline_line, line = scoring.summarise(rows)
    assert baseline_line.kl_per_latent == []
    data = runs[0].dataset()
    expected = [mean_terms(run.model, data.images[data.held_out]).kl_per_latent for run in runs[:2]]
    assert line.kl_per_latent == expected


def test_the_protocols_name_factors_pairs_and_points(runs: list[Run]) -> None:
    assert report.protocols(runs[0].dataset(), ["mig", "beta-vae"]).keys() == {"beta-vae"}
    used = report.protocols(runs[0].dataset(), names.METRICS)
    assert used["beta-vae"].factors == ["shape", "x", "y", "size"]  # the colour is constant
    assert used["beta-vae-paper"].factors == ["x", "y", "size"]
    assert (used["beta-vae"].pairs, used["beta-vae"].points) == (64, 10_000)


def test_figures_show_the_numbers(runs: list[Run]) -> None:
    drawn = report.figures(runs[0])
    assert drawn.keys() == {*HEAT_MAPS, "responses", "factor_traversal"}
    data = runs[0].dataset()
    shown = np.asarray(drawn["importances"].axes[0].get_images()[0].get_array())
    codes = encode(runs[0].model, data.images).loc
    np.testing.assert_allclose(shown, metrics.dci(codes, data.factors).importances, atol=1e-6)
    assert len(drawn["responses"].axes) == 3 * 6  # a map over x and y, and lines of five factors


def test_a_rare_value_takes_one_figure_away_and_no_other(runs: list[Run]) -> None:
    data = runs[0].dataset()
    factors = torch.cat([data.factors, torch.zeros(len(data), 1, dtype=torch.int64)], dim=1)
    test = np.random.default_rng(0).permutation(80)[53:]
    factors[test[0], -1] = 1  # no training point of DCI has it
    rare = replace(data, factors=factors, factor_names=[*data.factor_names, "rare"], factor_sizes=None)
    drawn = report.figures(replace(runs[0], _dataset=rare))
    assert drawn.keys() == {*HEAT_MAPS, "responses", "factor_traversal"} - {"importances"}


def test_heat_maps_are_of_data_from_everywhere(runs: list[Run], monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(report, "INFORMATION_POINTS", 40)
    monkeypatch.setattr(report, "one_to_one", lambda z, v, **kinds: seen.append(v) or metrics.one_to_one(z, v, **kinds))
    report.figures(runs[0], settings=ScoreSettings(booster="histogram"))
    every = as_classes(runs[0].dataset().factors)
    assert len(seen[0]) == 40
    assert not np.array_equal(seen[0], every[:40])  # of dSprites these would be squares and ellipses, and no heart
    np.testing.assert_array_equal(seen[0].max(0), every.max(0))


def test_responses_are_means_of_codes_at_each_value() -> None:
    codes, factors = np.array([[0.0, 9.0], [2.0, 9.0], [7.0, 9.0]]), np.array([[0], [0], [1]])
    figure = plots.responses(codes, factors, ["x"], kl=[0.001, 2.0])
    rows = [panel.get_lines()[0].get_ydata().tolist() for panel in figure.axes]
    assert rows == [[9.0, 9.0], [1.0, 7.0]]  # the second latent first: it has the higher KL
    assert figure.axes[0].get_ylabel() == "z1  2.00"


def test_responses_to_a_position_are_maps_of_mean_codes() -> None:
    factors = np.array([[0, 0, 0], [0, 0, 1], [0, 1, 0], [2, 0, 0]])  # y, x and a shape
    figure = plots.responses(np.array([[1.0], [2.0], [-3.0], [5.0]]), factors, ["posY", "posX", "shape"])
    shown = figure.axes[0].get_images()[0]
    nan = np.nan  # where there are no data
    np.testing.assert_array_equal(np.ma.filled(shown.get_array(), nan), [[1.5, -3], [nan, nan], [5, nan]])
    assert shown.get_clim() == (-5, 5)
    assert [panel.get_title() for panel in figure.axes] == ["posX, posY", "posY", "posX", "shape"]


def test_a_traversal_names_the_factor_beside_its_latent(runs: list[Run]) -> None:
    from pyro_bvae import traverse

    figure = plots.traversal(traverse(runs[0].model, torch.zeros(1, 3), columns=2), notes=["x", "", "size"])
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["x  z0", "z1", "size  z2"]
    assert report.followed(np.array([[0.2, 0.6], [0.0, 0.05]]), ["x", "y"]) == ["y", ""]


def test_score_prints_writes_and_draws(cli: Cli, runs: list[Run], here: Path) -> None:
    arguments = [
        "score",
        *[run.path for run in runs[:2]],
        "--repeats",
        2,
        "--baseline",
        "ground-truth",
        "--out",
        "s/scores",
    ]
    chosen = [part for name in ("beta-vae", "mig", "sap", "udr") for part in ("--metric", name)]
    result = cli(*arguments, *chosen)
    assert result.exit_code == 0, result.stderr
    assert "a: 2 runs, 2 repeats each" in result.stdout
    assert "4 factors (shape, x, y, size), 64 pairs, 10,000 + 5,000 points, LogisticRegression()" in result.stdout
    for what in ("encoding 80", "mig", "figures"):
        assert f"{runs[1].path}: {what}\n" in result.stderr
    assert "ground-truth: mig" in result.stderr
    assert result.stdout.count("KL of z0 to z2, nats") == 2
    stored = json.loads(Path("s/scores.json").read_text())
    with open("s/scores.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(stored["scores"]) == 2 + 4
    assert float(rows[-1]["sap"]) == stored["scores"][-1]["sap"]
    for name in (*HEAT_MAPS, "responses", "factor_traversal"):
        with Image.open(runs[0].path / "figures" / f"{name}.png") as picture:
            assert min(picture.size) > 100


def test_json_is_the_file_and_the_same_twice(cli: Cli, runs: list[Run]) -> None:
    arguments = ["score", runs[2].path, "--metric", "mig", "--metric", "sap", "--no-figures", "--json"]
    first, again = cli(*arguments), cli(*arguments)
    assert first.exit_code == 0, first.stderr
    assert first.stdout == again.stdout
    content, stored = json.loads(first.stdout), json.loads((runs[2].path / "scores-mig-sap.json").read_text())
    assert {name: content[name] for name in stored} == stored
    assert content["summary"][0]["scores"]["mig"]["runs"] is None


@pytest.mark.parametrize(
    ("options", "message", "code"),
    [
        (["--metric", "mgi"], "did you mean 'mig'", 2),
        (["--baseline", "pac"], "did you mean 'pca'", 2),
        (["--repeats", "0"], "is not in the range", 2),
        (["--metric", "udr"], "udr needs at least two runs", 1),
    ],
)
def test_mistakes_end_in_one_line(options: list[str], message: str, code: int, cli: Cli, runs: list[Run]) -> None:
    result = cli("score", runs[2].path, *options)
    assert result.exit_code == code
    assert message in result.stderr.splitlines()[-1]


def test_compare_shows_scores_as_columns(cli: Cli, here: Path, runs: list[Run]) -> None:
    paths = [run.path for run in runs[1:]]
    result = cli("compare", *paths, "--metric", "mig", "--metric", "dci", "--out", "c")
    assert result.exit_code == 0, result.stderr
    assert "dci-disentanglement" in result.stdout.splitlines()[0]
    stored = json.loads(Path("c/comparison.json").read_text())
    (expected,) = scoring.score([load_run(paths[0])], ["mig"], repeats=1)
    assert stored["runs"][0]["mig"] == pytest.approx(expected.scores["mig"])
    assert stored["summary"][0]["mig"] == [stored["runs"][0]["mig"], None]


def test_a_comparison_measures_anew_what_was_not_scored(runs: list[Run]) -> None:
    rows = [measured(runs[2], "b", 0, chosen) for chosen in ((), ("mig",), ("mig",), ("sap",), ())]
    assert [[*row.scores] for row in rows] == [[], ["mig"], ["mig"], ["sap"], []]
    assert rows[1] == rows[2]


def test_trees_of_an_older_version_are_grown_anew(runs: list[Run], cli: Cli, here: Path) -> None:
    kept = here / "a"
    shutil.copytree(runs[2].path, kept)
    command = ("compare", kept, "--metric", "dci", "--no-figures", "--out", "c")
    assert cli(*command).exit_code == 0
    file = Path("c/comparison.json")
    content = json.loads(file.read_text())
    taken = content["runs"][0]["dci-completeness"]
    del content["runs"][0]["booster"]
    content["runs"][0]["dci-completeness"] = 0.123
    file.write_text(json.dumps(content))
    assert cli("compare", kept, "--metric", "mig", "--no-figures", "--out", "c").exit_code == 0
    assert json.loads(file.read_text())["runs"][0]["dci-completeness"] == pytest.approx(taken)


def test_compare_says_before_it_fits_that_data_have_no_factors(cli: Cli, here: Path) -> None:
    result = cli("compare", "--metric", "mig", "--steps", "2", "--out", "c")
    assert result.exit_code == 1
    assert "mig needs data with ground-truth factors; for digits there are" in result.stderr
    assert not list(here.rglob("checkpoint.pt"))


def test_progress_is_a_line_a_step_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    counter = Counter()
    for done in (1, 2, 3):
        counter("encoding", done, 3)
    counter("mig", 1, 1)
    counter.close()
    assert capsys.readouterr().err == "encoding\nmig\n"
