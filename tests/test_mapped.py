"""A prepared file is used while it is whole and fits, and made again when it is not."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from pyro_bvae.datasets.mapped import mapped

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


def test_a_half_written_file_is_left_to_its_writer_and_taken_over_from_a_dead_one(tmp_path: Path) -> None:
    half = tmp_path / "a.u8.partial"
    half.write_bytes(b"half")
    with pytest.raises(OSError, match="another process is writing"):
        mapped(tmp_path / "a.u8", {}, Maker())
    os.utime(half, (0, 0))
    images, _ = mapped(tmp_path / "a.u8", {}, Maker())
    assert torch.equal(images, torch.from_numpy(IMAGES))
    assert not half.exists()


def test_a_full_disk_is_told_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100))
    with pytest.raises(OSError, match=r"no room for a\.u8: 0\.00 GB are needed .* name another --data-root"):
        mapped(tmp_path / "a.u8", {}, Maker())
    assert list(tmp_path.iterdir()) == []
