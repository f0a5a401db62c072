"""What holds of every loader of a published image set: sizes, names, split, subsample, cache, copies of one's own."""

from __future__ import annotations

import errno
import shutil
from math import prod
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from published_files import PUBLISHED, Published, grid_of

from pyro_bvae import datasets
from pyro_bvae.datasets import Dataset, downloads
from pyro_bvae.datasets.dataset import random_subset
from pyro_bvae.datasets.streamed import Scaling

every_set = pytest.mark.parametrize("one", PUBLISHED, ids=lambda one: one.name)


@pytest.fixture
def small(one: Published, monkeypatch: pytest.MonkeyPatch) -> Published:
    one.shrink(monkeypatch)
    return one


def as_loaded(images: np.ndarray, side: int = 64) -> np.ndarray:
    """Images ``(N, H, W, C)`` scaled one by one by Pillow, as ``(N, C, side, side)``."""
    mode = "RGB" if images.shape[3] == 3 else "L"
    pictures = [Image.fromarray(image.squeeze()) for image in images]
    assert {picture.mode for picture in pictures} == {mode}
    scaled = [np.asarray(picture.resize((side, side), Image.Resampling.LANCZOS)) for picture in pictures]
    return np.stack(scaled).reshape(len(images), side, side, -1).transpose(0, 3, 1, 2)


@every_set
def test_factors_are_as_published(one: Published) -> None:
    assert prod(one.true_sizes()) == one.count
    source = datasets.SOURCES[one.own]
    assert len(one.true_sizes()) == len(one.names)
    assert source.licence


@every_set
def test_images_and_factors_are_those_of_the_file(small: Published, tmp_path: Path) -> None:
    images = small.write(tmp_path / small.place)
    data = datasets.load(small.name, tmp_path)
    assert np.array_equal(data.images.numpy(), as_loaded(images))
    assert tuple(data.factor_names) == small.names
    assert tuple(data.factor_sizes) == small.sizes
    assert {*map(tuple, data.factors.tolist())} == {*map(tuple, grid_of(small.sizes).tolist())}
    assert len(data) == prod(small.sizes)


@every_set
def test_the_split_leaves_nothing_out_and_is_the_same_again(small: Published, tmp_path: Path) -> None:
    small.write(tmp_path / small.place)
    one, again = datasets.load(small.name, tmp_path), datasets.load(small.name, tmp_path)
    assert torch.equal(torch.cat([one.train, one.held_out]).sort().values, torch.arange(len(one)))
    assert one.fingerprint == again.fingerprint


@every_set
@pytest.mark.parametrize("count", [2, 17, 10**6])
def test_a_subsample_is_part_of_the_whole(small: Published, count: int, tmp_path: Path) -> None:
    small.write(tmp_path / small.place)
    whole, part = datasets.load(small.name, tmp_path), datasets.load(small.name, tmp_path, subsample=count)
    index = random_subset(len(whole), count)
    assert torch.equal(part.images, whole.images[index])
    assert torch.equal(part.factors, whole.factors[index])
    assert part.factor_sizes == whole.factor_sizes


