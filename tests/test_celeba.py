"""CelebA in torchvision's layout: crop, split, attributes; and what is missing is named."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conftest import write_faces
from PIL import Image

from pyro_bvae import BetaVAE, datasets
from pyro_bvae.datasets import celeba
from pyro_bvae.evaluation.probe import probe_accuracy


def test_faces_are_cropped_and_scaled_as_pillow_does_it(tmp_path: Path) -> None:
    folder = write_faces(tmp_path / "celeba")
    data = datasets.load("celeba", tmp_path)
    assert data.images.shape == (30, 3, 64, 64)
    face = Image.open(folder / "img_align_celeba" / "000013.jpg").crop((15, 35, 163, 183))
    expected = np.asarray(face.resize((64, 64), Image.Resampling.BICUBIC))
    assert np.array_equal(data.images[12].permute(1, 2, 0).numpy(), expected)


def test_split_and_attributes_come_from_the_lists(made_data: Path) -> None:
    data = datasets.load("celeba", made_data)
    assert data.train.tolist() == list(range(20))
    assert data.held_out.tolist() == list(range(24, 30))  # the four validation images are in neither part
    assert data.labels.shape == (30, 40)
    assert set(data.labels.unique().tolist()) == {0, 1}
    assert data.label_names[3] == "Attribute_3"
    line = (made_data / "celeba" / "list_attr_celeba.txt").read_text().splitlines()[2 + 7].split()
    assert data.labels[7].tolist() == [int(word == "1") for word in line[1:]]


def test_without_lists_the_published_numbers_split(tmp_path: Path) -> None:
    folder = write_faces(tmp_path / "celeba", count=6, lists=False)
    for old, new in {1: 162_770, 2: 162_771, 3: 182_637, 4: 182_638, 5: 202_599}.items():
        (folder / "img_align_celeba" / f"{old:06}.jpg").rename(folder / "img_align_celeba" / f"{new}.jpg")
    data = datasets.load("celeba", tmp_path)  # 000006, 162770, 162771, 182637, 182638, 202599
    assert data.train.tolist() == [0, 1]
    assert data.held_out.tolist() == [4, 5]
    assert data.labels is None


def test_a_zip_gives_the_same_as_the_folder(made_data: Path, tmp_path: Path) -> None:
    home = made_data / "celeba"
    with zipfile.ZipFile(tmp_path / "img_align_celeba.zip", "w") as archive:
        for file in (home / "img_align_celeba").iterdir():
            archive.write(file, f"img_align_celeba/{file.name}")
    for name in (celeba.PARTITION, celeba.ATTRIBUTES):
        shutil.copy(home / name, tmp_path)
    expected = datasets.load("celeba", made_data)
    for path in (tmp_path / "img_align_celeba.zip", tmp_path):
        data = datasets.load(f"celeba:{path}", tmp_path)
        assert data.fingerprint == expected.fingerprint


def test_a_few_images_of_one_part_are_split_all_the_same(tmp_path: Path) -> None:
    data = datasets.load(f"celeba:{write_faces(tmp_path / 'mine', lists=False)}", tmp_path)
    assert (len(data.train), len(data.held_out)) == (27, 3)


def test_attributes_are_probed_one_by_one(made_data: Path) -> None:
    data = datasets.load("celeba", made_data, image_size=16)
    assert 0 <= probe_accuracy(BetaVAE(data.shape, 3, hidden=(5,)), data) <= 1


def remove_an_image(home: Path) -> None:
    (home / "img_align_celeba" / "000007.jpg").unlink()


def break_the_partition(home: Path) -> None:
    (home / celeba.PARTITION).write_text("000001.jpg 0\n000002.jpg 5\n")


def break_the_attributes(home: Path) -> None:
    (home / celeba.ATTRIBUTES).write_text("1\na b\n000001.jpg 1 1 1\n")


def cut_an_image(home: Path) -> None:
    (home / "img_align_celeba" / "000003.jpg").write_bytes(b"\xff\xd8\xff")


BAD = {
    "lacks 000007.jpg, which .*list_eval_partition.txt lists: it is incomplete": remove_an_image,
    "list_eval_partition.txt, line 2: expected a file name and 0, 1 or 2": break_the_partition,
    "list_attr_celeba.txt, line 3: expected 2 times 1 or -1": break_the_attributes,
    "000003.jpg is damaged or no image": cut_an_image,
}


@pytest.mark.parametrize("message", list(BAD))
def test_what_is_wrong_is_named(message: str, tmp_path: Path) -> None:
    BAD[message](write_faces(tmp_path / "celeba"))
    with pytest.raises(ValueError, match=message):
        datasets.load("celeba", tmp_path)


def test_a_download_that_fails_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"cannot download celeba to .*use celeba:PATH"):
        datasets.load("celeba", tmp_path)


def test_pictures_without_numbers_belong_elsewhere(tmp_path: Path) -> None:
    folder = write_faces(tmp_path / "mine", count=2, lists=False) / "img_align_celeba"
    (folder / "000001.jpg").rename(folder / "aunt.jpg")
    with pytest.raises(ValueError, match=r"aunt.jpg is not numbered like CelebA's 000001.jpg; .*folder:PATH"):
        datasets.load(f"celeba:{tmp_path / 'mine'}", tmp_path)
