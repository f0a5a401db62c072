"""Runs and baselines are scored on the same draws, and what is reported is what the metrics say."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from math import inf
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import pytest
import torch
from conftest import Cli
from PIL import Image
from pyro_bvae_cli.progress import Counter

from pyro_bvae import BetaVAE, comparison, fit, load_run, metrics, names, plots, scoring
from pyro_bvae import score_report as report
from pyro_bvae.codes import encode
from pyro_bvae.datasets import Dataset
from pyro_bvae.representations import Representation, baseline, encoded, labels_of
from pyro_bvae.runs import Run
from pyro_bvae.terms import mean_terms

CHEAP = ("mig", "modularity", "irs", "total-correlation", "active-units")
ARRAYS = ("mig", "sap", "explicitness")
OTHERS = {
    "data_root": "/elsewhere", "device": "cuda", "compile": True, "precision": "bf16", "eval_every": 7,
    "checkpoint_every": 7, "keep": "all", "figures_every": 7, "traverse_range": [-3.0, 3.0],
}  # fmt: skip


@pytest.fixture(scope="module")
def rectangles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An npz with every rectangle of two shapes at 4×5 places, and a constant factor."""
    path = tmp_path_factory.mktemp("data") / "rectangles.npz"
    factors = np.stack(np.meshgrid(range(2), range(4), range(5), range(2), indexing="ij"), axis=-1).reshape(-1, 4)
    images = np.zeros((len(factors), 16, 16), np.uint8)
    for image, (tall, x, y, size) in zip(images, factors, strict=True):
        image[2 * y : 2 * y + 2 + 3 * tall + size, 3 * x : 3 * x + 5 - 3 * tall + size] = 255
    colour = np.zeros((len(factors), 1), int)
    named = ["colour", "shape", "x", "y", "size"]
    np.savez(path, images=images, factors=np.hstack([colour, factors]), factor_names=named)
    return path


