"""Which files of a folder are pictures, what they belong to, and what is said of all others."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Cli
from PIL import Image
from scipy.stats import hypergeom

from pyro_bvae import BetaVAE, fit, load_run
from pyro_bvae.datasets import Dataset, load
from pyro_bvae.datasets.archives import opened
from pyro_bvae.datasets.dataset import part_of


def put(path: Path, level: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = np.full((8, 8), level, np.uint8)
    picture[7, 7] = 255
    Image.fromarray(picture).save(path)


def read(path: Path, **options: Any) -> Dataset:
    return load(f"folder:{path}", path.with_name("root"), **options)


def levels(data: Dataset) -> list[int]:
    return data.images[:, 0, 0, 0].tolist()


def notes(data: Dataset) -> tuple[str, ...]:
    """All but that on labels."""
    return tuple(note for note in data.notes if not note.startswith("labels are the "))


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two classes of two pictures."""
    for level, name in enumerate(("cat/0", "cat/1", "dog/0", "dog/1")):
        put(tmp_path / "p" / f"{name}.png", level)
    return tmp_path / "p"


HIDDEN = [".thumbs/a.png", "cat/.ipynb_checkpoints/0.png", "__MACOSX/cat/0.png", "@eaDir/0.png", "cat/._0.png"]


@pytest.mark.parametrize("name", HIDDEN)
def test_hidden_files_are_left_out_and_named(name: str, pictures: Path) -> None:
    put(pictures / name)
    data = read(pictures)
    assert (len(data), data.labels.tolist()) == (4, [0, 0, 1, 1])
    (note,) = notes(data)
    assert note.startswith("left out 1 hidden file or folder: ")
    assert name.startswith(note.partition(": ")[2])


def test_a_folder_that_is_itself_hidden_is_read(tmp_path: Path) -> None:
    for number in range(2):
        put(tmp_path / ".mine" / f"{number}.png")
    assert len(read(tmp_path / ".mine")) == 2


def test_links_are_followed_each_folder_once_and_circles_end(pictures: Path) -> None:
    put(pictures.with_name("far") / "x.png", 9)
    (pictures / "bird").symlink_to(pictures.with_name("far"))
    (pictures / "ape").symlink_to(pictures / "cat")  # though its name comes first, the cats stay cats
    (pictures / "cat" / "up").symlink_to(pictures)
    (pictures / "self").symlink_to(pictures / "self")
    (pictures / "gone.png").symlink_to(pictures / "nowhere.png")
    (pictures / "dog" / "2.png").symlink_to(pictures.with_name("far") / "x.png")
    data = read(pictures)
    assert levels(data) == [9, 0, 1, 2, 3, 9]
    assert data.label_names == ["bird", "cat", "dog"]
    assert notes(data) == (
        "left out 2 links that lead nowhere: gone.png, self",
        "left out 2 links to folders that are read already: ape, cat/up",
    )


def test_pipes_are_left_out_of_folders_and_refused_as_data(pictures: Path) -> None:
    os.mkfifo(pictures / "a.png")
    assert notes(read(pictures)) == ("left out 1 pipe, socket or device: a.png",)
    for name in (f"npy:{pictures / 'a.png'}", f"csv:{pictures / 'a.png'}", "npz:/dev/zero", f"folder:{os.devnull}"):
        with pytest.raises(ValueError, match="is a pipe, a socket or a device, and a data set is a file or a folder"):
            load(name)


def test_other_files_are_left_out_with_counts_and_names(pictures: Path) -> None:
    for name in ("a.HEIC", "b.heic", "c.svg", "labels.h5", "clip.mpg", "notes.txt", "none", "d.pdf"):
        (pictures / name).write_bytes(b"\0\0\0\x18ftypheic")
    assert notes(read(pictures)) == (
        "left out 4 pictures of kinds that Pillow does not read (2 .heic, 1 .svg, 1 .pdf): a.HEIC, b.heic, c.svg and 1 "
        "more; convert them to PNG",
        "left out 4 files that are no pictures by their names: clip.mpg, labels.h5, none and 1 more",
    )


