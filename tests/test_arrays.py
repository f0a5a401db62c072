"""Numpy files: every type and layout of numbers arrives as the same picture, or is refused with advice that helps."""

from __future__ import annotations

import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pyro_bvae.datasets import Dataset, load, pixels

SHAPE = (6, 5, 4)
SEED = np.random.default_rng(0)
LAYOUTS = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "strided": lambda a: np.repeat(a, 2, axis=0)[::2],
}
# a type, the lowest and highest number, and which of them become 0 and 1
RANGES = [
    ("uint8", 0, 255, (0, 255)),
    ("uint8", 0, 90, (0, 255)),
    ("int16", 0, 255, (0, 255)),
    ("int64", 3, 200, (0, 255)),
    ("uint16", 0, 65535, (0, 65535)),
    ("uint16", 0, 4095, (0, 65535)),
    ("int16", -1024, 3071, (-1024, 3071)),
    ("int32", 0, 70000, (0, 70000)),
    ("uint32", 5, 2**32 - 1, (5, 2**32 - 1)),
    ("int64", -(2**62), 2**62, (-(2**62), 2**62)),
    ("float64", 0, 255, (0, 255)),
    ("float16", 0, 200, (0, 255)),
]


def saved(path: Path, array: np.ndarray, kind: str, **others: Any) -> str:
    file = path / f"a.{kind}"
    np.save(file, array) if kind == "npy" else np.savez_compressed(file, images=array, **others)
    return f"{kind}:{file}"


