"""Choices are compared on equal terms, and nothing is run twice or lost."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compared import row, sweep
from conftest import Cli

from pyro_bvae.comparison import choices_of, on_curves, summarise
from pyro_bvae.comparison.rows import named_alike
from pyro_bvae.runs.run import Run

GRID = {"likelihood": ["bernoulli", "gaussian"], "beta": [1.0, 4.0], "hidden": [(16, 8)], "lr": [1e-3]}


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


def test_a_comparison_of_one_choice_is_named_by_its_likelihood(tmp_path: Path) -> None:
    (only,) = choices_of({"likelihood": ["beta"], "beta": [2.0]}, [1], tmp_path)
    assert (only.label, only.folder.name) == ("beta", "beta-seed1")
