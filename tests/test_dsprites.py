"""dSprites is drawn as it was published: real images without a wrong pixel, counts, and the hash of the whole set."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import REAL_DATA

from pyro_bvae import datasets
from pyro_bvae.datasets import dsprites
from pyro_bvae.datasets.checksums import md5_of
from pyro_bvae.datasets.dataset import random_subset

SAMPLES = REAL_DATA / "dsprites_samples.npz"
WHITE = (53_612_886, 42_070_950, 32_645_028)  # pixels of all squares, ellipses, hearts
SHA256 = "3a228f4037ef3d42a42588e0e01f1078aa2df13cfa17584e88c95ed9fb5672da"  # of the images as bits


def at(classes: np.ndarray) -> np.ndarray:
    """The images of factors ``(N, 5)``, as bits ``(N, 64, 64)``."""
    return np.stack([dsprites.draw(*row[:3])[32 * row[3] + row[4], 0].numpy() > 0 for row in classes.tolist()])


@pytest.mark.skipif(not SAMPLES.is_file(), reason="the real images are not here")
def test_real_images_are_drawn_without_one_wrong_pixel() -> None:
    with np.load(SAMPLES, allow_pickle=False) as real:
        assert len(real["imgs"]) == 122
        assert np.array_equal(at(real["latents_classes"]), real["imgs"].astype(bool))


def test_the_whole_set_has_the_known_white_pixels_and_hash() -> None:
    digest, white = hashlib.sha256(), [0, 0, 0]
    for number, block in enumerate(dsprites._drawn()):
        bits = np.packbits(block.reshape(1024, -1) > 0, axis=1)
        digest.update(bits.tobytes())
        white[number // 240] += int((block > 0).sum())
    assert tuple(white) == WHITE
    assert digest.hexdigest() == SHA256


def test_first_and_last_orientation_are_the_same_image() -> None:
    for shape in range(3):
        assert torch.equal(dsprites.draw(shape, 3, 0), dsprites.draw(shape, 3, 39))


def test_a_subsample_has_the_images_of_its_factors(tmp_path: Path) -> None:
    data = datasets.load("dsprites", tmp_path, subsample=50)
    index = random_subset(737_280, 50)
    assert data.images.shape == (50, 1, 64, 64)
    assert set(data.images.unique().tolist()) == {0, 255}
    assert np.array_equal(data.images[:, 0].numpy() > 0, at(data.factors.numpy()))
    expected = np.stack(np.unravel_index(index.numpy(), (3, 6, 40, 32, 32)), axis=1)
    assert np.array_equal(data.factors.numpy(), expected)
    assert data.factor_names == ("shape", "scale", "orientation", "posX", "posY")
    assert data.factor_sizes == (3, 6, 40, 32, 32)
    assert not any(tmp_path.iterdir())  # a subsample is held in memory


def write_published(path: Path, size: int) -> np.ndarray:
    """An npz with the members and types of the published one, and ``size`` of its images."""
    classes = np.stack(np.unravel_index(np.linspace(0, 737_279, size).astype(int), (3, 6, 40, 32, 32)), axis=1)
    colour = np.zeros((size, 1), int)
    np.savez_compressed(
        path,
        metadata=np.array({"author": "pickled, by Python 2"}, dtype=object),
        imgs=at(classes).astype(np.uint8),
        latents_classes=np.concatenate([colour, classes], axis=1),
        latents_values=np.zeros((size, 6)),
    )
    return classes


def test_the_published_file_is_read_in_blocks(tmp_path: Path) -> None:
    classes = write_published(tmp_path / "d.npz", 1100)  # more than a block
    data = dsprites.load(tmp_path / "d.npz", tmp_path, md5=md5_of(tmp_path / "d.npz"))
    assert np.array_equal(data.images[:, 0].numpy() > 0, at(classes))
    assert np.array_equal(data.factors.numpy(), classes)
    few = dsprites.load(tmp_path / "d.npz", tmp_path, subsample=7, md5=md5_of(tmp_path / "d.npz"))
    assert np.array_equal(few.images[:, 0].numpy() > 0, at(few.factors.numpy()))


def test_another_file_is_refused_with_both_checksums(tmp_path: Path) -> None:
    write_published(tmp_path / "d.npz", 5)
    md5 = md5_of(tmp_path / "d.npz")
    with pytest.raises(ValueError, match=f"its md5 is {md5}, expected 7da33b31b13a06f4b04a70402ce90c2e"):
        datasets.load(f"dsprites:{tmp_path / 'd.npz'}")