def numbers(dtype: str, low: int, high: int, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    array = (low + SEED.random(shape) * (high - low)).astype(dtype)
    array.flat[:2] = low, high
    return array


@pytest.mark.parametrize("kind", ["npy", "npz"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("dtype", "low", "high", "ends"), RANGES)
def test_grey_levels(dtype: str, low: int, high: int, ends: tuple, layout: str, kind: str, tmp_path: Path) -> None:
    array = np.floor(numbers(dtype, low, high))
    data = load(saved(tmp_path, LAYOUTS[layout](array), kind))
    wanted = (array.astype(float) - ends[0]) / (ends[1] - ends[0])
    assert np.abs(pixels(data.images)[:, 0].numpy() - wanted).max() < 1e-6
    assert len(data.notes) == (dtype != "uint8")
    assert all(note.startswith(dtype) and ("read as bytes" in note or "become 0…1" in note) for note in data.notes)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int64", "float32", "float64"])
def test_levels_set_what_becomes_0_and_1_and_say_what_they_clip(dtype: str, tmp_path: Path) -> None:
    array = numbers(dtype, 0, 200)
    data = load(saved(tmp_path, array, "npy"), levels=(10, 60))
    assert np.abs(data.images[:, 0].numpy() - ((array.astype(float) - 10) / 50).clip(0, 1)).max() < 1e-6
    beyond = int(((array < 10) | (array > 60)).sum())
    assert data.notes == (f"grey levels 10…60 become 0…1; 0…200 occur, {beyond} pixels beyond are clipped",)
    assert data.options["levels"] == [10.0, 60.0]


@pytest.mark.parametrize("levels", [(1, 1), (2, 1), (0, float("nan")), (0, float("inf")), (1,)])
def test_levels_that_are_no_range_are_refused(levels: tuple, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="levels (are two numbers, black and then white|must be at least)"):
        load(saved(tmp_path, numbers("uint8", 0, 255), "npy"), levels=levels)


def test_advice_on_floats_can_be_followed(tmp_path: Path) -> None:
    name = saved(tmp_path, np.linspace(-1, 1, 100).reshape(4, 5, 5), "npy")
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\], got -1 to 1; .* like `levels=\(-1, 1\)`$"):
        load(name)
    assert (load(name, levels=(-1, 1)).images.min(), load(name, levels=(-1, 1)).images.max()) == (0, 1)


@pytest.mark.parametrize("dtype", ["uint8", "int64", ">f8", "float16", "bool"])
def test_vectors_keep_their_numbers(dtype: str, tmp_path: Path) -> None:
    array = (SEED.random((7, 3)) * 100).astype(dtype)
    data = load(saved(tmp_path, np.asfortranarray(array), "npz"))
    assert np.array_equal(data.images.numpy(), array.astype(np.float32))
    with pytest.raises(ValueError, match="holds vectors, which have no grey levels"):
        load(saved(tmp_path, array, "npy"), levels=(0, 1))


@pytest.mark.parametrize("dtype", ["int64", "uint8", "float32", "bool"])
def test_one_hot_labels_and_names_of_classes_are_read(dtype: str, tmp_path: Path) -> None:
    labels = np.eye(3)[[0, 2, 1, 1, 0, 2]].astype(dtype)
    name = saved(tmp_path, numbers("uint8", 0, 255), "npz", labels=labels, label_names=["x", "y", "z"])
    data = load(name)
    assert data.labels.argmax(1).tolist() == [0, 2, 1, 1, 0, 2]
    assert data.label_names == ["x", "y", "z"]
    assert data.notes == ("labels are one-hot rows: each is taken for one of 3 classes",)


def test_names_may_be_bytes(tmp_path: Path) -> None:
    names = np.array(["größe".encode(), b"x"])
    data = load(saved(tmp_path, numbers("uint8", 0, 255), "npz", factors=np.zeros((6, 2), int), factor_names=names))
    assert data.factor_names == ["größe", "x"]


def test_a_channel_that_may_be_an_opacity_is_said(tmp_path: Path) -> None:
    (note,) = load(saved(tmp_path, numbers("uint8", 0, 255, (5, 4, 8, 8)), "npy")).notes
    assert note == "images have 4 channels, all of them modelled: is the last an opacity?"


AXES = {
    (60, 48): "",
    (48, 48): "read as 48 vectors of 48 values; if it is one picture, it is no data set: stack many, N×H×W",
    (60, 28, 28): "",
    (60, 28, 20): "",
    (48, 48, 20): "read as 48 images of 48×20; if they are 20 slices of 48×48, save array.transpose(2, 0, 1)",
    (48, 40, 20): "read as 48 images of 40×20; if they are 20 slices of 48×40, save array.transpose(2, 0, 1)",
    (60, 3, 28, 28): "",
    (60, 8, 28, 28): "read as 60 images of 28×28 with 8 channels, all of them modelled; if they are slices or frames, "
    "reshape to N×1×H×W",
}
REFUSED_AXES = {
    (60, 28, 28, 3): r"looks like N×H×W×C; convert with \.transpose\(0, 3, 1, 2\)",
    (60, 28, 20, 1): r"looks like N×H×W×C; convert with \.transpose\(0, 3, 1, 2\)",
    (60, 28, 3, 28): r"looks like N×H×C×W; convert with \.transpose\(0, 2, 1, 3\)",
    (28, 28, 3, 60): r"looks like H×W×C×N; convert with \.transpose\(3, 2, 0, 1\)",
    (28, 28, 1, 60): r"looks like H×W×C×N; convert with \.transpose\(3, 2, 0, 1\)",
}


@pytest.mark.parametrize("shape", AXES)
def test_axes_that_may_be_meant_otherwise_are_said(shape: tuple[int, ...], tmp_path: Path) -> None:
    notes = load(saved(tmp_path, numbers("float32", 0, 1, shape), "npy")).notes
    assert notes == ((AXES[shape],) if AXES[shape] else ())


@pytest.mark.parametrize("shape", REFUSED_AXES)
def test_channels_that_do_not_come_second_are_refused(shape: tuple[int, ...], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=REFUSED_AXES[shape]):
        load(saved(tmp_path, numbers("float32", 0, 1, shape), "npy"))


DARK = {
    ("uint8", 0, 3): "uint8 pixels, 0…255 become 0…1; 0…3 occur, `levels=(0, 3)` spreads them",
    ("uint8", 0, 16): "uint8 pixels, 0…255 become 0…1; 0…16 occur, `levels=(0, 16)` spreads them",
    ("int64", 0, 16): "int64 pixels, all whole numbers, are read as bytes; 0…16 occur, `levels=(0, 16)` spreads them",
    ("uint8", 0, 40): None,
    ("uint8", 7, 7): "every pixel of all images is 7: there is nothing to learn",
    ("float32", 0, 0): "every pixel of all images is 0: there is nothing to learn",
}


@pytest.mark.parametrize(("dtype", "low", "high"), DARK)
def test_images_that_are_nearly_or_wholly_blank_are_said(dtype: str, low: int, high: int, tmp_path: Path) -> None:
    notes = load(saved(tmp_path, np.floor(numbers(dtype, low, high)), "npz")).notes
    assert notes == (() if DARK[dtype, low, high] is None else (DARK[dtype, low, high],))


def test_padding_far_below_all_other_levels_is_said(tmp_path: Path) -> None:
    array = numbers("int16", -1041, 931)
    array[:, 0] = -32768
    array[0, 1, :2] = -1041, 931
    said, padding = load(saved(tmp_path, array, "npy")).notes
    assert said == "int16 grey levels −32768…931 become 0…1 (`levels=(LOW, HIGH)` sets it)"
    advice = "`levels=(-1041, 931)` leaves it out of the range"
    assert padding == f"nothing but −32768 lies below −1041, as padding does: {advice}"


@pytest.mark.parametrize(("names", "shape"), [(None, (6,)), (["a", "b", "c"], (6,)), (["is it"], (6, 1))])
def test_one_column_of_labels_holds_classes_unless_it_has_a_name(
    names: list | None, shape: tuple, tmp_path: Path
) -> None:
    labels = np.array([0, 2, 1, 1, 0, 2])[:, None]
    others = {} if names is None else {"label_names": names}
    data = load(saved(tmp_path, numbers("uint8", 0, 255), "npz", labels=labels, **others))
    assert data.labels.shape == shape
    assert data.labels.flatten().tolist() == [0, 2, 1, 1, 0, 2]


def test_arrays_of_other_names_are_said(tmp_path: Path) -> None:
    others = {"targets": np.zeros(6, int), "latents_classes": np.zeros((6, 3), int)}
    assert load(saved(tmp_path, numbers("uint8", 0, 255), "npz", **others)).notes == (
        "left out 2 arrays: targets (6 int64), latents_classes (6×3 int64); classes are read from labels, factors of "
        "variation from factors",
    )


def test_labels_beyond_int64_are_refused(tmp_path: Path) -> None:
    labels = np.full(6, 2**63, np.uint64)
    with pytest.raises(ValueError, match="labels must be classes, got numbers up to 9223372036854775808"):
        load(saved(tmp_path, numbers("uint8", 0, 255), "npz", labels=labels))


def test_an_archive_of_other_names_says_what_it_holds(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x_train=np.zeros((9, 4, 4), np.uint8), y_train=np.zeros(9, int))
    with pytest.raises(ValueError, match=r"it holds x_train \(9×4×4 uint8\), y_train \(9 int64\)"):
        load(f"npz:{tmp_path / 'a.npz'}")


OBJECTS = {
    "list": np.array([np.zeros((4, 4)), np.zeros((5, 5))], dtype=object),
    "dictionary": np.array({"images": 1}, dtype=object),
}


@pytest.mark.parametrize("case", OBJECTS)
def test_objects_are_refused_with_the_name_of_the_array_and_a_way(case: str, tmp_path: Path) -> None:
    for kind, name in (("npy", "it"), ("npz", "images")):
        with pytest.raises(ValueError, match=rf": {name} holds pickled objects, which are not read; .* np\.stack"):
            load(saved(tmp_path, OBJECTS[case], kind))
    labels = np.array(["cat"] * 6, dtype=object)
    with pytest.raises(ValueError, match=r": labels holds pickled objects, .*\.astype\(str\)"):
        load(saved(tmp_path, numbers("uint8", 0, 255), "npz", labels=labels))


STARTS = {
    b"\x89HDF\r\n\x1a\n": "it is HDF5",
    b"MATLAB 5.0 MAT-file": "it is a file of MATLAB",
    b"\x1f\x8b\x08": "it is packed with gzip: unpack it",
    b"\x80\x04\x95": "it is a pickle",
    b"words": "its kind is not known; it begins with b'words'",
}


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("kind", ["npy", "npz"])
def test_files_of_other_kinds_are_named(kind: str, start: bytes, tmp_path: Path) -> None:
    (tmp_path / f"a.{kind}").write_bytes(start + bytes(99) if start != b"words" else start)
    with pytest.raises(ValueError, match=f"is damaged or no numpy file: {STARTS[start]}"):
        load(f"{kind}:{tmp_path}/a.{kind}")


def test_a_file_of_pytorch_says_what_to_write(tmp_path: Path) -> None:
    torch.save(torch.zeros(3, 8, 8), tmp_path / "a.npz")
    with pytest.raises(ValueError, match=r"it is a file of PyTorch: np\.savez\(FILE, images=tensor\.numpy\(\)\)"):
        load(f"npz:{tmp_path / 'a.npz'}")


def header_of(kind: str, shape: tuple[int, ...]) -> bytes:
    """What an npy begins with."""
    said = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}"
    return b"\x93NUMPY\x01\x00v\x00" + said.encode().ljust(117) + b"\n"


