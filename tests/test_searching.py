"""`compare --search` prints its front, goes on, and says what is typed wrongly before anything is fitted."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from conftest import Cli

SMALL = ("--steps", 2, "--image-size", 8, "--hidden", 4, "--no-compile")
SEARCH = ("compare", "--search", "beta=1..32 log, latent-dim=2..4", "--maximise", "elbo", "--minimise", "rate")


@pytest.fixture(autouse=True)
def _optuna() -> None:
    pytest.importorskip("optuna", reason="there is no optuna: pip install 'pyro-bvae[search]'")


def test_a_search_prints_draws_and_goes_on(cli: Cli, here: Path) -> None:
    first = cli(*SEARCH, *SMALL, "--trials", 2, "--out", "out", "--figures")
    assert first.exit_code == 0, first.output
    assert first.stdout.startswith("Pareto front of 2 trials: maximise elbo, minimise rate\ntrial ")
    assert "optuna" not in first.output.lower()
    assert {path.name for path in Path("out").iterdir()} == {
        "comparison.csv", "comparison.json", "gallery.png", "learning.png", "pareto.png", "search.log",
        "traversals.png", "trial-0000-seed0", "trial-0001-seed0",
    }  # fmt: skip
    written = Path("out/trial-0001-seed0/checkpoint.pt").stat().st_mtime_ns
    more = cli(*SEARCH, *SMALL, "--trials", 3, "--out", "out", "--json")
    assert more.exit_code == 0, more.output
    content = json.loads(more.stdout)
    assert [row["label"] for row in content["runs"]] == ["trial 0", "trial 1", "trial 2"]
    assert Path("out/trial-0001-seed0/checkpoint.pt").stat().st_mtime_ns == written
    for best in content["front"]:
        (run,) = best["runs"]
        config = json.loads(Path(run, "config.json").read_text())
        assert best["settings"] == {name: config[name] for name in ("beta", "latent_dim")}
        (row,) = (row for row in content["runs"] if row["run"] == run)
        assert best["values"] == {name: row[name] for name in ("elbo", "rate")}
    refused = cli(*SEARCH[:-2], *SMALL, "--trials", 3, "--out", "out")
    assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1)
    assert "out holds another search (maximise elbo, minimise rate over beta=1..32 log" in refused.stderr
    before = Path("out/comparison.json").read_text()
    for words in (("compare",), (*SEARCH, "--seeds", "0,1"), ("compare", "out/trial-0000-seed0")):
        other = cli(*words, *(SMALL if "out/trial-0000-seed0" not in words else ()), "--out", "out")
        assert (other.exit_code, "holds a" in other.stderr) == (1, True), other.output
    assert Path("out/comparison.json").read_text() == before
    with open("out/comparison.csv") as file:
        rows = [*csv.DictReader(file)]
    assert [float(row["beta"]) for row in rows] == [row["beta"] for row in content["runs"]]
    assert {row["latent_dim"] for row in rows} <= {"2", "3", "4"}


def test_a_diverging_trial_is_named_and_costs_no_other(cli: Cli, here: Path) -> None:
    words = ("compare", "--search", "lr=1e-3|1e6", "--maximise", "elbo", *SMALL, "--seeds", "0,1")
    result = cli(*words, "--optimizer", "sgd", "--trials", 3, "--out", "out")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("best of 3 trials: maximise elbo")
    assert "note    trial" in result.stderr
    assert "failed: the loss is" in result.stderr
    assert "means over 2 seeds" in result.stdout


WRONG: dict[str, tuple[tuple[Any, ...], int, str]] = {
    "no aim": (("--search", "beta=1..2"), 2, "say what a good trial is, like --maximise elbo"),
    "no search": (("--trials", 3, "--maximise", "elbo"), 2, "--trials, --maximise belongs to a search"),
    "an unknown setting": (("--search", "betta=1..2", "--maximise", "elbo"), 2, "did you mean 'beta'?"),
    "an unknown column": (("--search", "beta=1..2", "--maximise", "elbow"), 2, "did you mean 'elbo'?"),
    "an aim twice": (("--search", "beta=1..2", "--maximise", "elbo", "--minimise", "elbo"), 2, "given elbo twice"),
    "typed and searched": (("--search", "beta=1..2", "--maximise", "elbo", "--beta", 4), 2, "--beta is searched over"),
    "set and searched": (("--search", "beta=1|2", "--maximise", "elbo", "--beta-norm", 1), 2, "--beta-norm sets the β"),
    "twice a norm": (
        ("--search", "lr=1|2", "--maximise", "elbo", "--beta-norm", 1, "--beta-norm", 2), 2, "takes --beta-norm once",
    ),
    "repeated": (("--search", "beta=1..2", "--maximise", "elbo", "--lr", 1, "--lr", 2), 2, "a search takes --lr once"),
    "no factors": (("--search", "beta=1..2", "--maximise", "mig"), 1, "mig needs data with ground-truth factors"),
    "no particles": (("--search", "beta=1..2", "--maximise", "iw_bound"), 1, "iw_bound needs --particles"),
    "no bins": (
        ("--search", "likelihood=gaussian|bernoulli", "--maximise", "elbo"), 1, "elbo does not compare between",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_typed_wrongly_is_said_before_the_first_trial(case: str, cli: Cli, here: Path) -> None:
    words, code, said = WRONG[case]
    result = cli("compare", *words, *SMALL, "--out", "out")
    assert (result.exit_code, result.stderr.strip().count("\n")) == (code, 0), result.output
    assert said in result.stderr
    assert not [*Path().glob("out/trial*")]


@pytest.mark.slow
def test_a_search_that_is_killed_goes_on_with_the_trials_that_ran(here: Path) -> None:
    words = [*SEARCH, *SMALL[2:], "--steps", 400, "--jobs", 2, "--trials", 4, "--no-figures", "--out", "out"]
    command = [sys.executable, "-m", "pyro_bvae", *map(str, words)]
    first = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = monotonic() + 600
    while len([*Path().glob("out/trial-*/checkpoint.pt")]) < 2 and monotonic() < deadline:
        sleep(0.05)
    first.kill()
    first.wait()
    begun = {path.name: json.loads((path / "config.json").read_text()) for path in Path("out").glob("trial-*")}
    assert len(begun) >= 2
    again = subprocess.run([*command, "--json"], capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    content = json.loads(again.stdout)
    assert [Path(row["run"]).name for row in content["runs"]] == [f"trial-000{number}-seed0" for number in range(4)]
    for name, config in begun.items():
        assert json.loads(Path("out", name, "config.json").read_text())["beta"] == config["beta"]
    assert all(row["step"] == 400 for row in content["runs"])


def test_a_search_without_optuna_says_what_installs_it(cli: Cli, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    result = cli(*SEARCH, *SMALL, "--out", "out")
    assert result.exit_code == 1
    assert result.stderr == "Error: a search needs optuna: pip install 'pyro-bvae[search]'\n"
    assert not Path("out").exists()
