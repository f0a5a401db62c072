"""Runs are ranked without factors by what seeds agree on, and scores are compared by their ranks over runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli
from scipy.stats import spearmanr
from scipy.stats import t as students_t

from pyro_bvae import plots, scoring
from pyro_bvae.runs.run import Run
from pyro_bvae.scoring import ScoreRow
from pyro_bvae.terms import MeanTerms, mean_terms


def made(scores: Sequence[dict[str, float | None]], repeats: int = 1) -> list[ScoreRow]:
    """Rows of so many runs, a repeat later each score a little higher."""
    return [
        ScoreRow("a", f"run{seed}", seed, repeat, [1.0, 0.001], {},
                 {name: None if value is None else value + 0.01 * repeat for name, value in of_run.items()})
        for seed, of_run in enumerate(scores)
        for repeat in range(repeats)
    ]  # fmt: skip


def terms(number: int) -> dict[str, MeanTerms]:
    return {f"run{seed}": MeanTerms(100.0 + seed, 10.0, [1.0, 0.001]) for seed in range(number)}


def test_correlations_are_spearmans_of_the_means_over_repeats() -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=(8, 3)).round(1)  # with ties
    names = ("mig", "sap", "irs")
    rows = made([dict(zip(names, row.tolist(), strict=True)) for row in values], repeats=2)
    correlations = scoring.rank_correlations(rows)
    assert correlations.columns == [*names]
    np.testing.assert_allclose(correlations.table, spearmanr(values).statistic, atol=1e-9)
    assert correlations.runs == 8
    assert students_t.sf(correlations.by_chance * (6 / (1 - correlations.by_chance**2)) ** 0.5, 6) == pytest.approx(
        0.025
    )


def test_scores_that_are_missing_or_all_equal_have_no_correlation() -> None:
    scores = [
        {"mig": seed / 10, "sap": 0.5, "irs": -float(seed), "dci": None if seed == 2 else 0.1 * seed}
        for seed in range(5)
    ]
    correlations = scoring.rank_correlations(made(scores))
    assert correlations.columns == ["mig", "irs"]
    np.testing.assert_allclose(correlations.table, [[1, -1], [-1, 1]])
    assert scoring.rank_correlations(made(scores[:4])) is None
    assert scoring.rank_correlations(made([{"mig": 0.1 * seed} for seed in range(6)])) is None
    baselines = [replace(row, is_baseline=True) for row in made(scores)]
    assert scoring.rank_correlations(baselines) is None
    json.dumps(correlations.as_dict())


def test_runs_come_by_udr_and_those_without_by_elbo() -> None:
    ranked = scoring.rank(made([{"udr": 0.2}, {"udr": None}, {"udr": 0.7}, {"udr": None}], repeats=3), terms(4))
    assert [one.run for one in ranked] == ["run2", "run0", "run1", "run3"]
    first = ranked[0]
    assert (first.udr, first.active_units, first.rate, first.distortion, first.elbo) == pytest.approx(
        (0.71, 1, 10, 102, -112)
    )


def test_a_run_may_be_called_like_a_baseline() -> None:
    rows = made([{"udr": 0.5}, {"udr": 0.9}])
    baseline = ScoreRow("pca", "run0", None, 0, None, {}, {"mig": 0.2}, is_baseline=True)
    expected = scoring.rank(rows, terms(2))
    assert scoring.rank([baseline, *rows], terms(2)) == scoring.rank([*rows, baseline], terms(2)) == expected


def test_a_line_says_what_the_order_is_worth() -> None:
    alone = made([{"udr": None}, {"udr": None}])
    assert "no order: udr compares runs that differ in the seed" in scoring.worth(scoring.rank(alone, terms(2)), alone)
    few = made([{"udr": 0.2}, {"udr": 0.3}])
    assert "whether seeds agree, not on what" in scoring.worth(scoring.rank(few, terms(2)), few)
    known = made([{"udr": 0.1 * seed, "mig": -0.1 * seed, "dci-disentanglement": 0.5} for seed in range(5)])
    line = scoring.worth(scoring.rank(known, terms(5)), known)
    assert line == "worth: over these 5 runs the rank correlation of udr is -1.00 with mig"


def test_terms_are_those_of_held_out_data(runs: list[Run]) -> None:
    of_runs = scoring.terms_of(runs)
    data = runs[2].dataset()
    expected = mean_terms(runs[2].model, data.images[data.held_out])
    assert of_runs[str(runs[2].path)].rate == pytest.approx(expected.rate, rel=1e-5)
    assert len(of_runs) == 3


def test_score_ranks_prints_and_writes(cli: Cli, runs: list[Run], here: Path) -> None:
    arguments = ["score", *[run.path for run in runs], "--metric", "mig", "--rank", "--repeats", 1, "--out", "s/scores"]
    result = cli(*arguments, "--no-figures")
    assert result.exit_code == 0, result.stderr
    assert "runs, from the one that other seeds agree with most" in result.stdout
    assert "worth: udr says whether seeds agree" in result.stdout
    stored = json.loads(Path("s/scores.json").read_text())
    assert [one["udr"] is None for one in stored["ranking"]] == [False, False, True]
    assert {one["run"] for one in stored["ranking"]} == {str(run.path) for run in runs}
    assert "rank_correlations" not in stored
    printed = json.loads(cli(*arguments, "--no-figures", "--json").stdout)
    assert printed["ranking"] == stored["ranking"]


def test_five_runs_have_a_table_and_a_figure_of_correlations(
    cli: Cli, runs: list[Run], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = made([{"mig": 0.1 * seed, "irs": (seed - 2.0) ** 2 + 0.1 * seed, "udr": 0.1} for seed in range(6)])
    monkeypatch.setattr(scoring, "score", lambda *_, **__: rows)
    monkeypatch.setattr(scoring, "terms_of", lambda _: terms(6))
    monkeypatch.setattr("pyro_bvae.scoring.report.figures", lambda *_: {})
    result = cli("score", runs[0].path, "--rank", "--out", "s/scores")
    assert result.exit_code == 0, result.stderr
    assert "rank correlations of scores over 6 runs" in result.stdout
    assert "6 runs; two unrelated scores exceed ±0.81 in one of twenty cases" in result.stdout
    stored = json.loads(Path("s/scores.json").read_text())
    assert stored["rank_correlations"]["spearman"]["mig"]["mig"] == 1
    assert Path("s/scores-correlations.png").stat().st_size > 1000


def test_the_figure_shows_the_numbers() -> None:
    table = np.array([[1.0, -0.25], [-0.25, np.nan]])
    figure = plots.rank_correlations(table, ["mig", "sap"], "a note")
    shown = figure.axes[0].get_images()[0]
    np.testing.assert_array_equal(np.ma.filled(shown.get_array(), np.nan), table)
    assert shown.get_clim() == (-1, 1)
    assert [text.get_text() for text in figure.axes[0].texts] == ["1.00", "-0.25", "-0.25"]
