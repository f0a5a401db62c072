"""Choices are compared on equal terms, and nothing is run twice or lost."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
from dataclasses import fields, replace
from itertools import groupby, product
from math import exp, log
from pathlib import Path
from statistics import mean, stdev
from threading import Timer
from typing import Any

import numpy as np
import pytest
from conftest import Cli, some_config
from pyro_bvae_cli import main

from pyro_bvae import evaluate, load_run
from pyro_bvae.comparison import LabelSummary, MeanDeviation, RunRow, choices_of, departure, on_curves, summarise
from pyro_bvae.comparison.measurements import measured
from pyro_bvae.comparison.rows import named_alike
from pyro_bvae.files import LOCK, held_folder
from pyro_bvae.likelihoods import LIKELIHOODS
from pyro_bvae.runs.folder import RunFolder
from pyro_bvae.runs.run import Run
from pyro_bvae.settings.options import SETTINGS

GRID = {"likelihood": ["bernoulli", "gaussian"], "beta": [1.0, 4.0], "hidden": [(16, 8)], "lr": [1e-3]}
BUDGET = ["--steps", "6", "--image-size", "16", "--hidden", "20", "--latent-dim", "3"]


def test_choices_are_the_product_of_settings_and_seeds(tmp_path: Path) -> None:
    choices = choices_of(GRID, [0, 5], tmp_path)
    assert len(choices) == 8
    assert len({choice.folder for choice in choices}) == 8
    assert choices[0].label == "bernoulli, beta 1"
    assert choices[0].folder == tmp_path / "bernoulli-beta1-seed0"
    assert choices[-1].settings == {"likelihood": "gaussian", "beta": 4.0, "hidden": (16, 8), "lr": 1e-3, "seed": 5}


@pytest.mark.parametrize(
    ("name", "values", "kept"),
    [
        ("beta", [1.0, 4, 4.0, 1], [1.0, 4]),
        ("hidden", [(400,), [400]], [(400,)]),
        ("objective", ["tc", "tc:beta=6.0", "tc:beta=4"], ["tc", "tc:beta=4"]),
        ("beta_schedule", ["linear:10", "linear:10.0", None], ["linear:10", None]),
        ("dataset", ["npz:a.npz", "npz:./a.npz", "npz:b/../a.npz"], ["npz:a.npz"]),
        ("keep", [1, "all", 1], [1, "all"]),
        ("likelihood", ["beta", "beta"], ["beta"]),
    ],
)
def test_a_value_given_twice_counts_once(name: str, values: list[Any], kept: list[Any], tmp_path: Path) -> None:
    grid = {"likelihood": ["bernoulli"], name: values}
    choices = choices_of(grid, [0, 1, 0], tmp_path)
    assert [choice.settings[name] for choice in choices] == [value for value in kept for _ in range(2)]
    assert [choice.settings["seed"] for choice in choices] == [0, 1] * len(kept)


def test_what_counted_once_is_said_and_runs_of_one_name_stay_apart(cli: Cli, here: Path) -> None:
    fits = ("compare", "--steps", 2, "--image-size", 8, "--hidden", 4, "--beta", 1, "--seeds", "0,0")
    result = cli(*fits, "--beta", 1.0, "--metric", "probe", "--metric", "probe", "--out", "a")
    assert "note    beta 1.0 given more than once" in result.stderr
    assert "note    seed 0 given more than once" in result.stderr
    assert "one seed each" in result.stdout
    cli("fit", "--steps", 2, "--image-size", 8, "--hidden", 4, "--out", "b/bernoulli-seed0")
    named = ("a/bernoulli-seed0", "b/bernoulli-seed0", "./a/../a/bernoulli-seed0")
    result = cli("compare", *named, "--out", "c")
    assert "a/bernoulli-seed0 " in result.stdout
    assert "one seed each" in result.stdout
    assert "given more than once" in result.stderr


@pytest.mark.parametrize(
    "words", [("--beta", 4), ("--no-compile",), ("--device", "cpu", "--seeds", 1), ("--jobs", 2, "--recipe", "lab")]
)
def test_finished_runs_take_no_options_of_fits(words: tuple[Any, ...], cli: Cli, digits_run: Run, here: Path) -> None:
    said = cli("compare", digits_run.path, *words, "--out", "a")
    assert (said.exit_code, said.stderr.count("\n")) == (2, 1)
    assert all(word in said.stderr for word in map(str, words) if word.startswith("--"))
    assert not Path("a").exists()


def test_runs_on_different_data_never_share_a_table(cli: Cli, here: Path) -> None:
    small = ("--hidden", 4, "--latent-dim", 2, "--steps", 2, "--no-compile")
    np.save("a.npy", np.random.default_rng(0).integers(0, 256, (50, 8, 8)).astype(np.uint8))
    for name, words in (("a", ()), ("b", ("--beta", 4))):
        cli("fit", *small, "--image-size", 8, *words, "--out", name)
    cli("fit", *small, "--dataset", "npy:a.npy", "--out", "c")
    result = cli("compare", "a", "b", "c", "--out", "out")
    assert result.stdout.startswith("2 different data, a table each: no number of one compares with one of another.")
    headings = [line for line in result.stdout.splitlines() if line.startswith("data    ")]
    assert [heading.split(" #")[0] for heading in headings] == ["data    digits", f"data    npy:{here / 'a.npy'}"]
    assert "no other row" not in result.stdout  # all are Bernoulli
    rows = json.loads(Path("out/comparison.json").read_text())["summary"]
    assert [row["data"] == rows[0]["data"] for row in rows] == [True, True, False]
    alike = cli("compare", "a", "b", "--out", "alike")
    assert "different data" not in alike.stdout


def test_a_comparison_goes_on_where_its_data_have_moved(cli: Cli, here: Path) -> None:
    small = ("--hidden", 4, "--latent-dim", 2, "--steps", 2, "--no-compile", "--beta", 1, "--beta", 4, "--out", "out")
    for name, seed in (("a", 0), ("other", 1)):
        np.save(f"{name}.npy", np.random.default_rng(seed).integers(0, 256, (50, 8, 8)).astype(np.uint8))
    assert cli("compare", "--dataset", "npy:a.npy", *small).exit_code == 0
    shutil.move("a.npy", "b.npy")
    refused = cli("compare", "--dataset", "npy:other.npy", *small, "--seeds", "0,1")
    assert (refused.exit_code, "another comparison (dataset differ)" in refused.stderr) == (1, True)
    went_on = cli("compare", "--dataset", "npy:b.npy", *small, "--seeds", "0,1")
    assert went_on.exit_code == 0, went_on.output
    assert "means ± standard deviations over seeds" in went_on.stdout
    assert "different data" not in went_on.stdout
    rows = json.loads(Path("out/comparison.json").read_text())["runs"]
    assert {row["data"].partition(" #")[0] for row in rows} == {f"npy:{here / 'b.npy'}"}
    assert cli("compare", "out/beta1-seed0", "out/beta4-seed1", "--out", "two").exit_code == 0


def test_the_same_data_have_one_name() -> None:
    rows = named_alike([row(name, data=data) for name, data in (("a", "x #1"), ("b", "y #1"), ("c", "y #2"))])
    assert [each.data for each in rows] == ["x #1", "x #1", "y #2"]


def test_curves_and_pictures_are_of_one_data_set(tmp_path: Path) -> None:
    rows = [replace(row, data=data) for data in ("x", "y") for row in sweep(tmp_path / data, [1.0, 2.0, 4.0])]
    for _, group in groupby(on_curves(rows), key=lambda row: row.data):
        alone = on_curves([row for row in rows if row.data == _])
        assert [row.slope for row in group] == [row.slope for row in alone]
    assert {summary.seeds for summary in summarise([row("a", data="x"), row("a", data="y")])} == {1}


@pytest.mark.parametrize("text", ["", "[]", "7", '{"experiment": 1}', '{"experiment": {"beta": 1}}', "NaN", "[" * 9999])
def test_a_damaged_comparison_is_refused_in_a_line(text: str, cli: Cli, here: Path) -> None:
    Path("out").mkdir()
    Path("out/comparison.json").write_text(text)
    result = cli("compare", "--steps", 1, "--out", "out")
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
    assert "comparison.json is damaged" in result.stderr


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


def test_a_comparison_of_one_choice_is_named_by_its_likelihood(tmp_path: Path) -> None:
    (only,) = choices_of({"likelihood": ["beta"], "beta": [2.0]}, [1], tmp_path)
    assert (only.label, only.folder.name) == ("beta", "beta-seed1")


def row(label: str, **values: object) -> RunRow:
    names = {field.name for field in fields(RunRow)} - {"curve", "slope", "varied"}
    return RunRow(**(dict.fromkeys(names, 1.0) | {"label": label, "nats": "density", "scores": {}} | values))


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
    older = RunRow.from_stored({name: value for name, value in stored.items() if name != "rate_standard_error"})
    assert older is not None
    assert older.rate_standard_error is None


def test_every_setting_of_fit_can_be_varied() -> None:
    options = {option.name: option for option in main.commands["compare"].params}
    varied = {*SETTINGS} - {"seed", "figure_format", "figure_width"}
    assert {*SETTINGS} - {"seed"} <= options.keys()
    assert all(options[name].multiple or options[name].is_flag for name in varied)
    assert {option.name for option in main.commands["fit"].params if option.multiple} <= {"track"}


def test_compare_fits_measures_draws_and_is_not_run_twice(cli: Cli, here: Path) -> None:
    families = ["--likelihood", "bernoulli", "--likelihood", "gaussian"]
    arguments = ["compare", *BUDGET, *families, "--seeds", "0,1", "--figures"]
    first = cli(*arguments, "--particles", 3, "--out", "c")
    assert first.exit_code == 0, first.stderr
    assert "bernoulli*" in first.stdout
    assert first.stderr.count(": loss ") >= 4  # each run says which it is, and where it is
    assert first.stderr.index("c/gaussian-seed0\n") < first.stderr.index("gaussian, seed 0")
    assert " ± " in first.stdout
    assert "its nats compare with no other row's" in first.stdout
    assert {path.name for path in Path("c").glob("*.*")} == {
        "column_mse.png", "comparison.csv", "comparison.json", "gallery.png", "learning.png", "rate_distortion.png",
        "traversals.png",
    }  # fmt: skip
    with open("c/comparison.csv") as file:
        rows = list(csv.DictReader(file))
    assert [(line["label"], line["seed"]) for line in rows] == [
        ("bernoulli", "0"), ("bernoulli", "1"), ("gaussian", "0"), ("gaussian", "1"),
    ]  # fmt: skip
    run = load_run("c/gaussian-seed1")
    data = run.dataset()
    expected = evaluate(run.model, data.images[data.held_out], particles=3)
    assert float(rows[3]["elbo"]) == pytest.approx(expected.elbo, rel=1e-5)
    assert float(rows[3]["iw_bound"]) == pytest.approx(expected.iw_bound, rel=1e-5)
    written = {path: path.stat().st_mtime_ns for path in Path("c").rglob("checkpoint.pt")}
    again = cli(*arguments, "--particles", 3, "--out", "c", "--json")
    assert {path: path.stat().st_mtime_ns for path in written} == written
    assert json.loads(again.stdout)["summary"] == json.loads(Path("c/comparison.json").read_text())["summary"]


def test_a_failed_run_is_reported_and_the_rest_go_on(cli: Cli, here: Path) -> None:
    options = ["--likelihood", "bernoulli", "--likelihood", "gaussian", "--scale", "0.5", "--jobs", "2"]
    result = cli("compare", *BUDGET, *options, "--out", "c")
    assert result.exit_code == 1
    assert "failed: bernoulli, seed 0: the bernoulli likelihood has no scale" in result.stderr
    assert [line["label"] for line in json.loads(Path("c/comparison.json").read_text())["runs"]] == ["gaussian"]


def test_finished_runs_are_compared_too(cli: Cli, here: Path) -> None:
    for beta in (1, 4):
        cli("fit", *BUDGET, "--beta", beta, "--out", f"beta{beta}")
    result = cli("compare", "beta1", "beta4", "--out", "c", "--json")
    assert result.exit_code == 0, result.stderr
    assert [line["label"] for line in json.loads(result.stdout)["summary"]] == ["beta1", "beta4"]
    assert {path.name for path in Path("beta1").iterdir()} >= {"config.json", "checkpoint.pt"}


def test_a_sweep_over_beta_prints_the_slope_beside_each(cli: Cli, here: Path) -> None:
    betas = [option for beta in (1, 2, 4) for option in ("--beta", beta)]
    arguments = ["compare", *BUDGET, *betas, "--out", "c"]
    printed = json.loads(cli(*arguments, "--json").stdout)
    slopes = [line["slope"] for line in printed["summary"]]
    assert all(isinstance(slope, float) for slope in slopes)
    head, *lines = cli(*arguments).stdout.splitlines()
    assert head.endswith("slope dD/dR")
    assert [line.split()[-1] for line in lines[:3]] == [f"{slope:.3f}" for slope in slopes]
    stored = json.loads(Path("c/comparison.json").read_text())
    assert [line["slope"] for line in stored["summary"]] == slopes
    assert stored["departure"] == printed["departure"]
    again = cli("compare", *(f"c/beta{beta}-seed0" for beta in (1, 2, 4)), "--out", "d", "--json")
    assert [line["slope"] for line in json.loads(again.stdout)["summary"]] == pytest.approx(slopes)


def test_a_matched_comparison_stores_where_beta_went(cli: Cli, here: Path) -> None:
    options = ["--likelihood", "gaussian", "--likelihood", "laplace", "--match", "rate=2", "--out", "c", "--json"]
    result = cli("compare", *BUDGET, *options)
    assert result.exit_code == 0, result.stderr
    assert all(run["beta"] != 1.0 for run in json.loads(result.stdout)["runs"])
    text = cli("compare", *BUDGET, *options[:-1])
    assert "slope" not in text.stdout
    assert "not within 2% of a rate of 2 nats on held-out data: gaussian, laplace; train for longer" in text.stdout


def test_a_comparison_grows_by_seeds_and_values(cli: Cli, here: Path) -> None:
    betas = ["--beta", 1, "--beta", 2]
    first = cli("compare", *BUDGET, *betas, "--out", "c")
    assert first.stdout.splitlines()[-1].startswith("one seed each")
    assert "in 90%" not in first.stdout.splitlines()[0]  # of which a Bernoulli has nothing to say
    assert " ± " not in first.stdout
    before = {path: path.stat().st_mtime_ns for path in Path("c").rglob("checkpoint.pt")}
    result = cli("compare", *BUDGET, *betas, "--beta", 4, "--seeds", "0,1", "--out", "c", "--json")
    assert result.exit_code == 0, result.stderr
    assert [(run["beta"], run["seed"]) for run in json.loads(result.stdout)["runs"]] == list(product((1, 2, 4), (0, 1)))
    assert {path: path.stat().st_mtime_ns for path in before} == before
    kept = [(run["beta"], run["seed"]) for run in json.loads(result.stdout)["runs"]]
    for other in (betas, ["--beta", 4, "--seeds", 1], [*betas, "--seeds", 0]):  # asks for less, and takes nothing away
        again = cli("compare", *BUDGET, *other, "--out", "c", "--json")
        assert [(run["beta"], run["seed"]) for run in json.loads(again.stdout)["runs"]] == kept
    assert {path: path.stat().st_mtime_ns for path in before} == before
    for other in (["--beta", 4, "--lr", 1, "--lr", 1e-3], [*betas, "--lr", 2]):
        assert "holds another comparison" in cli("compare", *BUDGET, *other, "--out", "c").stderr


def test_ctrl_c_says_that_the_command_goes_on(cli: Cli, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pyro_bvae.comparison.fits.fit", interrupted)
    monkeypatch.setattr("sys.argv", ["pyro-bvae", "compare", "--out", "c"])
    result = cli("compare", *BUDGET, "--out", "c")
    said = "stopped, all saved; go on with: pyro-bvae compare --out c"
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (130, said)


def test_a_comparison_waits_until_another_has_written_its_files(cli: Cli, here: Path) -> None:
    (here / "c").mkdir()
    other = held_folder(here / "c")
    other.__enter__()
    Timer(1.0, other.__exit__, (None, None, None)).start()
    result = cli("compare", *BUDGET, "--out", "c")
    assert result.exit_code == 0, result.stderr
    assert re.match(rf"c is being written by process {os.getpid()} .*: waiting\n", result.stderr)


def test_an_older_comparison_of_vectors_grows_by_runs_like_its_own(cli: Cli, here: Path) -> None:
    np.save("a.npy", np.random.default_rng(0).normal(3, 2, (60, 4)))
    words = ["compare", "--dataset", "npy:a.npy", "--likelihood", "gaussian", "--steps", 2, "--hidden", 4, "--out", "c"]
    assert cli(*words, "--no-standardise").exit_code == 0
    for path in (Path("c/comparison.json"), Path("c/gaussian-seed0/config.json")):
        content = json.loads(path.read_text())
        content.get("experiment", content).pop("standardise")
        path.write_text(json.dumps(content))
    for seeds in ("0,1", "0,1,2"):
        grown = cli(*words, "--seeds", seeds)
        assert grown.exit_code == 0, grown.output
        assert not json.loads(Path(f"c/gaussian-seed{seeds[-1]}/config.json").read_text())["standardise"]
    assert "(standardise differ)" in cli(*words, "--seeds", "0,1,2", "--standardise").stderr


def test_what_a_kill_left_of_the_first_file_does_not_hold_up_the_next_comparison(cli: Cli, here: Path) -> None:
    Path("c").mkdir()
    Path("c/.partial-1-00000000.json").write_text("half")
    Path("c", LOCK).touch()
    assert cli("compare", *BUDGET, "--beta", 1, "--out", "c").exit_code == 0
    assert not Path("c/.partial-1-00000000.json").exists()


def test_another_experiment_in_the_folder_is_refused_and_nothing_lost(cli: Cli, here: Path) -> None:
    assert cli("compare", *BUDGET, "--beta", 1, "--out", "c").exit_code == 0
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    result = cli("compare", *BUDGET, "--beta", 2, "--out", "c")
    assert result.exit_code == 1
    assert result.stderr == "Error: c holds another comparison (beta differ): name another --out\n"
    other = cli("compare", *BUDGET, "--out", ".")
    assert "holds other files: name another --out" in other.stderr
    assert {path: path.read_bytes() for path in here.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--likelihood", "gausian"], "did you mean 'gaussian'"),
        (["--scale", "0", "--likelihood", "gaussian"], "0 is not at least 1e-"),
        (["--match", "20"], "'20' is not of the form rate=NATS"),
        (["--match", "rate=0"], "0 is not at least 1e-"),
        (["--epochs", "1", "--epochs", "2"], "all runs have the same budget"),
        (["--seeds", "a"], "is not a list of whole numbers"),
        (["nowhere"], "does not exist"),
    ],
)
def test_mistakes_end_in_one_line(options: list[str], message: str, cli: Cli, here: Path) -> None:
    result = cli("compare", *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not any(here.iterdir())


@pytest.mark.parametrize("likelihood", list(LIKELIHOODS))
def test_every_family_goes_through_every_command(likelihood: str, cli: Cli, here: Path) -> None:
    fitted = cli("fit", *BUDGET, "--likelihood", likelihood, "--beta", 3, "--out", "run")
    assert fitted.exit_code == 0, fitted.stderr
    few = ["--columns", "2", "--latents", "0"]  # drawing is what takes long
    for command in (
        ["traverse", *few],
        ["traverse", *few, "--sample"],
        ["sample", "--sample"],
        ["reconstruct", "--sample"],
    ):
        name, *flags = command
        result = cli(name, "run", *flags)
        assert result.exit_code == 0, result.stderr
    assert json.loads(cli("evaluate", "run", "--particles", 2, "--json").stdout)["particles"] == 2
