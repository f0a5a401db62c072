"""What is read back as rows is what the files hold: flat, whole, and of the right kinds."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Any

import pytest
from conftest import Cli, history_line, some_config

import pyro_bvae
from pyro_bvae import comparison, results
from pyro_bvae.files import write_json
from pyro_bvae.files.optional import MissingPackageError
from pyro_bvae.runs.run import Run
from pyro_bvae.settings.options import SETTINGS
from pyro_bvae.settings.shown import finite

BUDGET = ("--steps", 3, "--image-size", 8, "--hidden", "4,3", "--latent-dim", 2, "--eval-every", 1, "--no-compile")
PLAIN = (int, float, str, bool, type(None))


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comparison of two β and two seeds, and a run beside it."""
    from click.testing import CliRunner
    from pyro_bvae_cli import main

    out = tmp_path_factory.mktemp("results")
    words = [str(word) for word in (*BUDGET, "--no-figures")]
    for command in (["compare", "--beta", "1", "--beta", "4", "--seeds", "0,1"], ["fit", "--objective", "tc"]):
        done = CliRunner().invoke(main, [*command, *words, "--out", str(out / command[0])])
        assert done.exit_code == 0, done.output
    return out


def run_in(folder: Path, *lines: dict[str, Any], **settings: Any) -> Path:
    """A run folder with these settings and lines, and nothing else."""
    folder.mkdir(parents=True)
    write_json(folder / "config.json", some_config(**settings))
    (folder / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


PLACES: dict[str, tuple[Callable[[Path], Any], int]] = {
    "a comparison": (lambda made: made / "compare", 4),
    "its file": (lambda made: made / "compare" / "comparison.json", 4),
    "a run": (lambda made: str(made / "fit"), 1),
    "all runs below": (lambda made: made, 5),
    "a pattern": (lambda made: str(made / "compare" / "beta1*"), 2),
    "several": (lambda made: [made / "fit", made / "compare"], 5),
}


@pytest.mark.parametrize("place", PLACES)
def test_rows_are_flat_whatever_is_read(place: str, made: Path) -> None:
    path, count = PLACES[place]
    rows = results(path(made))
    assert len(rows) == count
    for row in [*rows, *rows.history()]:
        assert all(type(value) in PLAIN for value in row.values())


def test_a_run_is_its_settings_and_its_held_out_terms(made: Path) -> None:
    (row,) = results(made / "fit")
    run = pyro_bvae.load_run(made / "fit")
    assert {*SETTINGS} <= row.keys()
    assert (row["hidden"], row["objective"], row["latent_dim"], row["figures"]) == ("4,3", "tc:beta=6", 2, False)
    assert row["elbo"] == run.history[-1]["held_out_elbo"]
    assert [row["kl_0"], row["kl_1"]] == run.history[-1]["held_out_kl_per_latent"]


def test_the_rows_of_a_comparison_are_those_of_its_runs(made: Path) -> None:
    rows, of_runs = results(made / "compare"), results(made / "compare" / "beta*")
    assert [row["run"] for row in rows] == [row["run"] for row in of_runs]
    for name in ("elbo", "rate", "kl_1", "mse", "probe_accuracy", "beta"):
        assert [row[name] for row in rows] == [row[name] for row in of_runs]


def test_a_run_in_one_file_is_the_row_of_its_folder(made: Path, tmp_path: Path) -> None:
    folder = made / "compare" / "beta1-seed0"
    (file,) = pyro_bvae.export(folder, tmp_path / "one.zip")
    rows = [*results(folder), *results(file)]
    assert [row.pop("run") for row in rows] == [str(folder), str(file)]
    assert rows[0] == {**rows[1], "data_root": rows[0]["data_root"]}
    assert len(results(file).history()) == len(results(folder).history())


def test_a_history_has_the_settings_that_vary_beside_it(made: Path) -> None:
    rows = results(made / "compare").history()
    assert [(row["beta"], row["seed"], row["step"]) for row in rows] == [
        (beta, seed, step) for beta in (1.0, 4.0) for seed in (0, 1) for step in (1, 2, 3)
    ]
    assert "held_out_kl_1" in rows[0]
    assert "lr" not in rows[0]


def test_scores_have_the_settings_that_vary_beside_them(runs: list[Run], cli: Cli, tmp_path: Path) -> None:
    words = [run.path for run in runs]
    assert cli("score", *words, "--metric", "mig", "--metric", "udr", "--repeats", 2, "--baseline", "pca",
               "--no-figures", "--out", tmp_path / "scores").exit_code == 0  # fmt: skip
    rows = results(tmp_path / "scores.json")
    of_runs = [row for row in rows if row["run"] != row["label"]]
    assert [(row["beta"], row["seed"], row["repeat"]) for row in of_runs] == [
        (run.config["beta"], run.config["seed"], repeat) for run in runs for repeat in (0, 1)
    ]
    assert {type(row["mig"]) for row in rows} == {float}
    assert of_runs[-1]["udr"] is None
    assert "no other run" in of_runs[-1]["missing.udr"]


def test_a_frame_keeps_the_kinds_of_its_columns(made: Path, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="there is no pandas: pip install pandas")
    frame = results(made).to_frame()
    kinds = frame.dtypes
    assert (kinds["latent_dim"], kinds["elbo"], kinds["figures"]) == ("int64", "float64", "bool")
    assert (kinds["active_units"], kinds["still_falling"], kinds["epochs"]) == ("Int64", "boolean", object)
    assert frame.groupby(["beta", "hidden"])["elbo"].mean().notna().all()
    frame.to_csv(tmp_path / "frame.csv")
    assert len(pandas.read_csv(tmp_path / "frame.csv")) == 5


def test_infinities_and_words_come_back_as_they_were(tmp_path: Path) -> None:
    rows = [{"label": "β, a_b", "run": "gone", "psnr": inf, "mse": float("nan"), "kl_per_latent": None}]
    write_json(tmp_path / "comparison.json", finite({"experiment": {}, "runs": rows}))
    (row,) = results(tmp_path)
    assert (row["label"], row["psnr"]) == ("β, a_b", inf)
    assert row["mse"] != row["mse"]
    with pytest.raises(FileNotFoundError, match="no run of these rows is there"):
        results(tmp_path).history()


def test_a_comparison_that_has_moved_names_its_runs_where_they_are(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "compare", tmp_path / "moved")
    content = json.loads((tmp_path / "moved" / "comparison.json").read_text())
    for row in content["runs"]:
        row["run"] = f"elsewhere/{Path(row['run']).name}"
    write_json(tmp_path / "moved" / "comparison.json", content)
    rows = results(tmp_path / "moved")
    assert {Path(row["run"]).parent for row in rows} == {tmp_path / "moved"}
    assert len(rows.history()) == 12


def test_one_damaged_run_of_many_is_left_out_with_a_warning(tmp_path: Path) -> None:
    whole = run_in(tmp_path / "a", history_line(1), beta=2.0)
    run_in(tmp_path / "b", {"step": 1}, history_line(2))
    begun = run_in(tmp_path / "c")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "config.json").write_text("{")
    with pytest.warns(UserWarning, match="left out: ") as warned:
        rows = results(tmp_path)
    assert [row["run"] for row in rows] == [str(whole), str(begun)]
    assert [each in str(warning.message) for each, warning in zip("bd", warned, strict=True)] == [True, True]
    assert ("elbo" in rows[0], "elbo" in rows[1]) == (True, False)
    with pytest.raises(ValueError, match="is damaged"):
        results(tmp_path / "d")


