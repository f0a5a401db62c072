"""shapes3d: damaged files and others are refused, and no more than a slice is in memory."""

from __future__ import annotations

import errno
import sys
from math import prod
from pathlib import Path

import numpy as np
import pytest
from published_files import SHAPES3D, grid_of, noise, shrink_shapes3d, write_shapes3d

from pyro_bvae import datasets
from pyro_bvae.datasets import shapes3d

COUNT = prod(SHAPES3D)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink_shapes3d(monkeypatch)


@pytest.mark.parametrize("together", [(1, 64, 64, 3), (7, 16, 16, 1), (COUNT, 8, 8, 1)])
@pytest.mark.parametrize("at_once", [1, 10, 64])
def test_chunks_of_any_kind_are_read(
    together: tuple[int, ...], at_once: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyro_bvae.datasets.streamed.BLOCK_BYTES", at_once * 64 * 64 * 3)
    monkeypatch.setattr(shapes3d, "MOST_BYTES", 50 * 64 * 64 * 3)
    images = write_shapes3d(tmp_path / "a.h5", together=together)
    blocks = list(shapes3d._blocks(tmp_path / "a.h5"))
    assert max(map(len, blocks)) <= at_once
    data = datasets.load(f"shapes3d:{tmp_path / 'a.h5'}", tmp_path)
    assert np.array_equal(data.images.numpy(), images.transpose(0, 3, 1, 2))


OTHERS = {
    "no images": ({"images": None}, rf"expected an array images of shape \({COUNT}, 64, 64, 3\), got only labels"),
    "no labels": ({"labels": None}, rf"expected an array labels of shape \({COUNT}, 6\), got only images"),
    "fewer": ({"images": noise(5, 64, 64, 3)}, r"expected an array images of shape .*, got \(5, 64, 64, 3\)"),
    "floats": ({"images": np.zeros((COUNT, 64, 64, 3), np.float32)}, "its images are float32, expected uint8"),
    "another order": ({"labels": grid_of(SHAPES3D)[::-1].astype(float)}, "not all combinations of 6 factors"),
    "a wrong label": ({"labels": np.eye(COUNT, 6)}, "not all combinations of 6 factors, .*npz:FILE"),
    "labels in words": ({"labels": np.full((COUNT, 6), b"red")}, "not all combinations of 6 factors"),
    "nan": ({"labels": np.full((COUNT, 6), np.nan)}, "not all combinations"),
}


@pytest.mark.parametrize("case", list(OTHERS))
def test_other_files_are_refused(case: str, tmp_path: Path) -> None:
    changes, message = OTHERS[case]
    write_shapes3d(tmp_path / "a.h5", **changes)
    with pytest.raises(ValueError, match=message):
        datasets.load(f"shapes3d:{tmp_path / 'a.h5'}", tmp_path)


def test_labels_in_single_precision_are_the_same(tmp_path: Path) -> None:
    write_shapes3d(tmp_path / "a.h5")
    values = np.stack([column / 7 - 30 for column in grid_of(SHAPES3D).T], axis=1).astype(np.float32)
    write_shapes3d(tmp_path / "b.h5", labels=values)
    one, other = (datasets.load(f"shapes3d:{tmp_path / name}", tmp_path) for name in ("a.h5", "b.h5"))
    assert one.fingerprint == other.fingerprint


def test_what_is_no_hdf5_is_named(tmp_path: Path) -> None:
    for content, said in (
        (b"PK\3\4", "it is a zip or npz"),
        (b"<html>", "a page of the web"),
        (b"", "begins with b''"),
    ):
        (tmp_path / "a.h5").write_bytes(content)
        with pytest.raises(ValueError, match=rf"a\.h5 is damaged or no HDF5 file: .*{said}"):
            datasets.load(f"shapes3d:{tmp_path / 'a.h5'}", tmp_path)


def test_a_damaged_chunk_is_told(tmp_path: Path) -> None:
    write_shapes3d(tmp_path / "a.h5")
    content = bytearray((tmp_path / "a.h5").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = bytes(2000)
    (tmp_path / "a.h5").write_bytes(content)
    with pytest.raises(ValueError, match="damaged or cut short"):
        datasets.load(f"shapes3d:{tmp_path / 'a.h5'}", tmp_path)


def test_a_file_that_another_process_has_locked_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*_: object) -> None:
        raise BlockingIOError(errno.EAGAIN, "unable to lock file")

    write_shapes3d(tmp_path / "a.h5")
    monkeypatch.setattr("h5py.File", locked)
    with pytest.raises(BlockingIOError, match=r"unable to lock file: .*a\.h5"):
        datasets.load(f"shapes3d:{tmp_path / 'a.h5'}", tmp_path)


def test_h5py_is_named_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_shapes3d(tmp_path / "a.h5")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(OSError, match=r"shapes3d needs h5py: pip install 'pyro-bvae\[hdf5\]'"):
        datasets.load(f"shapes3d:{tmp_path / 'a.h5'}", tmp_path)


def test_a_file_with_another_md5_is_read_and_it_is_said(tmp_path: Path) -> None:
    write_shapes3d(tmp_path / "a.h5")
    for _ in range(2):  # prepared, and read again
        data = datasets.load(f"shapes3d:{tmp_path / 'a.h5'}", tmp_path)
        assert data.notes == ("1 file not as published, by the md5: a.h5; read as it is",)
