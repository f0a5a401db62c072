"""smallnorb: the published split, factors of its pictures, files packed or not, damaged ones and others refused."""

from __future__ import annotations

import gzip
import hashlib
from math import prod
from pathlib import Path

import numpy as np
import pytest
import torch
from published_files import SMALLNORB, matrix, noise, shrink_smallnorb, write_smallnorb

from pyro_bvae import datasets
from pyro_bvae.datasets.smallnorb import FILES, MD5

CAT, INFO, DAT = FILES[1], FILES[2], FILES[0]
HALF = prod(SMALLNORB) // 2


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink_smallnorb(monkeypatch)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_smallnorb(tmp_path / "norb", packed=False)
    return tmp_path / "norb"


def loaded(folder: Path, **options: object) -> datasets.Dataset:
    return datasets.load(f"smallnorb:{folder}", folder.parent, **options)


def test_instances_say_which_part_a_picture_belongs_to(folder: Path) -> None:
    data = loaded(folder)
    assert {*data.factors[data.train, 1].tolist()} == {4, 6, 7, 8, 9}
    assert {*data.factors[data.held_out, 1].tolist()} == {0, 1, 2, 3, 5}
    assert len(data.train) == len(data.held_out) == HALF


def test_a_subsample_keeps_the_parts(folder: Path) -> None:
    data = loaded(folder, subsample=50)
    assert {*data.factors[data.train, 1].tolist()} <= {4, 6, 7, 8, 9}
    assert {*data.factors[data.held_out, 1].tolist()} <= {0, 1, 2, 3, 5}
    assert len(loaded(folder, subsample=2)) == 2


def test_labels_are_the_categories(folder: Path) -> None:
    data = loaded(folder)
    assert torch.equal(data.labels, data.factors[:, 0])
    assert data.label_names == ("animal", "human", "airplane", "truck", "car")


def test_packed_and_unpacked_files_may_stand_together(folder: Path) -> None:
    whole = loaded(folder)
    (folder / f"{DAT}.gz").write_bytes(gzip.compress((folder / DAT).read_bytes(), 1))
    (folder / DAT).unlink()
    (folder / INFO).write_bytes(gzip.compress((folder / INFO).read_bytes()))  # packed under the name of the unpacked
    mixed = loaded(folder)
    assert mixed.fingerprint == whole.fingerprint
    assert mixed.notes[-1].startswith(f"6 files not as published, by the md5: {DAT}.gz, {CAT}, {INFO}, ")
    assert mixed.notes[0] == "images of 96×96 are scaled to 64×64 by Pillow's Lanczos filter"


def test_where_a_file_is_there_both_ways_the_unpacked_one_is_read(folder: Path) -> None:
    whole = loaded(folder)
    (folder / f"{DAT}.gz").write_bytes(b"no gzip")
    assert loaded(folder).fingerprint == whole.fingerprint
    content = (folder / DAT).read_bytes()
    (folder / f"{DAT}.gz").write_bytes(gzip.compress(content, 1))
    (folder / DAT).write_bytes(content[: len(content) // 2])  # unpacking was interrupted
    with pytest.raises(ValueError, match=r"dat\.mat is damaged: it is cut short; remove it, and .*dat\.mat\.gz .*"):
        loaded(folder)


def test_the_layout_is_that_of_published_files() -> None:
    """Three of the six can be written here: the categories, and what the test pictures show."""
    category = np.tile(np.arange(5, dtype=np.int32), 24_300 // 5)
    instance, elevation, azimuth, lighting, _ = np.meshgrid(
        [0, 1, 2, 3, 5], np.arange(9), np.arange(0, 36, 2), np.arange(6), np.arange(5), indexing="ij"
    )
    shown = np.stack([instance, elevation, azimuth, lighting], axis=-1).reshape(-1, 4).astype(np.int32)
    for name, array in zip(FILES[1::3] + FILES[-1:], (category, category, shown), strict=True):
        assert hashlib.md5(matrix(array)).hexdigest() == MD5[name][1], name


def test_a_file_that_is_missing_is_named(folder: Path) -> None:
    (folder / CAT).unlink()
    with pytest.raises(FileNotFoundError, match=rf"has no {CAT}, also not packed \(\.gz\); give the folder of all 6"):
        loaded(folder)
    with pytest.raises(FileNotFoundError, match="is not a folder"):
        loaded(folder / DAT)


def changed(folder: Path, name: str, array: np.ndarray) -> None:
    (folder / name).write_bytes(matrix(array))


def info(folder: Path) -> np.ndarray:
    return np.frombuffer((folder / INFO).read_bytes()[20:], "<i4").reshape(-1, 4).copy()


def test_other_matrices_are_refused(folder: Path) -> None:
    whole = (folder / DAT).read_bytes()
    bad = {
        rf"expected {HALF}×2×96×96 uint8, got 7×2×96×96 uint8": matrix(noise(7, 2, 96, 96)),
        rf"got {HALF}×96×96 uint8": matrix(noise(HALF, 96, 96)),
        rf"got {HALF}×96×96×2 uint8": matrix(noise(HALF, 96, 96, 2)),
        r"dat\.mat .*got no matrix of uint8 or int32": whole[3::-1] + whole[4:],  # another order of bytes
        rf"got {HALF} int32": matrix(np.zeros(HALF, np.int32)),
        r"got no matrix of uint8 or int32": b"MATLAB 5.0 MAT-file",
        r"dat\.mat is damaged or not the published file.*got no matrix": b"",
        r"dat\.mat is damaged: it is cut short": whole[:-1],
        r"dat\.mat is damaged: it is longer than its header states": whole + b"\0",
    }
    for message, content in bad.items():
        (folder / DAT).write_bytes(content)
        with pytest.raises(ValueError, match=message):
            loaded(folder)
    packed = bytearray(gzip.compress(whole, 1))
    packed[-6] ^= 1  # the checksum
    (folder / DAT).write_bytes(packed)
    with pytest.raises(ValueError, match=r"dat\.mat is damaged or cut short: CRC check failed"):
        loaded(folder)


@pytest.mark.parametrize("case", ["odd azimuth", "too large", "negative", "twice"])
def test_factors_that_are_not_the_published_ones_are_refused(case: str, folder: Path) -> None:
    rows = info(folder)
    if case == "twice":
        rows[:] = rows[0]
    else:
        column, value = {"odd azimuth": (2, 1), "too large": (3, 99), "negative": (1, -1)}[case]
        rows[0, column] = value
    changed(folder, INFO, rows)
    with pytest.raises(ValueError, match="not all combinations of 2 category, 10 instance, 1 elevation"):
        loaded(folder)