def test_an_evaluation_of_another_step_is_not_that_of_the_run(tmp_path: Path) -> None:
    folder = run_in(tmp_path / "a", history_line(3, held_out_elbo=-5.0))
    write_json(folder / "evaluation.json", {"step": 2, "elbo": -9.0, "mse": 1.0})
    assert "mse" not in results(folder)[0]
    write_json(folder / "evaluation.json", {"step": 3, "elbo": -4.0, "mse": 1.0})
    assert (results(folder)[0]["elbo"], results(folder)[0]["mse"]) == (-4.0, 1.0)
    (folder / "evaluation.json").write_text("[")
    assert results(folder)[0]["elbo"] == -5.0


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (".", None, "holds no run: name a run"),
        ("there-is-none", None, "is not there: name a run"),
        ("a.json", "{}", "is no comparison.json"),
        ("a.csv", "label\n", "is no comparison.json"),
        ("a.json", '{"scores": [1]}', "is no comparison.json"),
    ],
)
def test_what_holds_no_rows_is_refused(name: str, content: str | None, message: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises((FileNotFoundError, ValueError), match=message):
        results(tmp_path / name)


def test_a_missing_pandas_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingPackageError, match="pip install pandas"):
        results([]).to_frame()


def test_a_comparison_is_read_without_waiting_for_torch(made: Path) -> None:
    script = "import sys, pyro_bvae; print(len(pyro_bvae.results(sys.argv[1])), 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script, str(made / "compare")], capture_output=True, text=True)
    assert done.stdout == "4 False\n", done.stderr


def test_every_name_of_comparison_is_where_it_is_looked_for() -> None:
    assert {*comparison.HOMES} == {*comparison.__all__}
    assert all(getattr(comparison, name) is not None for name in comparison.__all__)
    with pytest.raises(AttributeError, match="no attribute 'sumarise'"):
        comparison.sumarise  # noqa: B018
