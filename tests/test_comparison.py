"""Choices are compared on equal terms, and nothing is run twice or lost."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from statistics import mean, stdev

import pytest
from conftest import Cli
from pyro_bvae_cli import main
from pyro_bvae_cli.compare import FIT_OPTIONS

from pyro_bvae import comparison, evaluate, load_run
from pyro_bvae import comparison_report as report
from pyro_bvae.likelihoods import LIKELIHOODS

GRID = {"likelihood": ["bernoulli", "gaussian"], "beta": [1.0, 4.0], "hidden": [(16, 8)], "lr": [1e-3]}
BUDGET = ["--steps", "6", "--image-size", "16", "--hidden", "20", "--latent-dim", "3"]


def test_choices_are_the_product_of_settings_and_seeds(tmp_path: Path) -> None:
    found = comparison.choices(GRID, [0, 5], tmp_path)
    assert len(found) == 8
    assert len({choice.folder for choice in found}) == 8
    assert found[0].label == "bernoulli, beta 1"
    assert found[0].folder == tmp_path / "bernoulli-beta1-seed0"
    assert found[-1].settings == {"likelihood": "gaussian", "beta": 4.0, "hidden": (16, 8), "lr": 1e-3, "seed": 5}


def test_a_comparison_of_one_choice_is_named_by_its_likelihood(tmp_path: Path) -> None:
    (only,) = comparison.choices({"likelihood": ["beta"], "beta": [2.0]}, [1], tmp_path)
    assert (only.label, only.folder.name) == ("beta", "beta-seed1")


def row(label: str, **values: float | None) -> dict:
    return {"label": label, "nats": "density"} | dict.fromkeys(report.MEASURES, 1.0) | values


def test_summaries_are_means_and_deviations_over_seeds() -> None:
    rows = [row("a", mse=value, ssim=None) for value in (1.0, 2.0, 4.5)] + [row("b", mse=7.0)]
    one, other = report.summarise(rows)
    assert (one["label"], one["seeds"], other["seeds"]) == ("a", 3, 1)
    assert one["mse"] == [mean([1, 2, 4.5]), stdev([1, 2, 4.5])]
    assert one["ssim"] is None
    assert other["mse"] == [7.0, 0.0]


def test_every_setting_of_fit_can_be_varied() -> None:
    options = {option.name: option for option in main.commands["compare"].params}
    assert FIT_OPTIONS.keys() <= options.keys()
    assert all(options[name].multiple or options[name].is_flag for name in FIT_OPTIONS)
    assert not any(option.multiple for option in main.commands["fit"].params)


def test_compare_fits_measures_draws_and_is_not_run_twice(cli: Cli, here: Path) -> None:
    arguments = ["compare", *BUDGET, "--likelihood", "bernoulli", "--likelihood", "gaussian", "--seeds", "0,1"]
    first = cli(*arguments, "--particles", 3, "--out", "c")
    assert first.exit_code == 0, first.stderr
    assert "bernoulli*" in first.stdout
    assert "its nats compare with no other row's" in first.stdout
    assert {path.name for path in Path("c").glob("*.*")} == {
        "comparison.csv", "comparison.json", "gallery.png", "rate_distortion.png", "traversals.png",
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


def test_a_matched_comparison_stores_where_beta_went(cli: Cli, here: Path) -> None:
    options = ["--likelihood", "gaussian", "--likelihood", "laplace", "--match", "rate=2", "--out", "c", "--json"]
    result = cli("compare", *BUDGET, *options)
    assert result.exit_code == 0, result.stderr
    assert all(run["beta"] != 1.0 for run in json.loads(result.stdout)["runs"])
    text = cli("compare", *BUDGET, *options[:-1])
    assert "not within 2% of a rate of 2 nats on held-out data: gaussian, laplace; train for longer" in text.stdout


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
        (["--scale", "0", "--likelihood", "gaussian"], "is not in the range x>0"),
        (["--match", "20"], "'20' is not of the form rate=NATS"),
        (["--match", "rate=0"], "is not in the range x>0"),
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
