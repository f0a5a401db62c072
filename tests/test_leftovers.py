"""`datasets --clean` removes what no data set uses any more, and nothing else."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli
from PIL import Image

from pyro_bvae import datasets
from pyro_bvae.datasets import folder, remove_leftovers
from pyro_bvae.datasets.mapped import mapped
from pyro_bvae.files import atomic_write, locked


@pytest.fixture
def prepared(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of prepared images: those of a small folder of pictures, and drawn ones, which have no source."""
    monkeypatch.setattr(folder, "IN_MEMORY_BELOW_BYTES", 0)
    (here / "pictures").mkdir()
    for number in range(3):
        Image.fromarray(np.full((4, 4), number, np.uint8)).save(here / "pictures" / f"{number}.png")
    datasets.load("folder:pictures", here)
    mapped(here / "prepared" / "drawn.u8", {"drawn": 1}, lambda: ((1, 1, 2, 2), [np.zeros((1, 1, 2, 2))]))
    return here / "prepared"


def copy_of(prepared: Path) -> Path:
    (images,) = prepared.glob("pictures-*.u8")
    return images


def remove_source(prepared: Path) -> None:
    shutil.rmtree("pictures")


def change_source(prepared: Path) -> None:
    os.utime("pictures/0.png", (1, 1))


def forget_an_option(prepared: Path) -> None:
    description = copy_of(prepared).with_suffix(".json")
    facts = json.loads(description.read_text())
    del facts["key"]["grey"]
    description.write_text(json.dumps(facts))


def cut_short(prepared: Path) -> None:
    copy_of(prepared).write_bytes(b"1")


def remove_description(prepared: Path) -> None:
    copy_of(prepared).with_suffix(".json").unlink()


def remove_images(prepared: Path) -> None:
    copy_of(prepared).unlink()


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (remove_source, "is gone"),
        (change_source, "has changed"),
        (forget_an_option, "an older version prepared it"),
        (cut_short, "it is cut short"),
        (remove_description, "it has no description"),
        (remove_images, "the images that it describes are gone"),
    ],
)
def test_a_copy_that_nobody_will_read_is_named_and_removed(
    harm: Callable[[Path], None], reason: str, prepared: Path, cli: Cli
) -> None:
    harm(prepared)
    result = cli("datasets", "--clean", "--data-root", ".")
    assert result.exit_code == 0, result.stderr
    assert reason in result.stdout.splitlines()[0]
    assert sorted(file.name for file in prepared.iterdir()) == ["drawn.json", "drawn.u8"]


def test_what_is_in_use_stays(prepared: Path, cli: Cli) -> None:
    before = sorted(prepared.iterdir())
    assert cli("datasets", "--clean", "--data-root", ".").stdout == "nothing to remove in prepared\n"
    assert json.loads(cli("datasets", "--clean", "--data-root", ".", "--json").stdout) == {"removed": []}
    assert sorted(prepared.iterdir()) == before


def test_what_killed_processes_left_is_removed(prepared: Path) -> None:
    before = sorted(prepared.iterdir())
    left = [prepared / name for name in (".partial-1-aa.u8", "a.u8.partial", "drawn.partial.json")]
    for file in [*left, prepared / "drawn.u8.lock"]:
        file.write_bytes(b"half")
    removed = remove_leftovers(prepared.parent)
    assert {old.file for old in removed} == {*left}
    assert {old.bytes for old in removed} == {4}
    assert sorted(prepared.iterdir()) == before


def test_what_another_process_writes_stays(prepared: Path) -> None:
    shutil.rmtree("pictures")
    before = copy_of(prepared)
    with locked(Path(f"{before}.lock"), "it"), atomic_write(prepared / "b.u8") as partial:
        assert remove_leftovers(prepared.parent) == []
        assert partial.exists()
        assert before.exists()


def test_there_may_be_nothing_at_all(tmp_path: Path) -> None:
    assert remove_leftovers(tmp_path) == []