@pytest.fixture(scope="module")
def runs(rectangles: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Two seeds of one choice, one of another, on disk."""
    from pyro_bvae import datasets

    data, out = datasets.load(f"npz:{rectangles}"), tmp_path_factory.mktemp("runs")
    found = []
    for name, beta, seed in (("a", 1.0, 0), ("a", 1.0, 1), ("b", 4.0, 0)):
        torch.manual_seed(seed)
        vae = BetaVAE(data.shape, 3, hidden=(20,), beta=beta)
        found.append(fit(vae, data, steps=10, seed=seed, out=out / f"{name}-seed{seed}"))
    return found


def test_every_metric_and_baseline_has_a_name_and_every_name_one() -> None:
    assert {*scoring.SCORES, "udr"} == {*names.METRICS} == {*scoring.COLUMNS}
    assert {*scoring.SAMPLING, *scoring.WITHOUT_FACTORS, *scoring.NARROW, *scoring.OF_LATENTS, *scoring.OF_FACTORS} <= {
        *names.METRICS
    }


def test_scores_are_those_of_the_metrics(runs: list[Run]) -> None:
    row = scoring.score(runs[:1], ["mig", "beta-vae", "sap"], repeats=2)[1]
    data = runs[0].dataset()
    codes = encode(runs[0].model, data.images).loc
    order = np.random.default_rng(1).permutation(len(data))
    assert row["mig"] == pytest.approx(metrics.mig(codes[order], data.factors[order]))
    assert row["sap"] == pytest.approx(metrics.sap(codes[order], data.factors[order], seed=1))
    assert row["beta-vae"] == pytest.approx(metrics.beta_vae_score(codes, data, seed=1))
    assert (row["label"], row["seed"], row["repeat"], row["run"]) == ("a", 0, 1, str(runs[0].path))


def test_images_are_encoded_once(runs: list[Run], monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def counted(vae: BetaVAE, images: torch.Tensor, **options: int) -> object:
        seen.append(len(images))
        return encode(vae, images, **options)

    monkeypatch.setattr("pyro_bvae.representations.encode", counted)
    scoring.score(runs[:2], [*CHEAP, *ARRAYS, "beta-vae", "factor-vae", "dci"], repeats=2)
    assert seen == [80, 80]


def test_seeds_share_a_label_and_other_settings_do_not(runs: list[Run]) -> None:
    assert [label for _, label in labels_of(runs)] == ["a", "a", "b"]
    rows = scoring.score(runs, ["active-units", "udr"], repeats=2)
    assert [(row["label"], row["seed"], row["repeat"]) for row in rows[:4]] == [
        ("a", 0, 0), ("a", 0, 1), ("a", 1, 0), ("a", 1, 1),
    ]  # fmt: skip
    assert all(row["udr"] is not None for row in rows[:4])
    assert rows[4]["udr"] is None
    assert rows[4]["missing"] == {"udr": "no other run shares its settings"}
    assert rows[0]["missing"] == {}
    codes = [encode(run.model, run.dataset().images).loc for run in runs[:2]]
    order = np.random.default_rng(0).permutation(80)
    kl = [mean_terms(run.model, run.dataset().images[run.dataset().held_out]).kl_per_latent for run in runs[:2]]
    expected = metrics.udr([one[order] for one in codes], kl)
    assert [rows[0]["udr"], rows[2]["udr"]] == pytest.approx(expected)


def test_what_changes_rounding_or_pictures_alone_shares_a_label(runs: list[Run]) -> None:
    run = runs[0]
    old = replace(run, config={name: value for name, value in run.config.items() if name not in ("lr_warmup", *OTHERS)})
    same = [replace(run, config=run.config | {name: value}) for name, value in OTHERS.items()]
    assert {label for _, label in labels_of([run, old, *same])} == {"a"}
    for name, value in {"lr": 0.1, "lr_warmup": 5, "elbo": "TotalCorrelation", "hidden": [30]}.items():
        other = replace(run, config=run.config | {name: value}, path=Path("other"))
        assert [label for _, label in labels_of([run, other])] == ["a", "other"]


def test_baselines_are_scored_with_the_seeds_of_the_runs(runs: list[Run]) -> None:
    rows = scoring.score(runs[:2], ["mig", "sap"], repeats=1, baselines=names.BASELINES)
    assert [row["label"] for row in rows] == [
        "ground-truth", "pixels", "pca", "pca", "ica", "ica", "untrained", "untrained", "a", "a",
    ]  # fmt: skip
    found = {row["label"]: row for row in rows}
    assert found["ground-truth"]["mig"] == pytest.approx(1)
    assert found["pixels"]["sap"] is None
    assert found["pixels"]["missing"] == {"sap": "it fits something to each latent, and these are more than 256"}
    assert rows[6]["mig"] != rows[7]["mig"]


def test_the_untrained_encoder_is_that_of_the_runs_first_step(runs: list[Run]) -> None:
    data = runs[1].dataset()
    torch.manual_seed(1)
    untrained = baseline("untrained", data, runs[1], seed=1)
    fresh = BetaVAE(data.shape, 3, hidden=(20,))
    assert untrained.codes.shape == (80, 3)
    np.testing.assert_allclose(untrained.codes, encoded(fresh, data.images, "fresh"), rtol=1e-4, atol=1e-6)


def test_components_are_uncorrelated(runs: list[Run]) -> None:
    for name in ("pca", "ica"):
        codes = baseline(name, runs[0].dataset(), runs[0], seed=0).codes
        off = np.corrcoef(codes, rowvar=False) - np.eye(3)
        assert np.abs(off).max() < 1e-3
    np.testing.assert_allclose(codes.std(0), 1, rtol=1e-3)  # those of ica


def test_data_without_factors_have_the_scores_that_need_none(digits_run: Run) -> None:
    (row,) = scoring.score([digits_run], repeats=1)
    assert row.keys() == {
        "label", "run", "seed", "repeat", "kl_per_latent", "missing", "total-correlation", "active-units", "probe",
    }  # fmt: skip
    assert row["active-units"] == sum(kl > 0.01 for kl in row["kl_per_latent"])


def test_only_a_part_is_encoded_where_only_a_part_is_drawn(monkeypatch: pytest.MonkeyPatch, runs: list[Run]) -> None:
    monkeypatch.setattr(scoring, "POINTS", 20)
    steps: list[tuple[str, int, int]] = []
    scoring.score(runs[:1], ["mig"], repeats=1, progress=lambda *told: steps.append(told))
    assert (f"{runs[0].path}: encoding 20", 20, 20) in steps
    assert steps[-2:] == [(f"{runs[0].path}: mig", 0, 1), ("scored", 1, 1)]


def test_what_else_is_scored_changes_no_score(monkeypatch: pytest.MonkeyPatch, runs: list[Run]) -> None:
    monkeypatch.setattr(scoring, "POINTS", 20)
    monkeypatch.setattr(scoring, "INFORMATION_POINTS", 15)
    alone, again, beside = (
        [row["mig"] for row in scoring.score(runs[:1], chosen, repeats=repeats, baselines=["pca", "ica"])[::repeats]]
        for chosen, repeats in ((["mig"], 1), (["mig"], 3), (["mig", "factor-vae"], 1))
    )
    assert alone == pytest.approx(again)
    assert alone == pytest.approx(beside)


def test_the_probe_is_fitted_once_a_run(digits_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = []
    monkeypatch.setattr("pyro_bvae.representations.probe_accuracy", lambda *_: fitted.append(1) or 0.5)
    (line,) = report.summarise(scoring.score([digits_run], ["probe", "total-correlation"], repeats=3))
    assert fitted == [1]
    assert (line["scores"]["probe"]["mean"], line["scores"]["probe"]["repeats"]) == (0.5, None)
    assert line["scores"]["total-correlation"]["repeats"] is not None


def test_udr_that_cannot_be_taken_is_told(runs: list[Run]) -> None:
    data = runs[0].dataset()
    codes = encode(runs[0].model, data.images).loc.numpy()
    both = [Representation("a", f"a{seed}", seed, codes, [seed and inf, 1.0, 1.0], runs[seed]) for seed in (0, 1)]
    rows = scoring.score_representations(both, data, ["mig", "udr"], repeats=1)
    assert [(row["udr"], row["missing"]) for row in rows] == 2 * [(None, {"udr": "kl must be finite"})]
    assert all(row["mig"] is not None for row in rows)


@pytest.mark.parametrize(
    ("latents", "columns", "lost"),
    [
        (3, ["shape", "x"], {"beta-vae-paper"}),
        (3, ["x"], {"beta-vae-paper", "beta-vae", "factor-vae", "modularity", "dci"}),
        (3, ["colour"], {*names.METRICS} - {*scoring.WITHOUT_FACTORS}),
        (1, ["shape", "x", "y"], {"mig", "sap", "dci"}),
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
    said = {line.split()[2] for line in result.stdout.splitlines() if line.startswith("not taken: ")}
    assert said == lost | {"udr", "probe"}
    (row,) = json.loads((tmp_path / "run" / "scores.json").read_text())["scores"]
    taken = {name for name in names.METRICS if scoring.COLUMNS[name][0] in row}
    assert taken == {*names.METRICS} - lost - {"udr", "probe"}
    for name in lost:
        refused = cli("score", tmp_path / "run", "--metric", name)
        assert (refused.exit_code, f"{name} needs" in refused.stderr) == (1, True)


def test_a_score_that_fails_is_told_and_the_others_are_kept(cli: Cli, here: Path, rectangles: Path) -> None:
    with np.load(rectangles) as arrays:
        rare = np.arange(len(arrays["images"])) == 7  # in one of the two parts alone
        np.savez("a.npz", images=arrays["images"], factors=np.column_stack([rare, arrays["factors"][:, 2]]).astype(int))
    cli("fit", "--dataset", "npz:a.npz", "--steps", 2, "--out", "run")
    result = cli("score", "run", "--metric", "explicitness", "--metric", "mig", "--repeats", 3, "--no-figures")
    assert result.exit_code == 0, result.stderr
    (said,) = (line for line in result.stdout.splitlines() if line.startswith("  explicitness"))
    assert "points hold" in said
    (mig,) = (line for line in result.stdout.splitlines() if line.startswith("  mig"))
    assert 0 <= float(mig.split()[1]) <= 1
    assert cli("score", "run", "--metric", "explicitness", "--repeats", 3, "--no-figures").exit_code == 1


def test_factors_score_their_ceiling_whatever_their_numbers(runs: list[Run]) -> None:
    data = replace(runs[0].dataset(), factors=runs[0].dataset().factors ** 5 * 100)
    codes = baseline("ground-truth", data, runs[0], seed=0).codes
    assert metrics.mig(codes, data.factors) == pytest.approx(1)


def test_components_are_those_along_which_data_vary(runs: list[Run]) -> None:
    images = torch.rand(3, 1, 16, 16)[torch.arange(80) % 3]  # three images, in a plane
    for name in ("pca", "ica"):
        assert baseline(name, Dataset("three", images), runs[0], seed=0).codes.shape == (80, 2)
    with pytest.raises(ValueError, match="one does not vary, and has no components"):
        baseline("pca", Dataset("one", images[:1].expand(80, -1, -1, -1)), runs[0], seed=0)


def test_a_run_called_like_a_baseline_has_its_path_for_a_label(runs: list[Run]) -> None:
    run = replace(runs[0], path=Path("somewhere/pca"))
    assert labels_of([run]) == [(run, "somewhere/pca")]


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


def test_summaries_are_of_repeats_within_runs_and_of_runs() -> None:
    values = {("r", 0): (0.1, 0.3), ("r", 1): (0.5, 0.5), ("r", 2): (0.6, 0.8)}
    rows = [
        {
            "label": "a",
            "run": run,
            "seed": seed,
            "repeat": repeat,
            "kl_per_latent": None,
            "missing": {"sap": "why"},
            "mig": value,
            "sap": None,
        }
        for (run, seed), pair in values.items()
        for repeat, value in enumerate(pair)
    ]
    (line,) = report.summarise(rows)
    score = line["scores"]["mig"]
    assert (line["runs"], line["repeats"], line["scores"]["sap"], line["missing"]) == (3, 2, None, {"sap": "why"})
    assert score["mean"] == pytest.approx(mean([0.2, 0.5, 0.7]))
    assert score["runs"] == pytest.approx(stdev([0.2, 0.5, 0.7]))
    assert score["repeats"] == pytest.approx(mean([stdev(pair) for pair in values.values()]))
    half = 4.302652729911275 * score["runs"] / 3**0.5  # Student's t at 97.5% with two degrees of freedom
    assert score["interval"] == pytest.approx([score["mean"] - half, score["mean"] + half])
    assert report.summarise(rows[:2])[0]["scores"]["mig"]["interval"] is None


def test_the_kl_of_each_latent_is_summarised_a_run(runs: list[Run]) -> None:
    rows = scoring.score(runs[:2], ["mig"], repeats=2, baselines=["pca"])
    baseline_line, line = report.summarise(rows)
    assert baseline_line["kl_per_latent"] == []
    data = runs[0].dataset()
    expected = [mean_terms(run.model, data.images[data.held_out]).kl_per_latent for run in runs[:2]]
    assert line["kl_per_latent"] == expected


def test_the_protocols_name_factors_pairs_and_points(runs: list[Run]) -> None:
    assert report.protocols(runs[0].dataset(), ["mig", "beta-vae"]).keys() == {"beta-vae"}
    found = report.protocols(runs[0].dataset(), names.METRICS)
    assert found["beta-vae"]["factors"] == ["shape", "x", "y", "size"]  # the colour is constant
    assert found["beta-vae-paper"]["factors"] == ["x", "y", "size"]
    assert (found["beta-vae"]["pairs"], found["beta-vae"]["points"]) == (64, 10_000)


def test_figures_show_the_numbers(runs: list[Run]) -> None:
    drawn = report.figures(runs[0])
    assert drawn.keys() == {"information", "importances", "responses", "factor_traversal"}
    data = runs[0].dataset()
    shown = np.asarray(drawn["importances"].axes[0].get_images()[0].get_array())
    codes = encode(runs[0].model, data.images).loc
    np.testing.assert_allclose(shown, metrics.dci(codes, data.factors).importances, atol=1e-6)
    assert len(drawn["responses"].axes) == 3 * 6  # a map over x and y, and lines of five factors


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
    for name in ("information", "importances", "responses", "factor_traversal"):
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
    assert stored["runs"][0]["mig"] == pytest.approx(expected["mig"])
    assert stored["summary"][0]["mig"] == [stored["runs"][0]["mig"], None]


def test_a_comparison_measures_anew_what_was_not_scored(runs: list[Run]) -> None:
    found = [comparison.measured(runs[2], "b", 0, chosen) for chosen in ((), ("mig",), ("mig",), ("sap",), ())]
    assert [("mig" in row, "sap" in row) for row in found] == [
        (False, False), (True, False), (True, False), (False, True), (False, False),
    ]  # fmt: skip
    assert found[1] == found[2]


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


def test_any_arrays_can_be_scored(rectangles: Path) -> None:
    from pyro_bvae import datasets

    data: Dataset = datasets.load(f"npz:{rectangles}")
    own = Representation("mine", "mine", None, data.factors.float().numpy())
    (row,) = scoring.score_representations([own], data, ["mig", "active-units"], repeats=1)
    assert row["mig"] == pytest.approx(1)
