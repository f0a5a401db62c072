"""A prepared file is used while it is whole and fits, and made again when it is not."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from time import sleep
from typing import Any

import numpy as np
import pytest
import torch

from pyro_bvae.datasets.mapped import mapped
from pyro_bvae.files import locked

IMAGES = np.random.default_rng(0).integers(0, 256, (10, 1, 4, 5)).astype(np.uint8)


class Maker:
    """Makes the images, and counts how often."""

    def __init__(self, fails_after: int | None = None) -> None:
        self.calls = 0
        self.fails_after = fails_after

    def __call__(self) -> tuple[tuple[int, ...], Iterator[np.ndarray]]:
        self.calls += 1
        return IMAGES.shape, self.blocks()

    def blocks(self) -> Iterator[np.ndarray]:
        for number, start in enumerate(range(0, 10, 3)):
            if number == self.fails_after:
                raise ValueError("picture 7 is damaged")
            yield IMAGES[start : start + 3]


def test_it_is_made_once_and_read_from_then_on(tmp_path: Path) -> None:
    maker, told = Maker(), []
    first, digest = mapped(tmp_path / "a.u8", {"from": ("x", 1)}, maker, lambda *what: told.append(what))
    again, same = mapped(tmp_path / "a.u8", {"from": ["x", 1]}, maker)
    assert maker.calls == 1
    assert digest == same
    assert torch.equal(first, torch.from_numpy(IMAGES))
    assert torch.equal(again, first)
    assert told[-1] == ("preparing a", 10, 10)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def spoil(path: Path) -> None:
    path.with_suffix(".json").write_text('{"key": ')


def forget(path: Path) -> None:
    path.with_suffix(".json").write_text(json.dumps({"key": {}}))


@pytest.mark.parametrize("harm", [truncate, spoil, forget, os.unlink])
def test_it_is_made_again_when_truncated_damaged_or_gone(harm: object, tmp_path: Path) -> None:
    mapped(tmp_path / "a.u8", {}, Maker())
    harm(tmp_path / "a.u8")
    maker = Maker()
    images, _ = mapped(tmp_path / "a.u8", {}, maker)
    assert maker.calls == 1
    assert torch.equal(images, torch.from_numpy(IMAGES))


def test_it_is_made_again_when_stale(tmp_path: Path) -> None:
    maker = Maker()
    for key in ({"crop": 1}, {"crop": 2}, {"crop": 2}):
        mapped(tmp_path / "a.u8", key, maker)
    assert maker.calls == 2


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="picture 7 is damaged"):
        mapped(tmp_path / "a.u8", {}, Maker(fails_after=2))
    assert list(tmp_path.iterdir()) == []


def test_of_several_that_want_one_file_one_writes_and_the_others_wait(tmp_path: Path) -> None:
    """Threads, whose locks exclude each other like those of processes; each would write its own number."""

    def blocks(number: int) -> Iterator[np.ndarray]:
        for _ in range(10):
            sleep(0.05)
            yield np.full((1, 1, 2, 2), number, np.uint8)

    def want(number: int) -> tuple[list[int], str]:
        images, digest = mapped(tmp_path / "a.u8", {}, lambda: ((10, 1, 2, 2), blocks(number)))
        return images.unique().tolist(), digest

    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(want, range(4))
    assert len(first[0]) == 1
    assert others == [first] * 3
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.json", "a.u8"]


def test_one_that_waits_says_for_whom(tmp_path: Path) -> None:
    said: list[tuple[str, int, int]] = []
    holding = ExitStack()

    def progress(*what: Any) -> None:
        said.append(what)
        holding.close()

    holding.enter_context(locked(tmp_path / "a.u8.lock", "it"))
    mapped(tmp_path / "a.u8", {}, Maker(), progress)
    assert re.fullmatch(rf"waiting for process {os.getpid()} \(.*\), who prepares a", said[0][0])
    assert said[-1] == ("preparing a", 10, 10)


def test_what_a_dead_process_left_is_in_nobodys_way(tmp_path: Path) -> None:
    for name in ("a.u8.partial", "a.u8.lock", ".partial-1-aa.u8"):
        (tmp_path / name).write_bytes(b"half")
        os.utime(tmp_path / name, (2e9, 2e9))  # from a machine whose clock is years ahead
    images, _ = mapped(tmp_path / "a.u8", {}, Maker())
    assert torch.equal(images, torch.from_numpy(IMAGES))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.json", "a.u8", "a.u8.partial"]


def test_a_file_that_is_whole_is_read_where_nothing_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mapped(tmp_path / "a.u8", {}, Maker())
    monkeypatch.setattr("pyro_bvae.datasets.mapped.one_writer", None)
    assert torch.equal(mapped(tmp_path / "a.u8", {}, Maker())[0], torch.from_numpy(IMAGES))


def test_a_file_that_is_written_anew_while_it_is_read_is_not_taken_for_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mapped(tmp_path / "a.u8", {"crop": 1}, Maker())
    maker, from_file = Maker(), torch.from_file

    def meanwhile(*arguments: Any, **options: Any) -> torch.Tensor:
        monkeypatch.setattr(torch, "from_file", from_file)
        mapped(tmp_path / "a.u8", {"crop": 2}, Maker())
        return from_file(*arguments, **options)

    monkeypatch.setattr(torch, "from_file", meanwhile)
    mapped(tmp_path / "a.u8", {"crop": 1}, maker)
    assert maker.calls == 1


def test_a_full_disk_is_told_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100))
    with pytest.raises(OSError, match=r"no room for a\.u8: 0\.00 GB are needed .* name another `data_root`"):
        mapped(tmp_path / "a.u8", {}, Maker())
    assert list(tmp_path.iterdir()) == []
