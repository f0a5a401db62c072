"""Comparisons grow: a command adds to what is there, in any order and beside others, and takes nothing away."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import pytest
from conftest import Cli, some_config

from pyro_bvae import load_run
from pyro_bvae.comparison import RunRow, add, as_read_back, choices_in, completed_rows, rows_in, start, varied_in
from pyro_bvae.comparison.rows import OF_A_COMPARISON
from pyro_bvae.runs.folder import RunFolder
from pyro_bvae.runs.run import Run
from pyro_bvae.scoring.repetitions import labels_of
from pyro_bvae.settings.options import DEFAULTS, SETTINGS

SMALL = ["--steps", 2, "--image-size", 8, "--hidden", 4, "--latent-dim", 3, "--no-compile"]
BASE = {name: [DEFAULTS[name]] for name in SETTINGS if name != "seed"} | {"beta_norm": [None]}
AXES: dict[str, list[Any]] = {
    "beta": [1.0, 4.0, 0.25],
    "latent_dim": [10, 2],
    "hidden": [[400], [20, 30], []],
    "objective": ["beta", "tc:beta=6.0", "tc"],
}


def forged(choice: Any, **values: Any) -> RunRow:
    """The row of a finished run, with nothing but a config in its folder, which is made where there is none."""
    config = some_config(**as_read_back(choice.settings), fingerprint="sha256:0")
    folder = RunFolder(choice.folder)
    if not folder.is_run:
        folder.start(config)
    names = {field.name for field in fields(RunRow)} - {*OF_A_COMPARISON}
    whole = {"seed": choice.settings["seed"], "step": 1, "particles": 0, "images": 7, "active_units": 1}
    texts = {"label": choice.label, "run": str(choice.folder), "data": "mine #0", "nats": "density"}
    row = RunRow(**(dict.fromkeys(names, 1.0) | {"kl_per_latent": [1.0], "still_falling": False, "scores": {}}
                    | whole | texts | {"beta": config["beta"]} | values))  # fmt: skip
    return replace(row, varied=choice.varied)


def command(out: Path, grid: Mapping[str, Sequence[Any]], seeds: Sequence[int], **values: Any) -> list[RunRow]:
    """What ``compare`` does, but for the fits."""
    out.mkdir(exist_ok=True)
    whole = {**BASE, **grid}
    experiment = start(out, as_read_back({**whole, "seeds": seeds, "metrics": []}))
    made = [forged(choice, **values) for choice in choices_in(out, whole, seeds, experiment)]
    return add(out, completed_rows(out, made)[0])


def keys(rows: Sequence[RunRow]) -> set[tuple[Any, ...]]:
    """Settings and seed of each run, by its config."""
    configs = [RunFolder(row.run).read_config() for row in rows]
    return {(*(str(config[name]) for name in AXES), row.seed) for config, row in zip(configs, rows, strict=True)}


def asked_for(random: Random, first: bool, before: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    """What a command may ask for: all of before and more, or some values of what varies."""
    if first or random.random() < 0.4:
        kept = {name: list(before.get(name, values[:1])) for name, values in AXES.items()}
        name = random.choice([*AXES])
        more = random.sample(AXES[name], random.randint(1, len(AXES[name])))
        return kept | {name: kept[name] + [value for value in more if value not in kept[name]]}
    return {name: random.sample(AXES[name], random.randint(1, len(AXES[name]))) if len(before[name]) > 1
            else list(before[name]) for name in AXES}  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_commands_in_any_order_add_up(seed: int, tmp_path: Path) -> None:
    random, out = Random(seed), tmp_path / "c"
    before: dict[str, list[Any]] = {}
    expected: set[tuple[Any, ...]] = set()
    for number in range(5):
        grid, seeds = asked_for(random, number == 0, before), random.sample(range(3), random.randint(1, 3))
        rows = command(out, grid, seeds)
        unspelled = [[{"tc:beta=6.0": "tc"}.get(str(value), str(value)) for value in grid[name]] for name in AXES]
        expected |= {*product(*unspelled, seeds)}
        assert {tuple("tc" if part == "tc:beta=6.0" else part for part in key) for key in keys(rows)} == expected
        stored = json.loads((out / "comparison.json").read_text())
        before = {name: stored["experiment"][name] for name in AXES}
        assert len(rows) == len(expected) == len([path for path in out.iterdir() if path.is_dir()])
        names = varied_in(stored["experiment"])
        assert all([*row.varied] == names for row in rows)
        assert len({(row.label, row.seed) for row in rows}) == len(rows)
        assert [row.as_dict() for row in rows_in(out)] == [
            {**row.as_dict(), "curve": None, "slope": None} for row in rows
        ]


@pytest.mark.parametrize("seed", range(4))
def test_the_csv_holds_what_the_json_holds(seed: int, tmp_path: Path) -> None:
    random = Random(seed)
    command(tmp_path / "c", asked_for(random, True, {}), [0, 1])
    stored = json.loads((tmp_path / "c" / "comparison.json").read_text())
    with open(tmp_path / "c" / "comparison.csv", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    said = [{name: "" if value is None else str(value) for name, value in row.items()} for row in stored["runs"]]
    assert lines == said
    assert {*stored["varied"]} <= {*lines[0]}


def test_what_was_varied_is_a_column_by_its_option(tmp_path: Path) -> None:
    rows = command(tmp_path / "c", {"beta": [1.0, 4.0], "hidden": [[400], [20, 30]], "latent_dim": [10, 2]}, [0])
    row = rows[-1].as_dict()
    assert (row["beta"], row["hidden"], row["latent_dim"]) == (4.0, "20,30", 2)
    (summary,) = [line for line in json.loads((tmp_path / "c/comparison.json").read_text())["summary"]
                  if line["label"] == rows[-1].label]  # fmt: skip
    assert (summary["beta"], summary["hidden"], summary["latent_dim"]) == ([4.0, None], "20,30", 2)
    assert rows[-1].label == "hidden 20x30, latent-dim 2, beta 4"


def test_the_beta_at_the_end_and_the_one_that_was_set_are_one_column(tmp_path: Path) -> None:
    grid = {"beta": [1.0, 4.0]}
    rows = command(tmp_path / "c", grid, [0], beta=7.5)  # as --match moves it
    assert [(row.as_dict()["beta"], row.varied["beta"]) for row in rows] == [(7.5, 1.0), (7.5, 4.0)]
    again = command(tmp_path / "c", {"beta": [4.0]}, [1], beta=7.5)
    assert [row.label for row in again] == ["beta 1", "beta 4", "beta 4"]


def test_two_commands_that_end_in_any_order_are_all_there(tmp_path: Path) -> None:
    out = tmp_path / "c"
    out.mkdir()
    asked = [({**BASE, "beta": [1.0, 4.0]}, [0]), ({**BASE, "beta": [1.0, 4.0, 16.0]}, [1])]
    experiments = [start(out, as_read_back({**grid, "seeds": seeds, "metrics": []})) for grid, seeds in asked]
    made = [[forged(choice) for choice in choices_in(out, *grid, experiment)]
            for grid, experiment in zip(asked, experiments, strict=True)]  # fmt: skip
    add(out, made[1])
    rows = add(out, made[0])
    assert [(row.varied["beta"], row.seed) for row in rows] == [(1, 0), (1, 1), (4, 0), (4, 1), (16, 1)]


def test_scores_that_another_command_has_taken_meanwhile_stay(tmp_path: Path) -> None:
    (row,) = command(tmp_path / "c", BASE, [0])
    add(tmp_path / "c", [replace(row, scores={"mig": 0.25, "sap": 0.5})])
    (both,) = add(tmp_path / "c", [replace(row, scores={"sap": 0.75, "irs": 1.0})])
    assert both.scores == {"sap": 0.75, "irs": 1.0, "mig": 0.25}
    (later,) = add(tmp_path / "c", [replace(row, step=2, scores={"irs": 1.0})])
    assert later.scores == {"irs": 1.0}


def test_other_metrics_are_taken_of_earlier_runs_too(cli: Cli, here: Path, rectangles: Path) -> None:
    words = [
        "compare",
        "--dataset",
        f"npz:{rectangles}",
        *SMALL[:2],
        *SMALL[4:],
        "--beta",
        1,
        "--beta",
        4,
        "--out",
        "c",
    ]
    assert cli(*words).exit_code == 0
    result = cli(*words[:-6], "--beta", 4, "--out", "c", "--metric", "mig", "--particles", 3, "--json")
    rows = json.loads(result.stdout)["runs"]
    assert [row["beta"] for row in rows] == [1, 4]
    assert all(isinstance(row["mig"], float) and isinstance(row["iw_bound"], float) for row in rows)
    shutil.move(rectangles, here / "gone.npz")
    try:
        gone = cli("compare", "c/beta1-seed0", "--out", "d")
        assert gone.exit_code == 1
    finally:
        shutil.move(here / "gone.npz", rectangles)
    again = json.loads(cli(*words, "--json").stdout)["runs"]
    assert [(row["mig"], row["iw_bound"]) for row in again] == [(row["mig"], row["iw_bound"]) for row in rows]


def test_a_row_whose_data_are_gone_stays_without(tmp_path: Path) -> None:
    out = tmp_path / "c"
    command(out, {"beta": [1.0, 4.0]}, [0])
    content = json.loads((out / "comparison.json").read_text())
    content["experiment"]["metrics"] = ["mig"]
    (out / "comparison.json").write_text(json.dumps(content))
    rows, notes = completed_rows(out, [])
    assert len(rows) == len(notes) == 2
    assert all("stays without what was asked for now" in note for note in notes)
    assert len(add(out, rows)) == 2


def test_finished_runs_are_pooled_as_scores_are(runs: list[Run], cli: Cli, here: Path) -> None:
    paths = [run.path for run in runs]
    result = cli("compare", *paths, "--out", "c", "--json")
    content = json.loads(result.stdout)
    assert [row["label"] for row in content["runs"]] == [label for _, label in labels_of(runs)] == ["a", "a", "b"]
    assert [row["beta"] for row in content["runs"]] == [1.0, 1.0, 4.0]
    assert json.loads(Path("c/comparison.json").read_text())["varied"] == ["beta"]
    assert [(line["label"], line["seeds"]) for line in content["summary"]] == [("a", 2), ("b", 1)]
    for path in paths:  # one after another
        result = cli("compare", path, "--out", "d", "--json")
    assert json.loads(result.stdout)["summary"] == content["summary"]


def test_one_fit_twice_is_no_second_seed(runs: list[Run], cli: Cli, here: Path) -> None:
    shutil.copytree(runs[0].path, here / "again-seed0")
    result = cli("compare", runs[0].path, "again-seed0", runs[2].path, "--out", "c", "--json")
    assert [(line["label"], line["seeds"]) for line in json.loads(result.stdout)["summary"]] == [
        ("a-seed0", 1), ("again-seed0", 1), ("b", 1),
    ]  # fmt: skip


def test_beta_norm_can_be_repeated(cli: Cli, here: Path) -> None:
    norms = ["--beta-norm", 0.1, "--beta-norm", 0.01]
    result = cli("compare", *SMALL, *norms, "--out", "c", "--json")
    rows = json.loads(result.stdout)["runs"]
    assert [(row["label"], row["beta_norm"]) for row in rows] == [("beta-norm 0.1", 0.1), ("beta-norm 0.01", 0.01)]
    assert [row["beta"] for row in rows] == pytest.approx([0.1 * 64 / 3, 0.01 * 64 / 3])
    grown = cli("compare", *SMALL, "--beta-norm", 0.01, "--seeds", 1, "--out", "c", "--json")
    rows = json.loads(grown.stdout)["runs"]
    assert [(row["beta_norm"], row["seed"]) for row in rows] == [(0.1, 0), (0.01, 0), (0.01, 1)]
    assert len(list(Path("c").glob("*/config.json"))) == 3
    refused = cli("compare", "--beta", 1, "--beta-norm", 1)
    assert (refused.exit_code, "set the same number" in refused.stderr) == (2, True)


def test_a_comparison_of_an_older_version_grows(cli: Cli, here: Path) -> None:
    words = ["compare", *SMALL, "--beta", 1, "--beta", 4, "--out", "c"]
    cli(*words)
    content = json.loads(Path("c/comparison.json").read_text())
    experiment = {name: values for name, values in content["experiment"].items()
                  if name not in ("beta_norm", "metrics", "particles")}  # fmt: skip
    older = {**content, "experiment": experiment, "runs": [content["runs"][0], {**content["runs"][1]}]}
    older.pop("varied")
    older["runs"][1].pop("still_falling")  # which was not yet
    Path("c/comparison.json").write_text(json.dumps(older))
    result = cli(*words, "--seeds", 1, "--json")
    assert result.exit_code == 0, result.stderr
    rows = json.loads(result.stdout)["runs"]
    assert [(row["beta"], row["seed"]) for row in rows] == [(1, 0), (1, 1), (4, 0), (4, 1)]
    assert rows[0] == content["runs"][0]


def test_a_comparison_that_moved_grows_where_it_is(cli: Cli, here: Path) -> None:
    cli("compare", *SMALL, "--beta", 1, "--beta", 4, "--out", "c")
    shutil.move("c", "moved")
    result = cli("compare", *SMALL, "--beta", 16, "--out", "moved", "--json")
    assert [row["run"] for row in json.loads(result.stdout)["runs"]] == [
        f"moved/beta{beta}-seed0" for beta in (1, 4, 16)
    ]  # fmt: skip
    shutil.rmtree("moved/beta1-seed0")
    rows = json.loads(cli("compare", *SMALL, "--beta", 16, "--out", "moved", "--json").stdout)["runs"]
    assert [row["beta"] for row in rows] == [1, 4, 16]


def test_fits_and_finished_runs_are_no_one_comparison(cli: Cli, here: Path) -> None:
    cli("compare", *SMALL, "--out", "c")
    refused = cli("compare", "c/bernoulli-seed0", "--out", "c")
    assert "c holds a comparison of fits: name another --out" in refused.stderr


def test_a_comparison_of_which_nothing_came_holds_nobody_up(cli: Cli, here: Path) -> None:
    assert cli("compare", "--dataset", "npz:none.npz", "--out", "c").exit_code == 1
    assert cli("compare", *SMALL, "--out", "c").exit_code == 0


def test_a_mistake_adds_nothing(cli: Cli, here: Path) -> None:
    assert cli("compare", *SMALL, "--beta", 1, "--beta", 4, "--out", "c").exit_code == 0
    before = Path("c/comparison.json").read_bytes()
    nobody = ["--jobs", 2, "--cluster", "tcp://node7:8786"]
    for wrong in (["--metric", "mig"], ["--column", "elboo"], ["--dataset", "npz:none.npz"], ["c/beta1-seed0"], nobody):
        assert cli("compare", *SMALL, "--beta", 1, "--beta", 16, *wrong, "--out", "c").exit_code in (1, 2)
        assert Path("c/comparison.json").read_bytes() == before


@pytest.mark.slow
def test_two_processes_share_the_work(here: Path) -> None:
    words = [sys.executable, "-m", "pyro_bvae_cli", "compare", *map(str, SMALL[2:]), "--steps", "300", "--no-figures"]
    betas = [word for beta in (1, 2, 4, 8) for word in ("--beta", str(beta))]
    both = [subprocess.Popen([*words, *betas, *more, "--out", "c"], stderr=subprocess.PIPE, text=True)
            for more in (["--seeds", "0"], ["--beta", "16", "--seeds", "0,1"])]  # fmt: skip
    said = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    rows = rows_in(here / "c")
    assert {(row.beta, row.seed) for row in rows} == {*product((1, 2, 4, 8, 16), (0, 1))}
    assert all(load_run(row.run).step == 300 for row in rows)