@every_set
def test_the_second_load_reads_the_cache_alone(
    small: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.write(tmp_path / small.place)
    first = datasets.load(small.name, tmp_path)
    monkeypatch.setattr("pyro_bvae.datasets.streamed._prepared", None)
    again = datasets.load(small.name, tmp_path)
    assert again.digest == first.digest is not None
    assert again.notes == first.notes


@every_set
def test_size_and_grey_are_options(small: Published, tmp_path: Path) -> None:
    images = small.write(tmp_path / small.place)
    data = datasets.load(small.name, tmp_path, image_size=16, subsample=5)
    index = random_subset(len(images), 5).numpy()
    assert np.array_equal(data.images.numpy(), as_loaded(images[index], 16))
    assert any("scaled to 16×16 by Pillow's Lanczos filter" in note for note in data.notes)


@every_set
def test_a_copy_of_ones_own_gives_the_same(small: Published, tmp_path: Path) -> None:
    small.write(tmp_path / small.place)
    moved = tmp_path / "mine" / Path(small.place).name
    moved.parent.mkdir()
    shutil.copytree(tmp_path / small.place, moved) if (tmp_path / small.place).is_dir() else shutil.copy(
        tmp_path / small.place, moved
    )
    own = datasets.load(f"{small.own}:{moved}", tmp_path / "other")
    assert own.name == f"{small.own}:{moved}"
    assert own.fingerprint == datasets.load(small.name, tmp_path).fingerprint


@every_set
def test_without_a_network_it_says_what_to_put_where(
    small: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError("cannot download it (no network)")

    monkeypatch.setattr(downloads, "download", fails)
    with pytest.raises(OSError, match=rf"{small.own}:PATH") as raised:
        datasets.load(small.name, tmp_path)
    assert str(tmp_path / small.own) in str(raised.value)
    assert "\n" not in str(raised.value)


@every_set
def test_room_is_looked_for_before_anything_is_written(
    small: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.write(tmp_path / small.place)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    monkeypatch.setattr("pyro_bvae.datasets.mapped.atomic_write", None)
    with pytest.raises(OSError, match=r"no room for .*GB are needed in .* take fewer with `subsample`"):
        datasets.load(small.name, tmp_path)


@every_set
def test_a_cache_that_cannot_be_written_is_one_line(small: Published, tmp_path: Path) -> None:
    small.write(tmp_path / small.place)
    (tmp_path / "prepared").write_bytes(b"a file where the folder should be")
    with pytest.raises(OSError, match="prepared") as raised:
        datasets.load(small.name, tmp_path)
    assert "\n" not in str(raised.value)


@every_set
def test_a_disk_that_fills_leaves_nothing_behind(
    small: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    small.write(tmp_path / small.place)
    with monkeypatch.context() as patch:
        patch.setattr(Scaling, "applied", full)
        with pytest.raises(OSError, match=r"No space left on device: .*prepared.*\.u8"):
            datasets.load(small.name, tmp_path)
    assert [*tmp_path.glob("prepared/*")] == []
    assert len(datasets.load(small.name, tmp_path)) == prod(small.sizes)


@every_set
def test_a_file_cut_short_anywhere_is_refused(small: Published, tmp_path: Path) -> None:
    small.write(tmp_path / small.place)
    file = max((tmp_path / small.own).rglob("*.*"), key=lambda file: file.stat().st_size)
    whole = file.read_bytes()
    for share in (0.0, 0.1, 0.5, 0.99):
        file.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(ValueError, match=file.name):
            datasets.load(small.name, tmp_path)
    assert [*tmp_path.glob("prepared/*")] == []


@every_set
def test_leftovers_go_when_the_file_is_gone(small: Published, tmp_path: Path) -> None:
    small.write(tmp_path / small.place)
    datasets.load(small.name, tmp_path)
    assert datasets.remove_leftovers(tmp_path) == []
    shutil.rmtree(tmp_path / small.own)
    assert {old.file.suffix for old in datasets.remove_leftovers(tmp_path)} == {".u8", ".json"}


@every_set
def test_the_list_says_what_is_on_disk_and_how_large(small: Published, tmp_path: Path) -> None:
    def listed() -> dict[str, object]:
        rows = datasets.available(tmp_path)
        return next(row for row in rows if row["name"].partition("[")[0] == small.name)

    assert (listed()["on_disk"], listed()["bytes"]) == (False, 0)
    small.write(tmp_path / small.place)
    files = sum(file.stat().st_size for file in (tmp_path / small.own).rglob("*") if file.is_file())
    assert (listed()["on_disk"], listed()["bytes"]) == (True, files)
    data: Dataset = datasets.load(small.name, tmp_path)
    assert listed()["bytes"] == files + data.size_in_bytes
