"""The list of the data sets: whether each is on disk, how large, under what licence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from conftest import Cli

from pyro_bvae import datasets
from pyro_bvae.datasets.mapped import mapped


def rows(root: Path) -> dict[str, dict]:
    return {row["name"]: dict(row) for row in datasets.available(root)}


def test_every_data_set_has_a_row_with_a_licence(tmp_path: Path) -> None:
    listed = rows(tmp_path)
    assert {name.partition(":")[0].partition("[")[0] for name in listed} == {*datasets.SOURCES}
    assert all(row["licence"] and row["source"] for row in listed.values())
    assert listed["mpi3d:complex"]["size"] == "460,800"
    assert listed["mpi3d:real"]["size"] == "1,036,800"
    for name in ("mpi3d:PATH", "npz:PATH", "folder:PATH"):
        assert (listed[name]["on_disk"], listed[name]["bytes"]) == (None, None)


def test_bytes_are_those_of_downloads_and_of_what_was_prepared_from_them(made_data: Path) -> None:
    datasets.load("chairs", made_data)
    listed = rows(made_data)
    tar = (made_data / "chairs" / "rendered_chairs.tar").stat().st_size
    prepared = sum(file.stat().st_size for file in made_data.glob("prepared/rendered_chairs*.u8"))
    assert prepared > 0
    assert listed["chairs[:PATH]"]["bytes"] == tar + prepared
    assert listed["mnist"]["bytes"] == sum(file.stat().st_size for file in (made_data / "MNIST" / "raw").iterdir())
    assert (listed["kmnist"]["on_disk"], listed["kmnist"]["bytes"]) == (False, 0)


def test_a_drawn_set_takes_what_was_drawn(tmp_path: Path) -> None:
    assert rows(tmp_path)["dsprites[:PATH]"]["bytes"] == 0
    mapped(tmp_path / "prepared" / "dsprites.u8", {"drawn": 1}, lambda: ((2, 1, 2, 2), [np.zeros((2, 1, 2, 2))]))
    assert rows(tmp_path)["dsprites[:PATH]"]["bytes"] == 8
    assert rows(tmp_path)["digits"]["bytes"] == 0


def test_the_command_prints_a_table_and_json(cli: Cli, made_mnist: Path) -> None:
    lines = cli("datasets", "--data-root", made_mnist).stdout.splitlines()
    by_name = {line.split()[0]: line for line in lines}
    assert len({line.index(word) for line, word in ((lines[0], "licence"), (by_name["mnist"], "CC BY-SA 3.0"))}) == 1
    assert " 0.3 MB  CC BY-SA 3.0" in by_name["mnist"]
    assert " no  MIT" in by_name["fashion-mnist"]
    assert " yes  CC BY 4.0" in by_name["digits"]
    assert " yours  yours" in by_name["npz:PATH"]
    content = json.loads(cli("datasets", "--json", "--data-root", made_mnist).stdout)["datasets"]
    assert content == [dict(row) for row in datasets.available(made_mnist)]
