"""Data arrive as they are on disk, split the same way for everyone, or not at all and with a reason."""

from __future__ import annotations

import contextlib
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pyro_bvae import BetaVAE, datasets
from pyro_bvae.datasets import Dataset, folder, load, pixels
from pyro_bvae.evaluation.probe import probe_accuracy


def test_digits_are_the_digits_of_scikit_learn(digits: Dataset) -> None:
    from sklearn.datasets import load_digits

    native = load("digits", image_size=8)
    expected = np.round(load_digits().images * (255 / 16)).astype(np.uint8)
    assert np.array_equal(native.images[:, 0].numpy(), expected)
    assert np.array_equal(digits.labels.numpy(), load_digits().target)
    assert digits.images.shape == (1797, 1, 28, 28)


def test_enlarged_digits_are_the_native_ones_seen_closer() -> None:
    native, threefold = (load("digits", image_size=size).images.float() for size in (8, 24))
    middles = threefold[:, :, 1::3, 1::3]  # bicubic interpolation passes through the pixels' centres
    assert (middles - native).abs().max() <= 1


def test_the_split_belongs_to_the_data(digits: Dataset) -> None:
    torch.manual_seed(123)
    again = load("digits")
    assert torch.equal(again.held_out, digits.held_out)
    assert again.fingerprint == digits.fingerprint
    assert len(digits.held_out) == 179


