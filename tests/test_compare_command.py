"""`pyro-bvae compare` goes on where it was, grows, and loses nothing."""

from __future__ import annotations

import csv
import json
import os
import re
from itertools import product
from pathlib import Path
from threading import Timer

import numpy as np
import pytest
from compared import BUDGET
from conftest import Cli
from pyro_bvae_cli import main

from pyro_bvae import evaluate, load_run
from pyro_bvae.files import LOCK, held_folder
from pyro_bvae.likelihoods import LIKELIHOODS
from pyro_bvae.settings.options import SETTINGS


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
