"""The pixels that arrive from a picture file are those that a viewer shows, whatever its format, depth and channels.

Files are written here byte by byte where Pillow would not write them, and what must arrive is computed with numpy.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import Result
from PIL import Image

from pyro_bvae import BetaVAE, fit, load_run
from pyro_bvae.datasets import Dataset, decoding, folder, load
from pyro_bvae.settings.spelling import as_options

SIDES = (6, 8)  # height and width
GREY, COLOUR, PALETTE, GREY_ALPHA, COLOUR_ALPHA = 0, 2, 3, 4, 6  # colour types of a PNG
CHANNELS = {GREY: 1, COLOUR: 3, PALETTE: 1, GREY_ALPHA: 2, COLOUR_ALPHA: 4}
BACKGROUNDS = {"white": (255, 255, 255), "black": (0, 0, 0), "#102030": (16, 32, 48)}
DEPTHS = {GREY: (1, 2, 4, 8, 16), COLOUR: (8, 16), PALETTE: (1, 2, 4, 8), GREY_ALPHA: (8, 16), COLOUR_ALPHA: (8, 16)}
PNGS = [
    (kind, depth, is_clear)
    for kind, depths in DEPTHS.items()
    for depth, is_clear in product(depths, (False, True))
    if is_clear or kind not in (GREY_ALPHA, COLOUR_ALPHA)
]


def random(*shape: int, high: int = 256, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape, high]).integers(0, high, shape)


def read(path: Path, **options: Any) -> Dataset:
    return load(f"folder:{path}", path.with_name(f"{path.name}-root"), **options)


def write_png(path: Path, samples: np.ndarray, depth: int, kind: int, **chunks: bytes) -> None:
    """A PNG of samples ``(H, W, C)``, with further chunks."""
    bits = np.unpackbits(samples.astype(">u2").view(np.uint8).reshape(*samples.shape, 2), axis=-1)[..., -depth:]
    rows = np.packbits(bits.reshape(len(samples), -1), axis=1)
    parts = {"IHDR": struct.pack(">IIBBBBB", *samples.shape[1::-1], depth, kind, 0, 0, 0), **chunks}
    parts |= {"IDAT": zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows)), "IEND": b""}
    content = b"\x89PNG\r\n\x1a\n"
    for name, part in parts.items():
        whole = name.encode() + part
        content += struct.pack(">I", len(part)) + whole + struct.pack(">I", zlib.crc32(whole))
    path.write_bytes(content)


def write_tiff(path: Path, pages: list[np.ndarray], photometric: int = 1) -> None:
    """A TIFF of grey pages ``(H, W)``, of any type and byte order."""
    order = ">" if pages[0].dtype.byteorder == ">" else "<"
    content = struct.pack(f"{order}2sHI", b"MM" if order == ">" else b"II", 42, 8)
    for number, page in enumerate(pages):
        data = page.tobytes()
        start = len(content) + 2 + 9 * 12 + 4
        sample = {"u": 1, "i": 2, "f": 3}[page.dtype.kind]
        sides = {256: page.shape[1], 257: page.shape[0], 258: 8 * page.dtype.itemsize, 259: 1, 262: photometric}
        entries = {**sides, 273: start, 278: page.shape[0], 279: len(data), 339: sample}
        content += struct.pack(f"{order}H", len(entries))
        content += b"".join(struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in entries.items())
        following = start + len(data) + len(data) % 2
        content += struct.pack(f"{order}I", following if number + 1 < len(pages) else 0)
        content += data + b"\0" * (len(data) % 2)
    path.write_bytes(content)


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize(("kind", "depth", "is_clear"), PNGS)
def test_png(kind: int, depth: int, is_clear: bool, background: str, tmp_path: Path) -> None:
    most = 2**depth - 1
    samples = random(*SIDES, CHANNELS[kind], high=most + 1)
    palette, clear = random(2**depth, 3, seed=1), random(2**depth, seed=2)
    key, chunks = samples[2, 3], {}
    if kind == PALETTE:
        chunks["PLTE"] = palette.astype(np.uint8).tobytes()
    if is_clear and kind in (GREY, COLOUR):
        chunks["tRNS"] = key.astype(">u2").tobytes()
    elif is_clear and kind == PALETTE:
        chunks["tRNS"] = clear.astype(np.uint8).tobytes()
    for number in range(2):
        write_png(tmp_path / f"{number}.png", samples, depth, kind, **chunks)

    colours = samples[..., :3] / most if kind in (COLOUR, COLOUR_ALPHA) else samples[..., :1].repeat(3, 2) / most
    alpha = np.ones((*SIDES, 1))
    if kind == PALETTE:
        colours = palette[samples[..., 0]] / 255
    if kind in (GREY_ALPHA, COLOUR_ALPHA):
        alpha = samples[..., -1:] / most
    elif is_clear:
        of_palette = clear[samples[..., 0]][..., None] / 255
        alpha = of_palette if kind == PALETTE else 1.0 - (samples == key).all(2, keepdims=True)
    wanted = 255 * alpha * colours + (1 - alpha) * BACKGROUNDS[background]

    data = read(tmp_path, background=background)
    arrived = data.images[0].permute(1, 2, 0).numpy()
    is_grey = kind in (GREY, GREY_ALPHA) and (background != "#102030" or not is_clear)
    assert arrived.shape[2] == (1 if is_grey else 3)
    assert np.abs(arrived - wanted).max() <= (0.5 if depth <= 8 or kind == GREY else 2) + 1e-9
    assert any("transparent" in note for note in data.notes) == is_clear
    assert any("16 bits" in note for note in data.notes) == (depth == 16)


TYPES = ["u1", "<u2", ">u2", "i1", "<i2", ">i2", "<u4", "<i4", ">i4", "<f4", ">f4"]


@pytest.mark.parametrize("levels", [None, (-100.0, 900.0)])
@pytest.mark.parametrize("dtype", TYPES)
def test_tiff_of_any_type(dtype: str, levels: tuple[float, float] | None, tmp_path: Path) -> None:
    kind = np.dtype(dtype)
    ends = (0, 1) if kind.kind == "f" else (max(np.iinfo(kind).min, -3_000_000), np.iinfo(kind).max)
    values = np.random.default_rng(0).uniform(*ends, SIDES) * (1500 if kind.kind == "f" else 1)
    values = (values - (500 if kind.kind == "f" else 0)).astype(kind)
    for number in range(2):
        write_tiff(tmp_path / f"{number}.tif", [values])
    natural = {"u1": (0, 255), "u2": (0, 65535)}.get(dtype.lstrip("<>"), (float(values.min()), float(values.max())))
    low, high = levels or natural
    wanted = 255 * ((values.astype(float) - low) / (high - low)).clip(0, 1)
    data = read(tmp_path, levels=levels)
    assert data.shape == (1, *SIDES)
    assert np.abs(data.images[0, 0].numpy() - wanted).max() <= 0.5 + 1e-6
    assert any("become 0…1" in note for note in data.notes) == (dtype != "u1" or levels is not None)


def test_tiff_whose_lowest_level_is_white(tmp_path: Path) -> None:
    values = random(*SIDES, high=65536).astype("<u2")
    for number in range(2):
        write_tiff(tmp_path / f"{number}.tif", [values], photometric=0)
    assert np.abs(read(tmp_path).images[0, 0].numpy() - (255 - values / 257)).max() <= 0.5


def test_floats_that_keep_to_0_and_1_are_taken_as_they_are(tmp_path: Path) -> None:
    values = np.random.default_rng(0).uniform(0.2, 0.6, SIDES).astype("<f4")
    values[0, 0] = 1.0000002
    for number in range(2):
        write_tiff(tmp_path / f"{number}.tif", [values])
    assert np.abs(read(tmp_path).images[0, 0].numpy() - 255 * values).max() <= 0.501


def test_twelve_bits_in_sixteen_are_said_with_the_range_that_spreads_them(tmp_path: Path) -> None:
    values = random(*SIDES, high=4096).astype("<u2")
    values[0, :2] = 0, 4095
    for number in range(2):
        write_tiff(tmp_path / f"{number}.tif", [values])
    (note,) = read(tmp_path).notes
    assert note == (
        "2 pictures of 16 bits, grey levels 0…65535 become 0…1; 0…4095 occur, `levels=(0, 4095)` spreads them: "
        "0.tif, 1.tif"
    )
    assert np.abs(read(tmp_path, levels=(0, 4095)).images[0, 0].numpy() - values / 4095 * 255).max() <= 0.5


def test_nan_and_colours_that_pillow_cuts_are_refused(tmp_path: Path) -> None:
    write_tiff(tmp_path / "0.tif", [np.full(SIDES, np.nan, "<f4")])
    write_tiff(tmp_path / "1.tif", [np.zeros(SIDES, "<f4")])
    with pytest.raises(ValueError, match=r"0\.tif: 48 pixels are NaN or infinite"):
        read(tmp_path)
    for number in range(2):
        (tmp_path / f"{number}.tif").unlink()
        write_png(tmp_path / f"{number}.png", random(*SIDES, 3, high=65536), 16, COLOUR)
    with pytest.raises(ValueError, match=r"0\.png: its colours have 16 bits, of which Pillow reads 8"):
        read(tmp_path, levels=(0, 4095))


TURNED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a),
}


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("ending", ["png", "tif"])
def test_orientation(ending: str, mode: str, orientation: int, tmp_path: Path) -> None:
    shape = (*SIDES, *{"RGB": (3,), "RGBA": (4,)}.get(mode, ()))
    values = random(*shape, high=65536 if mode == "I;16" else 256).astype(np.uint16 if mode == "I;16" else np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    for number in range(2):
        Image.fromarray(values).save(tmp_path / f"{number}.{ending}", exif=exif)
    bytes_ = values / 257 if mode == "I;16" else values.astype(float)
    if mode == "RGBA":
        alpha = bytes_[..., 3:] / 255
        bytes_ = alpha * bytes_[..., :3] + (1 - alpha) * 255
    wanted = TURNED[orientation](bytes_.reshape(*SIDES, -1)).transpose(2, 0, 1)
    assert np.abs(read(tmp_path).images[0].numpy() - wanted).max() <= 0.5


def save_frames(path: Path, frames: list[np.ndarray]) -> None:
    first, *others = map(Image.fromarray, frames)
    options = {"lossless": True} if path.suffix == ".webp" else {}
    first.save(path, save_all=True, append_images=others, **options)


@pytest.mark.parametrize("ending", ["gif", "webp", "png", "tif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_frames(ending: str, channels: int, tmp_path: Path) -> None:
    """The later frames of a GIF are told from the first by what changes: each is to arrive whole."""
    files = [[np.full((*SIDES, channels), 10 * file + 80 * frame, np.uint8) for frame in range(3)] for file in range(2)]
    for number, frames in enumerate(files):
        for shift, frame in enumerate(frames):
            frame[1 + shift, 2:5] = (255, 0, 120)[:channels]
        save_frames(tmp_path / f"{number}.{ending}", [frame.squeeze() for frame in frames])
    first, every = read(tmp_path), read(tmp_path, frames="all")
    knows_grey = ending in ("png", "tif")  # the others keep colours, or a palette of them
    wanted = np.stack([frame for frames in files for frame in frames]).transpose(0, 3, 1, 2)
    wanted = wanted if knows_grey else np.broadcast_to(wanted, (6, 3, *SIDES))
    assert np.array_equal(first.images.numpy(), wanted[::3])
    assert np.array_equal(every.images.numpy(), wanted)
    assert "2 files of several frames, of which the first is read and 4 frames are left out" in first.notes[0]
    assert "each of the 6 frames read as an image" in every.notes[0]


def test_frames_have_the_labels_and_factors_of_their_file(tmp_path: Path) -> None:
    for number, (home, count) in enumerate((("a", 2), ("b", 3))):
        (tmp_path / home).mkdir()
        frames = [np.full(SIDES, 10 * number + 50 * frame, np.uint8) for frame in range(count)]
        write_tiff(tmp_path / home / "x.tif", [frame.astype("u1") for frame in frames])
    (tmp_path / "f.csv").write_text("file,size\na/x.tif,10\nb/x.tif,9\n")
    data = read(tmp_path, frames="all", factors="f.csv")
    assert data.labels.tolist() == [0, 0, 1, 1, 1]
    assert data.factors[:, 0].tolist() == [1, 1, 0, 0, 0]


def test_a_subsample_of_frames_counts_frames(tmp_path: Path) -> None:
    for number in range(3):
        write_tiff(tmp_path / f"{number}.tif", [np.full(SIDES, 10 * number + page, "u1") for page in range(4)])
    part = read(tmp_path, frames="all", subsample=5)
    assert len(part) == 5
    assert {*part.images[:, 0, 0, 0].tolist()} < {*read(tmp_path, frames="all").images[:, 0, 0, 0].tolist()}
    assert len(read(tmp_path, subsample=2)) == 2


@pytest.mark.parametrize(("count", "most"), [(7, 3), (3, 7), (6, 3), (1, 1)])
def test_long_stacks_are_decoded_in_parts(count: int, most: int, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("pyro_bvae.datasets.decoding.PICTURES_A_BLOCK", most)
    pages = [np.full(SIDES, level, "u1") for level in range(count)]
    for number in range(2):
        write_tiff(tmp_path / f"{number}.tif", pages)
    assert read(tmp_path, frames="all").images[:, 0, 0, 0].tolist() == 2 * list(range(count))


def test_pictures_that_look_alike_load_alike(tmp_path: Path) -> None:
    """One cut-out, kept in each way that knows transparency, with noise under what is clear."""
    noise = random(*SIDES, 3, seed=4).astype(np.uint8)
    is_clear = random(*SIDES, high=2, seed=5).astype(bool)
    looks = np.where(is_clear[..., None], 255, 90).astype(np.uint8).repeat(3, 2)
    colours = np.where(is_clear[..., None], noise, looks)
    alpha = np.where(is_clear, 0, 255).astype(np.uint8)
    whole = Image.fromarray(np.dstack([colours, alpha]))
    whole.save(tmp_path / "a.png")
    whole.save(tmp_path / "b.webp", lossless=True, exact=True)
    whole.save(tmp_path / "c.tif")
    Image.fromarray(looks).save(tmp_path / "d.png")
    index = Image.fromarray(is_clear.astype(np.uint8), "L")
    index = Image.frombytes("P", index.size, index.tobytes())
    index.putpalette([90, 90, 90, 1, 2, 3] + [0] * 762)
    index.save(tmp_path / "e.png", transparency=1)
    index.save(tmp_path / "f.gif", transparency=1)
    Image.fromarray(np.where(is_clear, 7, 90).astype(np.uint8)).save(tmp_path / "g.png", transparency=7)
    Image.fromarray(np.dstack([np.where(is_clear, 7, 90).astype(np.uint8), alpha])).save(tmp_path / "h.png")
    images = read(tmp_path).images
    assert (images == images[3]).all()


def test_what_is_set_is_part_of_a_prepared_copy_and_what_was_said_is_kept(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(folder, "IN_MEMORY_BELOW_BYTES", 0)
    whole = random(*SIDES, 4).astype(np.uint8)
    for number in range(3):
        Image.fromarray(whole + np.uint8(number)).save(tmp_path / f"{number}.png")
        save_frames(tmp_path / f"{number}.gif", [np.full(SIDES, level, np.uint8) for level in (0, number)])
    told = [{}, {"background": "black"}, {"levels": (0, 100)}, {"frames": "all"}]
    sets = [read(tmp_path, **options) for options in told]
    assert len({data.digest for data in sets}) == 4
    monkeypatch.setattr("pyro_bvae.datasets.pictures.decode_all", None)
    monkeypatch.setattr("pyro_bvae.datasets.pictures.surveyed", None)
    for options, data in zip(told, sets, strict=True):
        again = read(tmp_path, **options)
        assert torch.equal(again.images, data.images)
        assert again.notes == data.notes
        assert again.fingerprint == data.fingerprint


def test_pictures_that_cannot_be_read_are_named_together(tmp_path: Path) -> None:
    for number in range(6):
        Image.fromarray(random(*SIDES).astype(np.uint8)).save(tmp_path / f"{number}.png")
    whole = (tmp_path / "0.png").read_bytes()
    for broken, where in ((b"", "3.png is damaged or no image: the file is empty"), (whole[:60], "3.png is damaged")):
        for number in (3, 5):
            (tmp_path / f"{number}.png").write_bytes(broken)
        with pytest.raises(ValueError, match=rf"{where}.*; and 1 other: 5\.png$"):
            read(tmp_path)


@pytest.mark.parametrize(("dtype", "low", "second", "high"), [("<i2", -32768, -1041, 931), ("<f4", -1e4, -3.5, 80.0)])
def test_padding_far_below_all_other_levels_is_said(
    dtype: str, low: float, second: float, high: float, tmp_path: Path
) -> None:
    page = (second + (high - second) * random(*SIDES) / 255).astype(dtype)
    page[:, 0] = low
    page[0, 1:3] = second, high
    for number in range(2):
        write_tiff(tmp_path / f"{number}.tif", [page])
    advice = f"`levels=({second:g}, {high:g})` leaves it out of the range"
    assert read(tmp_path).notes[-1] == f"nothing but −{-low:.7g} lies below −{-second:g}, as padding does: {advice}"
    page[0, 3] = second - (second - low) / 2
    write_tiff(tmp_path / "1.tif", [page])
    assert "padding" not in read(tmp_path).notes[-1]


@pytest.mark.parametrize(("mode", "channels"), [("P", 3), ("RGB", 3), ("RGBA", 3), ("L", 1), ("LA", 1), ("1", 1)])
def test_grey_pictures_that_are_read_as_colours_are_said(mode: str, channels: int, tmp_path: Path) -> None:
    for number in range(3):
        Image.fromarray(random(*SIDES, seed=number).astype(np.uint8)).convert(mode).save(tmp_path / f"{number}.png")
    data = read(tmp_path)
    note = "all pictures are grey, and are read with three channels: `grey=True` gives them one"
    assert (data.shape[0], note in data.notes) == (channels, channels == 3)
    assert note not in read(tmp_path, grey=True).notes


def test_grey_pictures_among_colours_are_named(tmp_path: Path) -> None:
    for number in range(3):
        shape = SIDES if number == 1 else (*SIDES, 3)
        Image.fromarray(random(*shape).astype(np.uint8)).save(tmp_path / f"{number}.png")
    assert read(tmp_path).notes == ("1 grey picture among colours, read with three channels: 1.png",)
    assert read(tmp_path, grey=True).notes == ()


@pytest.mark.parametrize("bad", [(0, 3, 5), (1, 2), tuple(range(6))])
def test_pictures_whose_end_is_missing_are_named_together(
    bad: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "PICTURES_A_BLOCK", 2)
    for number in range(6):
        Image.fromarray(random(32, 32, 3).astype(np.uint8)).save(tmp_path / f"{number}.jpg")
    for number in bad:
        os.truncate(tmp_path / f"{number}.jpg", (tmp_path / f"{number}.jpg").stat().st_size // 2)
    more = f"; and {len(bad) - 1} others?: {bad[1]}"
    with pytest.raises(ValueError, match=rf"{bad[0]}\.jpg is damaged or no image: .*{more}\.jpg"):
        read(tmp_path)


def test_a_picture_of_too_many_pixels_is_named(tmp_path: Path, monkeypatch: Any) -> None:
    for number in range(2):
        Image.fromarray(random(*SIDES).astype(np.uint8)).save(tmp_path / f"{number}.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    with pytest.raises(ValueError, match=r"0\.png is too large to be opened safely, scale it down"):
        read(tmp_path)


@pytest.mark.parametrize("ending", ["png", "tif", "bmp", "jpg", "webp", "jp2"])
def test_pictures_that_are_cut_short_are_named(ending: str, tmp_path: Path) -> None:
    for number in range(3):
        Image.fromarray(random(32, 32, 3, seed=number).astype(np.uint8)).save(tmp_path / f"{number}.{ending}")
    os.truncate(tmp_path / f"1.{ending}", (tmp_path / f"1.{ending}").stat().st_size // 2)
    with pytest.raises(ValueError, match=rf"1\.{ending} is damaged or no image"):
        read(tmp_path)


def test_animations_that_are_cut_short_are_said(tmp_path: Path) -> None:
    for number in range(3):
        save_frames(tmp_path / f"{number}.gif", [random(32, 32, seed=frame).astype(np.uint8) for frame in range(4)])
    os.truncate(tmp_path / "1.gif", (tmp_path / "1.gif").stat().st_size // 2)
    assert "1 animation ends early, and may have had more frames: 1.gif" in read(tmp_path).notes
    with pytest.raises(ValueError, match=r"1\.gif is damaged or no image: image file is truncated"):
        read(tmp_path, frames="all")


def test_broken_exif_is_no_matter(tmp_path: Path) -> None:
    for number in range(2):
        exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x05\x01\x12\0\x09\xff\xff\xff\xff"
        Image.fromarray(random(*SIDES).astype(np.uint8)).save(tmp_path / f"{number}.jpg", exif=exif)
    assert len(read(tmp_path)) == 2


def test_pictures_that_are_cut_to_a_square_are_named(tmp_path: Path) -> None:
    for number in range(2):
        Image.fromarray(random(6 + 2 * number, 8).astype(np.uint8)).save(tmp_path / f"{number}.png")
    (note,) = read(tmp_path, image_size=4).notes
    assert note == "1 picture that is not square, cut to the square at the centre: 0.png"
    assert read(tmp_path, image_size=4, crop=[6]).notes == ()


def save_transparent(folder: Path) -> None:
    for number in range(4):
        Image.fromarray(random(*SIDES, 4, seed=number).astype(np.uint8)).save(folder / f"{number}.png")


def test_a_run_that_is_older_than_backgrounds_keeps_its_data(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    save_transparent(tmp_path / "p")
    data = read(tmp_path / "p", background="none")
    run = fit(BetaVAE(data.shape, 2, hidden=(8,)), data, steps=1, compile=False, out=tmp_path / "run")
    config = tmp_path / "run" / "config.json"
    older = {key: value for key, value in run.config.items() if key not in ("background", "levels", "frames")}
    config.write_text(json.dumps(older))
    assert load_run(tmp_path / "run").dataset().fingerprint == data.fingerprint
    assert read(tmp_path / "p").fingerprint != data.fingerprint


def test_fit_prints_what_was_said_and_its_run_keeps_what_was_set(tmp_path: Path, cli: Callable[..., Result]) -> None:
    (tmp_path / "p").mkdir()
    save_transparent(tmp_path / "p")
    options = ["--background", "#102030", "--levels", 0, 200, "--frames", "all", "--data-root", tmp_path]
    small = ["--hidden", 8, "--latent-dim", 2, "--steps", 1, "--no-compile", "--out", tmp_path / "run"]
    printed = cli("fit", "--dataset", f"folder:{tmp_path / 'p'}", *options, *small).stdout
    lines = [line for line in printed.splitlines() if line.startswith("data    ")]
    assert "4 pictures with transparent pixels, laid on #102030" in lines[1]
    assert "grey levels 0…200 become 0…1" in lines[2]
    run = load_run(tmp_path / "run")
    assert [run.config[name] for name in ("background", "levels", "frames")] == ["#102030", [0, 200], "all"]
    assert [as_options(note) for note in run.dataset().notes] == [line.removeprefix("data    ") for line in lines[1:]]
    assert cli("fit", "--resume", "--out", tmp_path / "run", "--steps", 2).exit_code == 0
