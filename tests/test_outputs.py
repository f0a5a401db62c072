"""What a command writes goes where one says, and never over a run's own files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli
from pyro_bvae_cli.output import write_arrays

from pyro_bvae.runs.run import Run


@pytest.fixture
def run(here: Path, digits_run: Run) -> Path:
    shutil.copytree(str(digits_run.path), "run")
    Path("linked").symlink_to("run")
    Path("inside").mkdir()
    Path("inside/link.json").symlink_to("../run/config.json")
    return Path("run")


WRITERS = {
    "score": ("score", "run", "--metric", "probe", "--repeats", 1, "--no-figures"),
    "encode": ("encode", "run"),
    "sample": ("sample", "run", "--count", 2),
    "reconstruct": ("reconstruct", "run", "--count", 2),
    "traverse": ("traverse", "run", "--columns", 2),
}
REFUSED = {
    "score": {
        "run/config": "is a file of the run", "run/config.json": "is a file of the run", "linked/CONFIG": "of the run",
        "run/figures/../evaluation.json": "of the run", "inside/link": "of the run",
        "run/checkpoints/step-1": "of the run", "scores.txt": "ends in .txt, and what is written is .json, .csv",
        "inside": "is a folder", "new/": "is a folder",
    },
    "encode": {
        "run/checkpoint.pt": "ends in .pt, and what is written is .npz", "codes.csv": "ends in .csv",
        "run/checkpoints/x": "of the run",
    },
    "sample": {"a.jpg": "ends in .jpg", "a.csv": "a csv holds vectors, and these are images"},
    "reconstruct": {"a.pt": "ends in .pt", "a.CSV": "a csv holds vectors", "run/checkpoints/a": "of the run"},
    "traverse": {"a.csv": "ends in .csv, and what is written is .png, .gif, .npz",
                 "linked/checkpoints/b": "of the run"},
}  # fmt: skip


@pytest.mark.parametrize(("command", "out"), [(command, out) for command in WRITERS for out in REFUSED[command]])
def test_an_output_that_would_land_wrongly_is_refused_in_a_line(command: str, out: str, cli: Cli, run: Path) -> None:
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    result = cli(*WRITERS[command], "--out", out)
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1), result.output
    assert REFUSED[command][out] in result.stderr
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("command", "out", "files"),
    [
        ("score", "a", {"a.json", "a.csv"}),
        ("score", "a.json", {"a.json", "a.csv"}),
        ("encode", "beta0.5", {"beta0.5.npz"}),
        ("encode", "a.npz", {"a.npz"}),
        ("sample", "a.b.png", {"a.b.png", "a.b.npz"}),
        ("traverse", "config", {"config.png", "config.gif", "config.npz"}),
    ],
)
def test_an_ending_is_added_where_there_is_none(command: str, out: str, files: set[str], cli: Cli, run: Path) -> None:
    before = {*os.listdir()}
    result = cli(*WRITERS[command], "--out", out)
    assert result.exit_code == 0, result.output
    assert {*os.listdir()} - before == files


@pytest.mark.parametrize("words", [("--out", "run"), ("--out", "run", "--beta", "7"), ("--out", "full", "--overwrite")])
def test_a_folder_that_is_taken_is_refused_before_data_are_read(words: tuple[str, ...], cli: Cli, run: Path) -> None:
    Path("full").mkdir()
    Path("full/thesis.tex").write_text("years of work")
    result = cli("fit", "--dataset", "npz:there-is-none.npz", *words)
    assert result.exit_code == 1
    assert "holds a run" in result.stderr or "holds other files" in result.stderr


def test_a_comparison_stays_below_its_folder_whatever_the_data_are_called(cli: Cli, here: Path) -> None:
    Path("p/q").mkdir(parents=True)
    names = ["a b.npz", "x;$(touch y).npz", "é\n.npz", "-rf.npz"]
    for name in names:
        np.savez(f"p/{name}", images=np.zeros((20, 8, 8), np.uint8))
    os.chdir("p/q")
    words = [word for name in names for word in ("--dataset", f"npz:./../{name}")]
    result = cli("compare", *words, "--steps", 1, "--hidden", 2, "--latent-dim", 1, "--no-compile", "--out", "deep/c")
    assert result.exit_code == 0, result.output
    runs = [path.parent for path in here.rglob("config.json")]
    assert len(runs) == len(names)
    assert {path.parent for path in runs} == {here / "p/q/deep/c"}
    assert all(path.name.isprintable() for path in runs)


def test_arrays_that_are_not_finite_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scale = np.array([1, np.inf])
    write_arrays(tmp_path / "codes.npz", {"loc": np.zeros(2), "scale": scale, "kl": [np.nan], "index": [0, 1]})
    assert capsys.readouterr().err == "note    scale: some numbers are NaN or infinite\n"