def peak_of(name: str) -> int:
    """Bytes that Python and numpy held at most while data were refused."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="unpacked|states") as caught:
            load(name)
        assert "MemoryError" not in str(caught.value)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_an_array_that_unpacks_to_gigabytes_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    header = header_of("|u1", (300000, 32, 32))
    with (
        zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("images.npy", "w") as out,
    ):
        out.write(header)
        for _ in range(293):
            out.write(bytes(2**20))
    assert (tmp_path / "a.npz").stat().st_size < 400_000
    assert peak_of(f"npz:{tmp_path / 'a.npz'}") < 3_000_000


@pytest.mark.parametrize("kind", ["npy", "npz"])
def test_a_header_that_lies_is_refused(kind: str, tmp_path: Path) -> None:
    header = header_of("<f8", (99999999, 999))
    if kind == "npy":
        (tmp_path / "a.npy").write_bytes(header + bytes(1000))
    else:
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            archive.writestr("images.npy", header + bytes(1000))
    assert peak_of(f"{kind}:{tmp_path / 'a'}.{kind}") < 3_000_000


def test_what_is_not_wanted_of_an_archive_is_not_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        with archive.open("images.npy", "w") as out:
            np.lib.format.write_array(out, numbers("uint8", 0, 255))
        archive.writestr("pickled.npy", b"not read")
        archive.writestr("readme.txt", b"not read")
    assert isinstance(load(f"npz:{tmp_path / 'a.npz'}"), Dataset)
    assert torch.equal(load(f"npz:{tmp_path / 'a.npz'}").train, load(f"npz:{tmp_path / 'a.npz'}").train)