@pytest.mark.parametrize("size", [2, 3, 19, 100, 200_000])
def test_the_split_is_a_partition_with_a_tenth_held_out(size: int) -> None:
    data = Dataset("any", torch.zeros(size, 1))
    assert torch.equal(torch.cat([data.train, data.held_out]).sort().values, torch.arange(size))
    assert len(data.held_out) == min(10_000, max(1, size // 10))


def test_pixels_scale_bytes_and_leave_floats() -> None:
    assert torch.equal(pixels(torch.tensor([0, 51, 255], dtype=torch.uint8)), torch.tensor([0, 0.2, 1]))
    floats = torch.randn(3)
    assert pixels(floats) is floats


def test_a_fingerprint_changes_with_any_pixel(images: Dataset) -> None:
    changed = images.images.clone()
    changed[17, 0, 3, 4] ^= 1
    prints = {Dataset("a", images.images).fingerprint, Dataset("b", changed).fingerprint}
    prints.add(Dataset("c", images.images, train=torch.arange(5), held_out=torch.arange(5, 9)).fingerprint)
    assert len(prints) == 3
    assert Dataset("d", images.images.clone()).fingerprint in prints


@pytest.mark.parametrize(
    ("array", "shape"),
    [
        (np.zeros((9, 16, 20), np.uint8), (1, 16, 20)),
        (np.zeros((9, 3, 16, 20), np.uint8), (3, 16, 20)),
        (np.ones((9, 16, 20), bool), (1, 16, 20)),
        (np.full((9, 16, 20), 0.5), (1, 16, 20)),
        (np.full((9, 7), -3.0, np.float32), (7,)),
        (np.ones((9, 7), bool), (7,)),
    ],
)
def test_arrays_become_datasets(array: np.ndarray, shape: tuple[int, ...], tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", array)
    np.savez(
        tmp_path / "a.npz", images=array, labels=np.arange(9), factors=np.zeros((9, 2), int), factor_names=["a", "b"]
    )
    one, other = load(f"npy:{tmp_path / 'a.npy'}"), load(f"npz:{tmp_path / 'a.npz'}")
    assert one.shape == other.shape == shape
    assert torch.equal(pixels(one.images), pixels(other.images))
    assert float(pixels(one.images).flatten()[0]) == pytest.approx(float(array.flatten()[0]))
    assert other.labels.tolist() == list(range(9))
    assert other.factor_names == ["a", "b"]


BAD_ARRAYS = {
    "nan": (np.full((9, 4), np.nan), "36 values are NaN or infinite"),
    "infinite": (np.full((9, 4, 4), np.inf), "NaN or infinite"),
    "out of range": (np.full((9, 4, 4), 1.5), r"float pixels must lie in \[0, 1\], got 1\.5 to 1\.5"),
    "integers": (np.eye(4, dtype=np.int64)[None].repeat(9, 0), r"int64 pixels run from 0 to 255, got only 0 and 1"),
    "complex": (np.zeros((9, 4, 4), complex), r"images must be uint8 or float, or other real numbers, got complex128"),
    "records": (np.zeros(9, [("a", "f4"), ("b", "f4")]), r"records with the fields a, b; save one array"),
    "one picture": (np.zeros((16, 20, 3), np.uint8), r"one picture of \(16, 20, 3\) is no data set"),
    "floats to 1.5": (np.linspace(0, 1.5, 144).reshape(9, 4, 4), r"got 0 to 1\.5; `levels=\(LOW, HIGH\)` says"),
    "one number": (np.float32(3), r"must be N×C×H×W images or N×D vectors, got shape \(\)"),
    "channels last": (np.zeros((9, 16, 16, 3), np.uint8), r"must be N×C×H×W.*transpose\(0, 3, 1, 2\)"),
    "one image": (np.zeros((1, 4, 4), np.uint8), "at least 2 images, one of them to hold out, got 1"),
    "no images": (np.zeros((0, 4, 4), np.uint8), "at least 2 images"),
    "zeros and ones": (np.eye(8, dtype=np.uint8)[None].repeat(3, 0), "uint8 pixels run from 0 to 255"),
    "too few sides": (np.zeros(9, np.float32), r"must be N×C×H×W images or N×D vectors, got shape \(9,\)"),
    "objects": (np.array([{}, {}], dtype=object), "pickled objects, which are not read"),
}


@pytest.mark.parametrize("case", list(BAD_ARRAYS))
def test_bad_arrays_are_refused(case: str, tmp_path: Path) -> None:
    array, message = BAD_ARRAYS[case]
    np.save(tmp_path / "bad.npy", array)
    np.savez(tmp_path / "bad.npz", images=array)
    for kind in ("npy", "npz"):
        with pytest.raises((ValueError, TypeError), match=message):
            load(f"{kind}:{tmp_path / 'bad'}.{kind}")


@pytest.mark.parametrize("kind", ["npy", "npz"])
def test_bytes_changed_anywhere_end_in_a_plain_error_or_in_data(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{kind}"
    array = np.random.default_rng(0).integers(0, 256, (9, 4, 4)).astype(np.uint8)
    np.save(path, array) if kind == "npy" else np.savez_compressed(path, images=array)
    whole = path.read_bytes()
    random = np.random.default_rng(1)
    for place in random.integers(0, len(whole), 200):
        path.write_bytes(whole[:place] + bytes(random.integers(0, 256, 2).astype(np.uint8)) + whole[place + 2 :])
        with contextlib.suppress(ValueError, TypeError, OSError), warnings.catch_warnings(action="ignore"):
            load(f"{kind}:{path}")


@pytest.mark.parametrize("share", [0.0, 0.2, 0.9])
@pytest.mark.parametrize("kind", ["npy", "npz"])
def test_truncated_arrays_are_refused(kind: str, share: float, tmp_path: Path) -> None:
    path = tmp_path / f"a.{kind}"
    array = np.random.default_rng(0).integers(0, 256, (9, 16, 16)).astype(np.uint8)
    np.save(path, array) if kind == "npy" else np.savez_compressed(path, images=array)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(ValueError, match="is damaged or no numpy file"):
        load(f"{kind}:{path}")


def test_the_wrong_kind_of_array_file_names_the_right_one(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((9, 4, 4), np.uint8))
    np.savez(tmp_path / "a.npz", pictures=np.zeros((9, 4, 4), np.uint8))
    with pytest.raises(ValueError, match="write npy:"):
        load(f"npz:{tmp_path / 'a.npy'}")
    with pytest.raises(ValueError, match="write npz:"):
        load(f"npy:{tmp_path / 'a.npz'}")
    with pytest.raises(ValueError, match=r"no array 'images', only \['pictures'\]"):
        load(f"npz:{tmp_path / 'a.npz'}")


def test_labels_and_factors_must_fit(tmp_path: Path) -> None:
    images = np.zeros((9, 4, 4), np.uint8)
    bad = {
        "labels must have shape": {"labels": np.arange(5)},
        "labels must be integers": {"labels": np.zeros(9)},
        "factors must have shape": {"factors": np.zeros(9, int)},
        "1 factor names do not fit": {"factors": np.zeros((9, 2), int), "factor_names": ["a"]},
    }
    for message, arrays in bad.items():
        np.savez(tmp_path / "a.npz", images=images, **arrays)
        with pytest.raises(ValueError, match=message):
            load(f"npz:{tmp_path / 'a.npz'}")


def save_pictures(folder: Path, *sizes: tuple[int, int], mode: str = "RGB") -> list[np.ndarray]:
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(len(sizes))
    pictures = []
    for number, (width, height) in enumerate(sizes):
        shape = (height, width, 3) if mode == "RGB" else (height, width)
        pictures.append(random.integers(0, 256, shape).astype(np.uint8))
        Image.fromarray(pictures[-1], mode=None).save(folder / f"{number:02}.png")
    return pictures


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_folder_of_one_size_is_read_as_it_is(mode: str, tmp_path: Path) -> None:
    pictures = save_pictures(tmp_path, *[(20, 17)] * 5, mode=mode)
    data = load(f"folder:{tmp_path}")
    assert data.shape == (3 if mode == "RGB" else 1, 17, 20)
    assert data.labels is None
    assert np.array_equal(data.images[3].permute(1, 2, 0).squeeze(-1).numpy(), pictures[3])


def test_subfolders_are_labels_and_grey_and_image_size_do_what_they_say(tmp_path: Path) -> None:
    save_pictures(tmp_path / "cats", (30, 20), (25, 40))
    save_pictures(tmp_path / "dogs", (16, 16))
    data = load(f"folder:{tmp_path}", image_size=16, grey=True)
    assert data.shape == (1, 16, 16)
    assert data.labels.tolist() == [0, 0, 1]
    dog = np.asarray(Image.open(tmp_path / "dogs" / "00.png").convert("L"))
    assert np.array_equal(data.images[2, 0].numpy(), dog)


def test_sixteen_bit_pictures_are_scaled_and_not_clipped(tmp_path: Path) -> None:
    for number in range(2):
        ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
        Image.fromarray(ramp).save(tmp_path / f"{number}.png")
    grey = load(f"folder:{tmp_path}").images[0, 0].flatten().int()
    assert (grey - torch.arange(256)).abs().max() <= 1


def test_a_folder_of_mixed_modes_is_brought_to_one(tmp_path: Path) -> None:
    colour = np.random.default_rng(0).integers(0, 256, (17, 20, 3)).astype(np.uint8)
    for number, mode in enumerate(("RGB", "L", "RGBA", "P", "1", "CMYK", "LA")):
        Image.fromarray(colour).convert(mode).save(tmp_path / f"{number}.{'tiff' if mode == 'CMYK' else 'png'}")
    data = load(f"folder:{tmp_path}")
    assert data.images.shape == (7, 3, 17, 20)
    assert np.array_equal(data.images[0].permute(1, 2, 0).numpy(), colour)
    assert (data.images[1] == data.images[1, :1]).all()  # grey in all three channels


def test_a_large_folder_is_prepared_once_and_equal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_pictures(tmp_path / "cats", *[(30, 20)] * 4)
    save_pictures(tmp_path / "dogs", *[(25, 40)] * 3)
    options = {"image_size": 16, "crop": [14]}
    small = load(f"folder:{tmp_path}", tmp_path / "root", **options)
    monkeypatch.setattr(folder, "IN_MEMORY_BELOW_BYTES", 0)
    large = load(f"folder:{tmp_path}", tmp_path / "root", **options)
    assert torch.equal(small.images, large.images)
    assert torch.equal(small.labels, large.labels)
    assert small.digest is None
    assert large.digest is not None
    save_pictures(tmp_path / "dogs", (50, 50))  # one of them is written again
    assert not torch.equal(load(f"folder:{tmp_path}", tmp_path / "root", **options).images, large.images)


def test_a_subsample_of_a_folder_is_part_of_it(tmp_path: Path) -> None:
    save_pictures(tmp_path, *[(20, 17)] * 8)
    everything = load(f"folder:{tmp_path}").images
    part = load(f"folder:{tmp_path}", subsample=3).images
    assert len(part) == 3
    assert all(any(torch.equal(image, other) for other in everything) for image in part)


def test_bad_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is not a folder"):
        load(f"folder:{tmp_path / 'nowhere'}")
    with pytest.raises(ValueError, match="no image files under"):
        load(f"folder:{tmp_path}")
    save_pictures(tmp_path, (20, 17), (17, 20))
    with pytest.raises(ValueError, match=r"images differ in size: .* is 20×17, .* is 17×20; .*`image_size`"):
        load(f"folder:{tmp_path}")
    (tmp_path / "00.png").write_bytes((tmp_path / "01.png").read_bytes()[:300])
    with pytest.raises(ValueError, match=r"00\.png is damaged or no image"):
        load(f"folder:{tmp_path}")
    (tmp_path / "00.png").unlink()
    with pytest.raises(ValueError, match="at least 2 images"):
        load(f"folder:{tmp_path}")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mnits", {}, "unknown dataset 'mnits': did you mean 'mnist'"),
        ("npz", {}, "write npz:PATH"),
        ("digits:here", {}, "digits takes no path"),
        ("mnist", {"image_size": 8}, "the dataset mnist has no `image_size`"),
        ("digits", {"grey": True}, "the dataset digits has no `grey`"),
        ("digits", {"image_size": 0}, "image_size must be at least 1"),
    ],
)
def test_wrong_names_and_options_are_refused(name: str, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load(name, **options)


def test_a_dataset_is_found_again_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", np.zeros((9, 4, 4), np.uint8))
    name = load("npy:a.npy").name
    monkeypatch.chdir("/")
    assert load(name).name == name


def test_doubles_become_the_default_type() -> None:
    assert Dataset("doubles", torch.rand(5, 3, dtype=torch.float64)).images.dtype == torch.float32


def test_files_that_are_no_pictures_are_passed_over(tmp_path: Path) -> None:
    save_pictures(tmp_path, (20, 17), (20, 17))
    for name in ("paper.pdf", "._00.png", "notes.txt"):
        (tmp_path / name).write_bytes(b"no picture")
    assert len(load(f"folder:{tmp_path}")) == 2


def test_available_says_what_is_on_disk(made_mnist: Path) -> None:
    rows = {row["name"]: row["on_disk"] for row in datasets.available(made_mnist)}
    assert rows["digits"]
    assert rows["mnist"]
    assert not rows["kmnist"]
    assert rows["folder:PATH"] is None


@pytest.mark.parametrize("beyond", [2e-7, 5e-7])
def test_pixels_that_rounding_put_outside_are_clipped_and_it_is_said(beyond: float) -> None:
    images = torch.rand(5, 1, 4, 4)
    images[0, 0, 0, :2] = torch.tensor([-beyond, 1 + beyond])
    data = Dataset("rounded", images)
    assert (data.images.min(), data.images.max()) == (0, 1)
    assert len(data.notes) == 1
    assert data.notes[0].startswith("2 pixels up to")
    assert replace(data, name="again").notes == data.notes


@pytest.mark.parametrize("beyond", [2e-6, 1e-4, 0.3])
def test_pixels_further_out_are_refused_with_all_digits(beyond: float) -> None:
    images = torch.rand(5, 1, 4, 4)
    images[0, 0, 0, 0] = 1 + beyond
    with pytest.raises(ValueError, match=r"float pixels must lie in \[0, 1\], got 0\.\d+ to 1\.\d+;"):
        Dataset("outside", images)


def test_one_hot_labels_are_said_and_probed_as_classes(digits: Dataset) -> None:
    rows = torch.nn.functional.one_hot(digits.labels)
    one_hot = Dataset("one-hot", digits.images, labels=rows)
    assert one_hot.notes == ("labels are one-hot rows: each is taken for one of 10 classes",)
    vae = BetaVAE(digits.shape, 2, hidden=(16,))
    assert probe_accuracy(vae, one_hot) == probe_accuracy(vae, Dataset("classes", digits.images, labels=digits.labels))


def test_names_of_classes_must_reach_the_highest_label(images: Dataset) -> None:
    labels = torch.arange(60) % 3
    assert Dataset("a", images.images, labels=labels, label_names=["x", "y", "z"]).label_names == ["x", "y", "z"]
    with pytest.raises(ValueError, match="2 label names do not fit 3 labels"):
        Dataset("a", images.images, labels=labels, label_names=["x", "y"])


def test_labels_and_factors_that_are_no_classes_are_said_or_refused(images: Dataset) -> None:
    numbered = Dataset("ids", images.images, labels=torch.arange(60))
    assert "look like numbers of data" in numbered.notes[0]
    assert probe_accuracy(BetaVAE(images.shape, 2, hidden=(8,)), numbered) is None
    for factors, message in ((torch.full((60, 1), -1), "got -1 to -1"), (torch.full((60, 1), 10**9), "from 0 on")):
        with pytest.raises(ValueError, match=message):
            Dataset("ids", images.images, factors=factors)
    with pytest.raises(ValueError, match="labels must be whole numbers"):
        Dataset("floats", images.images, labels=torch.rand(60))


@pytest.mark.parametrize("kind", ["csv", "npy", "memory"])
def test_a_column_that_varies_in_the_held_out_part_alone_is_named(kind: str, tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(20, 3))
    vectors[:, 2] = 1
    vectors[:, 1] = 5
    vectors[datasets.dataset.seeded_split(20)[1][0], 1] = 6
    np.savetxt(tmp_path / "v.csv", vectors, delimiter=",", header="a,b,c", comments="")
    np.save(tmp_path / "v.npy", vectors)
    in_memory = Dataset("mine", torch.from_numpy(vectors), columns=["a", "b", "c"])
    data = in_memory if kind == "memory" else load(f"{kind}:{tmp_path / 'v'}.{kind}")
    name = "column [:, 1]" if kind == "npy" else "column 'b'"
    assert f"1 column with one value only in the training part: {name}" in data.notes
    assert not any("in the training part" in note for note in Dataset("mine", torch.rand(20, 3)).notes)
