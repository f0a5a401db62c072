"""Columns of a table are left out where one says so: in a fit, and in files of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Cli

from pyro_bvae import load_run
from pyro_bvae.datasets import load

ROWS = ["7,1.5,ann,2,2020-01-01", "9,2.5,bob,4,2020-01-02", "8,0.5,cy,3,2020-02-01", "3,1,dee,9,2020-02-02"]
TABLE = "\n".join(["id,length,name,width,day", *ROWS])
VALUES = [[1.5, 2], [2.5, 4], [0.5, 3], [1, 9]]


@pytest.mark.parametrize("leave_out", ["id,name,day", "1,3,5", "id, 3,day", ["id", "name", "day"], [1, 3, "day"]])
@pytest.mark.parametrize("kind", ["csv", "txt"])
def test_columns_are_left_out_by_name_or_number(kind: str, leave_out: Any, tmp_path: Path) -> None:
    (tmp_path / "a").write_text(TABLE.replace(",", " ") if kind == "txt" else TABLE)
    data = load(f"{kind}:{tmp_path / 'a'}", leave_out=leave_out)
    assert data.images.tolist() == VALUES
    assert data.columns == ["length", "width"]
    assert any(note.startswith("3 columns left out as asked: ") for note in data.notes)
    assert isinstance(data.options["leave_out"], str)


def test_a_single_column_is_left_out_by_its_number(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1,5,2\n2,3,9\n4,4,4\n7,8,1")
    assert load(f"csv:{tmp_path / 'a'}", leave_out=2).images.tolist() == [[1, 2], [2, 9], [4, 4], [7, 1]]


def test_names_with_commas_are_quoted_and_columns_without_names_have_numbers(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('"a, b",c\n1,2\n3,4\n')
    assert load(f"csv:{tmp_path / 'a.csv'}", leave_out=["a, b"]).images.tolist() == [[2], [4]]
    (tmp_path / "a.csv").write_text("x,2\ny,4\n")
    assert load(f"csv:{tmp_path / 'a.csv'}", leave_out="1").images.tolist() == [[2], [4]]


@pytest.mark.parametrize(
    ("leave_out", "message"),
    [
        ("ids", r"has no column 'ids' to leave out: choose from id, length, name and 2 more"),
        ("6", r"has no column '6' to leave out"),
        ("id,length,name,width,day", "holds no numbers"),
        ("id", "'ann' is not a number .* leave the column out"),
    ],
)
def test_columns_that_are_not_there_are_refused(leave_out: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(TABLE)
    with pytest.raises(ValueError, match=message):
        load(f"csv:{tmp_path / 'a.csv'}", leave_out=leave_out)
    with pytest.raises(ValueError, match="the dataset npy has no `leave_out`"):
        load(f"npy:{tmp_path / 'a.npy'}", leave_out=leave_out)


@pytest.mark.parametrize("own", [TABLE, "length,width\n1.5,2\n2.5,4\n0.5,3\n1,9\n"])
def test_a_run_leaves_them_out_of_its_data_and_of_a_file_of_ones_own(own: str, cli: Cli, here: Path) -> None:
    Path("a.csv").write_text(TABLE)
    Path("own.csv").write_text(own)
    small = ("--likelihood", "gaussian", "--hidden", 4, "--no-compile", "--steps", 2, "--out", "run")
    refused = cli("fit", "--dataset", "csv:a.csv", *small)
    assert "leave the column out (--leave-out)" in refused.stderr
    assert cli("fit", "--dataset", "csv:a.csv", "--leave-out", "id,name,day", *small).exit_code == 0
    assert load_run("run").dataset().images.tolist() == VALUES
    assert cli("fit", "--resume", *small[-2:], "--steps", 3).exit_code == 0
    assert cli("reconstruct", "run", "--image", "own.csv", "--out", "out").exit_code == 0
    with np.load("out.npz") as arrays:
        assert torch.equal(torch.from_numpy(arrays["originals"]), torch.tensor(VALUES))
