"""3D Chairs, in their true layout: cropped, scaled, prepared once; factors from the names of the files."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from conftest import write_chairs
from PIL import Image

from pyro_bvae import datasets
from pyro_bvae.datasets import chairs


def test_images_are_cropped_and_scaled_as_pillow_does_it(tmp_path: Path) -> None:
    pictures = write_chairs(tmp_path / "chairs" / "rendered_chairs.tar", models=3)
    data = datasets.load("chairs", tmp_path)
    assert data.images.shape == (18, 3, 64, 64)
    for number, name in enumerate(sorted(pictures)):
        cropped = Image.fromarray(pictures[name]).crop((128, 128, 558, 558))
        expected = np.asarray(cropped.resize((64, 64), Image.Resampling.BICUBIC))
        assert np.array_equal(data.images[number].permute(1, 2, 0).numpy(), expected)


def test_factors_are_model_elevation_and_azimuth(made_data: Path) -> None:
    data = datasets.load("chairs", made_data)
    assert data.factor_names == ("model", "elevation", "azimuth")
    assert data.factor_sizes == (3, 2, 3)
    expected = np.stack(np.unravel_index(np.arange(18), (3, 2, 3)), axis=1)
    assert np.array_equal(data.factors.numpy(), expected)


def test_grey_size_crop_and_subsample_do_what_they_say(made_data: Path) -> None:
    data = datasets.load("chairs", made_data, grey=True, image_size=32, crop=[0], subsample=5)
    assert data.images.shape == (5, 1, 32, 32)
    assert data.factors.shape == (5, 3)


def test_a_folder_of_ones_own_gives_the_same(made_data: Path, tmp_path: Path) -> None:
    with tarfile.open(made_data / "chairs" / "rendered_chairs.tar") as archive:
        archive.extractall(tmp_path / "mine", filter="data")
    assert (
        datasets.load(f"chairs:{tmp_path / 'mine'}", tmp_path).images == datasets.load("chairs", made_data).images
    ).all()


def test_the_second_load_decodes_nothing(made_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = datasets.load("chairs", made_data)
    monkeypatch.setattr("pyro_bvae.datasets.pictures.decode_all", None)
    again = datasets.load("chairs", made_data)
    assert first.digest == again.digest
    assert first.fingerprint == again.fingerprint


def test_the_tar_is_downloaded_where_it_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_chairs(tmp_path / "published.tar", models=1)
    monkeypatch.setattr(chairs, "URL", (tmp_path / "published.tar").as_uri())
    with pytest.warns(UserWarning, match="md5 .*, expected 7941bff4d19665ed2dd8c82e88293e1b"):
        data = datasets.load("chairs", tmp_path / "root")
    assert len(data) == 6
    assert (tmp_path / "root" / "chairs" / "rendered_chairs.tar").is_file()


def write_tar(path: Path, name: str, content: bytes) -> Path:
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return path


def test_bad_archives_are_refused_and_leave_no_prepared_file(tmp_path: Path) -> None:
    bad = {
        r"has no <model>/renders/\*\.png": ("pictures/1.png", b""),
        r"does not tell its view, like image_001_p020_t011_r096\.png": ("x/7/renders/1.png", b""),
        r"image_0_p020_t011_r.png is damaged or no image": ("x/7/renders/image_0_p020_t011_r.png", b"no picture"),
    }
    for message, (name, content) in bad.items():
        path = write_tar(tmp_path / "bad.tar", name, content)
        with pytest.raises(ValueError, match=message):
            datasets.load(f"chairs:{path}", tmp_path)
    write_chairs(tmp_path / "small.tar", models=1, side=300)
    with pytest.raises(ValueError, match=r"is 300×300, too small for the crop 128,128,558,558; `crop=\[0\]` leaves"):
        datasets.load(f"chairs:{tmp_path / 'small.tar'}", tmp_path)
    assert not list(tmp_path.glob("prepared/*"))
