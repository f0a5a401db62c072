"""cars3d: archives and folders, models in the order of their names, damaged files and others refused."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
from math import prod
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from published_files import CARS3D, car, shrink_cars3d, write_cars3d
from scipy.io import loadmat, savemat, whosmat

from pyro_bvae import datasets


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink_cars3d(monkeypatch)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    write_cars3d(tmp_path / "cars.tar.gz")
    return tmp_path / "cars.tar.gz"


def loaded(path: Path, **options: object) -> datasets.Dataset:
    return datasets.load(f"cars3d:{path}", path.parent / "root", **options)


def test_each_picture_has_its_factors(archive: Path) -> None:
    data = loaded(archive, image_size=128)
    pictures = [car(model + 1)[1].reshape(*CARS3D[:2], 128, 128, 3) for model in range(CARS3D[2])]
    for image, (elevation, azimuth, model) in zip(data.images.numpy(), data.factors.tolist(), strict=True):
        assert np.array_equal(image.transpose(1, 2, 0), pictures[model][elevation, azimuth])


def test_the_filter_is_the_one_of_the_published_code(archive: Path) -> None:
    """`thumbnail` with Lanczos, which was called antialias."""
    data = loaded(archive)
    picture = Image.fromarray(car(1)[1][0])
    picture.thumbnail((64, 64), Image.Resampling.LANCZOS)
    assert np.array_equal(data.images[0].permute(1, 2, 0).numpy(), np.asarray(picture))
    assert "images of 128×128 are scaled to 64×64 by Pillow's Lanczos filter" in data.notes


@pytest.mark.parametrize("below", [".", "data", "data/cars"])
def test_a_folder_at_any_height_gives_the_same(below: str, archive: Path) -> None:
    with tarfile.open(archive) as packed:
        packed.extractall(archive.parent / "mine", filter="data")
    (archive.parent / "mine" / "data" / "cars" / "._car_001_mesh.mat").write_bytes(b"")
    assert loaded(archive.parent / "mine" / below).fingerprint == loaded(archive).fingerprint


def test_a_tar_that_is_not_packed_is_read(archive: Path) -> None:
    write_cars3d(archive.parent / "cars.tar", mode="w")
    assert loaded(archive.parent / "cars.tar").fingerprint == loaded(archive).fingerprint


def test_nothing_of_the_unpacking_stays(archive: Path) -> None:
    loaded(archive)
    assert {file.suffix for file in (archive.parent / "root" / "prepared").iterdir()} == {".u8", ".json"}


def test_there_must_be_room_for_what_is_unpacked_beside_what_is_prepared(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpacked = 128 * 128 * 3 * prod(CARS3D)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1.2 * unpacked))
    with pytest.raises(OSError, match=r"no room for cars3d: .* take fewer with `subsample`"):
        loaded(archive)
    assert [*(archive.parent / "root" / "prepared").iterdir()] == []
    assert len(loaded(archive, subsample=2)) == 2


def test_too_few_models_are_refused(tmp_path: Path) -> None:
    write_cars3d(tmp_path / "few.tar.gz", (*CARS3D[:2], 3))
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        ValueError, match=r"few\.tar\.gz holds 3 models \(cars/\*\.mat\) in place of 4: it is incomplete"
    ):
        loaded(tmp_path / "few.tar.gz")
    with pytest.raises(ValueError, match="empty holds 0 models"):
        loaded(tmp_path / "empty")


def with_a_mask_alone() -> bytes:
    content = io.BytesIO()
    savemat(content, {"mask": np.zeros((4, 4))})
    return content.getvalue()


OTHERS = {
    "no matlab": (b"no file of MATLAB at all, but long enough to have a header" * 9, "is damaged or no file of MATLAB"),
    "empty": (b"", "is damaged or no file of MATLAB"),
    "cut short": (car(1)[0][:3000], "is damaged or no file of MATLAB"),
    "another name": (with_a_mask_alone(), "expected an array im, .*, got only mask"),
    "fewer sides": (car(1, (2, 2, 4))[0], r"an array im, \(128, 128, 3, 3, 2\) of uint8, got \(128, 128, 3, 2, 2\)"),
    "turned": (
        car(1, im=np.zeros((128, 128, 3, 2, 3), np.uint8))[0],
        r"expected .* 3, 3, 2\) of uint8, got .* 3, 2, 3\)",
    ),
    "floats": (car(1, im=np.zeros((128, 128, 3, 3, 2)))[0], "of uint8, got float64"),
}


def test_doubles_that_matlab_stores_in_bytes_are_read(archive: Path) -> None:
    with tarfile.open(archive) as packed:
        packed.extractall(archive.parent / "mine", filter="data")
    file = archive.parent / "mine" / "data" / "cars" / "car_002_mesh.mat"
    savemat(file, {"im": loadmat(file)["im"]})
    flags = struct.Struct("<III")  # of an array: their type, their size, and the class in the first byte of them
    in_bytes, in_doubles = flags.pack(6, 8, 9), flags.pack(6, 8, 6)
    content = file.read_bytes()
    assert content.count(in_bytes) == 1
    file.write_bytes(content.replace(in_bytes, in_doubles))
    assert whosmat(file)[0][2] == "double"
    assert loaded(archive.parent / "mine").fingerprint == loaded(archive).fingerprint


@pytest.mark.parametrize("case", list(OTHERS))
def test_other_files_are_refused_by_name(case: str, archive: Path) -> None:
    content, message = OTHERS[case]
    with tarfile.open(archive) as packed:
        packed.extractall(archive.parent / "mine", filter="data")
    (archive.parent / "mine" / "data" / "cars" / "car_002_mesh.mat").write_bytes(content)
    with pytest.raises(ValueError, match=f"car_002_mesh.mat .*({message})"):
        loaded(archive.parent / "mine")
    with tarfile.open(archive.parent / "bad.tar.gz", "w:gz") as packed:
        packed.add(archive.parent / "mine" / "data", "data")
    with pytest.raises(ValueError, match=rf"bad\.tar\.gz/data/cars/car_002_mesh.mat .*({message})"):
        loaded(archive.parent / "bad.tar.gz")


def test_a_wrong_checksum_is_told(archive: Path) -> None:
    content = bytearray(archive.read_bytes())
    content[-6] ^= 1
    archive.write_bytes(content)
    with pytest.raises(ValueError, match=r"cars\.tar\.gz is damaged, cut short, or no tar: CRC check failed"):
        loaded(archive)
    (archive.parent / "a.tar.gz").write_bytes(gzip.compress(b"no tar" * 1000))
    with pytest.raises(ValueError, match=r"a\.tar\.gz is damaged, cut short, or no tar"):
        loaded(archive.parent / "a.tar.gz")