def test_a_folder_without_pictures_says_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "a.heic").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"no image files under .*; left out 1 picture of a kind .* \(1 \.heic\)"):
        read(tmp_path)


def test_a_file_of_another_kind_under_a_picture_s_name_is_named_with_how_it_begins(pictures: Path) -> None:
    (pictures / "cat" / "phone.jpg").write_bytes(b"<!DOCTYPE html>")
    with pytest.raises(ValueError, match=r"phone\.jpg is damaged or no image: it is a page of the web: download the"):
        read(pictures)


@pytest.mark.parametrize("in_memory_below", [0, 10**6])
@pytest.mark.parametrize("name", ["cat/0", "cat/phone", "dog/z"])
def test_a_picture_of_a_kind_that_is_not_read_is_left_out_whatever_its_name(
    name: str, in_memory_below: int, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyro_bvae.datasets.folder.IN_MEMORY_BELOW_BYTES", in_memory_below)
    file = pictures / f"{name}.jpg"
    file.write_bytes(b"\0\0\0\x18ftypheic")
    for _ in range(2):  # the second time from what was prepared
        data = read(pictures)
        assert (levels(data), data.labels.tolist()) == ([0, 1, 2, 3], [0, 0, 1, 1])
        note = f"left out 1 picture of a kind that Pillow does not read (1 HEIC): {name}.jpg; convert it to PNG"
        assert notes(data) == (note,)
    for other in pictures.rglob("*.png"):
        other.unlink()
    with pytest.raises(ValueError, match=r"\.jpg is damaged or no image: it is HEIC: convert it to PNG"):
        read(pictures)


@pytest.mark.parametrize("homes", [("train", "val"), ("images", "masks"), ("a/x", "a/y")])
def test_labels_that_come_from_subfolders_are_said(homes: tuple[str, ...], tmp_path: Path) -> None:
    for home in homes:
        put(tmp_path / "p" / home / "0.png")
    assert read(tmp_path / "p").notes == (f"labels are the 2 subfolders: {', '.join(homes)}",)


@pytest.mark.parametrize(
    ("levels", "note"),
    [
        ((0, 3), ("bytes, grey levels 0…255 become 0…1; 0…3 occur, `levels=(0, 3)` spreads them",)),
        ((0, 16), ("bytes, grey levels 0…255 become 0…1; 0…16 occur, `levels=(0, 16)` spreads them",)),
        ((0, 100), ()),
        ((0, 0), ("every pixel of all images is 0: there is nothing to learn",)),
    ],
)
def test_masks_of_few_levels_are_said(levels: tuple[int, int], note: tuple, pictures: Path) -> None:
    for level, file in zip((*levels, *levels), sorted(pictures.rglob("*.png")), strict=True):
        Image.fromarray(np.full((8, 8), level, np.uint8)).save(file)
    assert notes(read(pictures)) == note


def test_masks_of_0_and_1_are_refused_with_what_reads_them(pictures: Path) -> None:
    for number, file in enumerate(sorted(pictures.rglob("*.png"))):
        Image.fromarray(np.full((8, 8), number % 2, np.uint8)).save(file)
    with pytest.raises(ValueError, match=r"got only 0 and 1; say `levels=\(0, 1\)` for black and white"):
        read(pictures)
    assert levels(read(pictures, levels=(0, 1))) == [0, 255, 0, 255]


def test_one_file_of_many_frames_says_how_to_read_them(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    frames = [Image.fromarray(np.full((8, 8), 80 * number, np.uint8)) for number in range(3)]
    frames[0].save(tmp_path / "p" / "a.tif", save_all=True, append_images=frames[1:])
    with pytest.raises(ValueError, match=r"needs at least 2 images, and .* holds 1; .* \(`frames='all'` reads them\)"):
        read(tmp_path / "p")
    assert len(read(tmp_path / "p", frames="all")) == 3


def test_a_file_in_place_of_a_folder_says_what_to_name(pictures: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"0\.png is not a folder; give the folder that holds it, folder:.*/cat"
    ):
        read(pictures / "cat" / "0.png")
    shutil.make_archive(str(pictures), "zip", pictures)
    with pytest.raises(FileNotFoundError, match=r"p\.zip is not a folder; unpack it"):
        load(f"folder:{pictures}.zip")


def test_classes_come_in_natural_order_with_their_names(tmp_path: Path) -> None:
    for number in (*range(12), 100):
        put(tmp_path / "p" / f"c{number}" / "x.png", number)
    put(tmp_path / "p" / "top.png", 200)
    data = read(tmp_path / "p")
    assert data.label_names == [".", *(f"c{number}" for number in range(12)), "c100"]
    named = [data.label_names[label] for label in data.labels]
    assert dict(zip(levels(data), named, strict=True)) == {200: ".", 100: "c100", **{n: f"c{n}" for n in range(12)}}


def test_names_of_any_bytes_are_read_and_said_escaped(pictures: Path) -> None:
    home = pictures / os.fsdecode(b"\xff\xfe")
    put(home / "x.png")
    (home / "a\nb\x1b[1m.txt").write_text("")
    data = read(pictures)
    assert len(data) == 5
    assert notes(data) == (r"left out 1 file that is no picture by its name: \udcff\udcfe/a\nb\x1b[1m.txt",)


def test_a_run_on_a_folder_of_any_bytes_is_read_again(tmp_path: Path) -> None:
    home = tmp_path / os.fsdecode(b"\xff\xfe")
    for number in range(3):
        put(home / f"{number}.png", number)
    data = read(home)
    fit(BetaVAE(data.shape, 2, hidden=(8,)), data, steps=1, compile=False, out=tmp_path / "run")
    assert load_run(tmp_path / "run").dataset().fingerprint == data.fingerprint


FACTORS = """\
file,shape,angle
cat/0.png,square,10
cat/1.png,circle,9
dog/0.png,circle,10.0
dog/1.png,square,100
"""


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_factors_are_numbered_in_the_order_of_their_values(separator: str, mark: str, pictures: Path) -> None:
    table = pictures.with_name("f.csv")
    table.write_text(mark + FACTORS.replace(",", separator), encoding="utf-8")
    data = read(pictures, factors=table)
    assert (data.factor_names, data.factor_sizes) == (("shape", "angle"), (2, 3))
    assert data.factors.tolist() == [[1, 1], [0, 0], [0, 1], [1, 2]]
    assert data.options["factors"] == str(table)
    assert notes(data) == ()


def test_factors_say_what_is_missing_and_what_is_too_much(pictures: Path) -> None:
    (pictures / "f.csv").write_text(FACTORS.replace("dog/0.png", "owl/0.png"))
    data = read(pictures, factors="f.csv")  # in the folder itself
    assert levels(data) == [0, 1, 3]
    assert notes(data) == (
        "left out 1 picture of which f.csv has no factors: dog/0.png",
        "left out 1 line of f.csv that no picture belongs to: owl/0.png",
    )
    part = read(pictures, factors="f.csv", subsample=2)
    assert (part.factor_sizes, part.factors.shape) == ((2, 3), (2, 2))


def test_a_first_column_without_a_name_numbers_the_rows(pictures: Path) -> None:
    plain, *rows = FACTORS.splitlines()
    lines = [f",{plain}", *(f"{number},{row}" for number, row in enumerate(rows))]
    (pictures / "f.csv").write_text("\n".join(lines))
    data = read(pictures, factors="f.csv")
    assert (data.factor_names, data.factors.tolist()) == (("shape", "angle"), [[1, 1], [0, 0], [0, 1], [1, 2]])


@pytest.mark.parametrize(("name", "kind"), [("p", "folder"), ("a.npy", "npy"), ("a.csv", "csv"), ("a.bin", "folder")])
def test_a_path_without_its_kind_says_what_to_write(name: str, kind: str, pictures: Path) -> None:
    place = pictures.with_name(name)
    if name != "p":
        place.write_bytes(b"")
    with pytest.raises(ValueError, match=rf"is no name of a data set; write {kind}:{place}$"):
        load(str(place))


def test_the_command_line_says_what_to_write_for_a_folder(pictures: Path, cli: Cli) -> None:
    result = cli("fit", "--dataset", pictures)
    assert (result.exit_code, f"is a folder: write folder:{pictures}" in result.stderr) == (2, True)


@pytest.mark.parametrize("written", ["{0}/a/1.png", "a\\1.png", "./a/1.png", "a/1.png", "1.png", "1"])
def test_factors_know_a_file_by_any_name_that_is_its_alone(written: str, tmp_path: Path) -> None:
    put(tmp_path / "p/a/1.png", 1)
    put(tmp_path / "p/a/2.png", 2)
    (tmp_path / "f.csv").write_text(f"{written.format(tmp_path / 'p')},5\n2.png,3\n")
    data = read(tmp_path / "p", factors=tmp_path / "f.csv")
    assert (data.factor_names, data.factors.tolist()) == (("factor 1",), [[1], [0]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no factors"),
        ("file\ncat/0.png\n", "has no factors"),
        ("file,x\na.png,1\n", r"names none of the 4 pictures .* names like cat/0\.png, got a\.png"),
        (FACTORS + "dog/1.png,square,7\n", r"line 6: dog/1\.png is named twice"),
        (FACTORS.replace("100", ""), r"line 5: expected a file and 2 values"),
        (FACTORS.replace(",100", ""), r"line 5: expected a file and 2 values"),
        (FACTORS.replace("100", "NaN"), r"line 5: expected a file and 2 values"),
    ],
)
def test_bad_tables_of_factors_are_refused(text: str, message: str, pictures: Path) -> None:
    (pictures / "f.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read(pictures, factors="f.csv")


@pytest.mark.parametrize("name", ["digits", "gaussian", "mnist", "dsprites", "celeba", "chairs"])
def test_every_data_set_has_subsamples_that_are_part_of_it(name: str, made_data: Path) -> None:
    few = {"points": 300} if name == "gaussian" else {}
    whole = None if name == "dsprites" else load(name, made_data, **few)
    part = load(name, made_data, **few, subsample=9)
    assert len(part) == 9
    assert part.options["subsample"] == 9
    assert len(part.train) + len(part.held_out) <= 9
    if whole is not None:
        flat, rows = whole.images.flatten(1), part.images.flatten(1)
        places = [(flat == row).all(1).nonzero().flatten().tolist() for row in rows]
        assert all(places)
        if part.labels is not None:
            assert all(torch.equal(part.labels[k], whole.labels[place[0]]) for k, place in enumerate(places))
        if part.factors is not None:
            assert all(torch.equal(part.factors[k], whole.factors[place[0]]) for k, place in enumerate(places))


def test_a_subsample_keeps_the_split(made_data: Path) -> None:
    whole, part = load("digits"), load("digits", subsample=400)
    held_out = {image.numpy().tobytes() for image in whole.images[whole.held_out]}
    assert all(image.numpy().tobytes() in held_out for image in part.images[part.held_out])
    assert load("digits", subsample=5000).fingerprint == whole.fingerprint


@pytest.mark.parametrize("size", [200, 1797, 30_000])
@pytest.mark.parametrize("share", [0.05, 0.1, 0.11, 0.3, 0.9])
def test_a_part_has_as_large_a_share_of_both_parts_of_the_split(size: int, share: float) -> None:
    whole = Dataset("mine", torch.randn(size, 2))
    count = int(share * size)
    part = part_of(whole, count)
    assert len(part.train) + len(part.held_out) == count
    expected = hypergeom(size, len(whole.held_out), count)
    assert expected.ppf(1e-3) <= len(part.held_out) <= expected.ppf(1 - 1e-3)


def test_a_file_beyond_the_cap_is_refused_before_it_is_read(pictures: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("pyro_bvae.datasets.archives.MOST_BYTES", 1000)
    (pictures / "cat" / "1.png").write_bytes(b"0" * 1001)
    with (
        opened(pictures) as archive,
        pytest.raises(ValueError, match=r"cat/1\.png takes 1,001 bytes, and at most 1,000 of one file are read"),
    ):
        archive.read("cat/1.png")
