"""Commands start from a datum that one chooses: its number, its label, or a file of one's own."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Cli
from PIL import Image

from pyro_bvae import BetaVAE, datasets, fit, load_run, plots
from pyro_bvae.codes import encode
from pyro_bvae.datasets import Dataset
from pyro_bvae.datasets.own_files import data_from, labelled
from pyro_bvae.runs.folder import RunFolder
from pyro_bvae.runs.run import Run
from pyro_bvae.traversal import Traversal, base, traverse

COMMANDS = {"traverse": ["--columns", 2], "reconstruct": [], "encode": ["--split", "held-out"]}


@pytest.fixture(scope="module")
def vectors_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on vectors of four values, whose data are gone."""
    folder = tmp_path_factory.mktemp("vectors")
    np.save(folder / "v.npy", np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32))
    data = datasets.load(f"npy:{folder / 'v.npy'}")
    fit(BetaVAE(data.shape, 2, hidden=(4,), likelihood="gaussian"), data, steps=2, compile=False, out=folder / "run")
    (folder / "v.npy").unlink()
    return folder / "run"


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("image", [0, 5])
@pytest.mark.parametrize("label", [None, 3])
def test_a_number_and_a_label_choose_held_out_data(
    command: str, image: int, label: int | None, cli: Cli, digits_run: Run, here: Path
) -> None:
    data = digits_run.dataset()
    places = [i for i in data.held_out.tolist() if label is None or data.labels[i] == label]
    typed = ["--image", image, *([] if label is None else ["--label", label])]
    result = cli(command, digits_run.path, *COMMANDS[command], *typed, "--out", "o")
    assert result.exit_code == 0, result.output
    count = 20 if command == "reconstruct" else 1
    with np.load("o.npz") as arrays:
        assert arrays["index"].tolist() == places[image : image + count]
        codes = arrays[{"traverse": "start", "reconstruct": "codes", "encode": "loc"}[command]]
        assert torch.equal(torch.from_numpy(codes), encode(digits_run.model, data.images[arrays["index"]]).loc)


def pictures_of_my_own(folder: Path) -> dict[str, Path]:
    """One picture as people have it: in colour, with transparency, not square, and as arrays."""
    random = np.random.default_rng(0)
    colour = Image.fromarray(random.integers(0, 256, (60, 40, 3)).astype(np.uint8))
    files = {"png": folder / "mine.png", "jpg": folder / "mine.jpg", "grey": folder / "grey.bmp"}
    colour.save(files["png"])
    colour.save(files["jpg"])
    colour.convert("L").save(files["grey"])
    for name, array in {
        "npy": random.integers(0, 256, (28, 28)).astype(np.uint8),
        "channels": random.random((1, 28, 28)),
        "several": random.random((3, 1, 28, 28)),
    }.items():
        files[name] = folder / f"{name}.npy"
        np.save(files[name], array)
    files["npz"] = folder / "one.npz"
    np.savez(files["npz"], picture=random.random((28, 28)))
    return files


@pytest.mark.parametrize("command", COMMANDS)
def test_a_picture_of_ones_own_is_brought_to_the_shape_of_the_run(
    command: str, cli: Cli, digits_run: Run, here: Path
) -> None:
    for name, file in pictures_of_my_own(here).items():
        result = cli(command, digits_run.path, *COMMANDS[command], "--image", file, "--out", "o")
        assert result.exit_code == 0, (name, result.output)
        with np.load("o.npz") as arrays:
            assert "index" not in arrays
            if command == "traverse":
                assert arrays["x"].shape == (1, 1, 28, 28)


def test_a_picture_is_prepared_as_a_folder_of_pictures_is(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    for name in ("a", "b"):
        pictures_of_my_own(tmp_path)["png"].rename(tmp_path / "pictures" / f"{name}.png")
    for options in ({"image_size": 16}, {"image_size": 16, "grey": True}, {"image_size": 8, "crop": [20]}, {}):
        whole = datasets.load(f"folder:{tmp_path / 'pictures'}", **options)
        mine, _ = data_from(tmp_path / "pictures" / "a.png", whole.shape, whole.options)
        assert torch.equal(mine, whole.images[:1])


def test_an_array_is_read_as_the_runs_arrays_are(tmp_path: Path) -> None:
    levels = np.arange(2 * 9, dtype=np.uint16).reshape(2, 1, 3, 3) * 100
    np.save(tmp_path / "levels.npy", levels)
    whole = datasets.load(f"npy:{tmp_path / 'levels.npy'}", levels=(0, 1000))
    mine, notes = data_from(tmp_path / "levels.npy", whole.shape, whole.options)
    assert torch.equal(mine, whole.images)
    assert notes == ["grey levels 0…1000 become 0…1; 0…1700 occur, 7 pixels beyond are clipped"]
    np.save(tmp_path / "levels.npy", levels.astype(np.int32))
    with pytest.raises(ValueError, match=r"pixels outside 0 to 1, 0…1700, and the run's data had no such range"):
        data_from(tmp_path / "levels.npy", whole.shape, {})


@pytest.mark.parametrize("kind", ["npz:a.npz", "npy:a.npy", "folder:a"])
@pytest.mark.parametrize(("levels", "own"), [((0, 4095), True), ((0, 200), False), (None, False)])
def test_a_picture_of_bytes_keeps_its_range_where_the_runs_levels_are_of_other_arrays(
    kind: str, levels: tuple[int, int] | None, own: bool, tmp_path: Path
) -> None:
    picture = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
    Image.fromarray(picture).save(tmp_path / "mine.png")
    mine, notes = data_from(tmp_path / "mine.png", (1, 8, 8), {"dataset": kind, "levels": levels})
    own = own and not kind.startswith("folder")
    low, high = (0, 255) if own or levels is None else levels
    assert np.abs(mine[0, 0].numpy() - 255 * ((picture - low) / (high - low)).clip(0, 1)).max() <= 0.5
    said = "it has 8 bits: grey levels 0…255 become 0…1, and not the 0…4095 of the run's arrays"
    assert notes == ([said] if own else [])


def test_the_only_array_of_an_archive_may_have_any_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "v.npz", **{"of a name that is longer than a line shows" * 2: np.ones(4)})
    assert data_from(tmp_path / "v.npz", (4,), {})[0].tolist() == [[1, 1, 1, 1]]


def test_whole_numbers_are_vectors(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.arange(4, dtype=np.uint8))
    mine, _ = data_from(tmp_path / "v.npy", (4,), {})
    assert torch.equal(mine, torch.arange(4.0)[None])


def test_a_small_file_cannot_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyro_bvae.datasets.numpy_files.ALWAYS_UNPACKED", 1000)
    np.savez_compressed(tmp_path / "v.npz", images=np.zeros((1, 100_000)))
    with pytest.raises(ValueError, match="would take 800,128 bytes unpacked"):
        data_from(tmp_path / "v.npz", (100_000,), {})


def as_tiffs(folder: Path, images: np.ndarray) -> str:
    folder.mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number}.tif")
    return f"folder:{folder}"


def as_array(folder: Path, images: np.ndarray) -> str:
    np.save(folder.with_suffix(".npy"), images)
    return f"npy:{folder.with_suffix('.npy')}"


# type, lowest and highest number, --levels
LEVELS = [
    ("uint8", 0, 255, None),
    ("uint8", 0, 15, (0, 15)),
    ("uint16", 0, 4095, None),
    ("uint16", 0, 4095, (0, 4095)),
    ("int16", -1024, 3071, None),
    ("int32", -1024, 70_000, (0, 3000)),
    ("int64", 0, 255, None),
    ("float32", 0, 255, None),
    ("float32", -2, 5, (-1, 3)),
    ("float64", 0, 1, None),
]


@pytest.mark.parametrize(
    ("write", "dtype", "low", "high", "levels"),
    [
        *[(as_array, *each) for each in LEVELS],
        *[(as_tiffs, *each) for each in LEVELS if "64" not in each[0]],  # Pillow writes no pictures of 64 bits
    ],
)
def test_a_datum_of_the_run_arrives_from_a_file_as_it_did_in_fit(
    write: Any, dtype: str, low: int, high: int, levels: tuple | None, tmp_path: Path
) -> None:
    """Also one that reaches neither end of the grey levels of the others."""
    images = np.random.default_rng(0).uniform(low, high, (3, 8, 8)).astype(dtype)
    images[0, 0, :2] = low, high
    images[2] = images[2].clip(low, (low + high) / 3)
    if dtype == "float32" and high == 255:
        images = np.round(images)
    whole = datasets.load(write(tmp_path / "p", images), tmp_path, levels=levels)
    fit(BetaVAE(whole.shape, 2, hidden=(4,)), whole, steps=1, compile=False, out=tmp_path / "run")
    config = load_run(tmp_path / "run").config
    for number, image in enumerate(images):
        file = tmp_path / "p" / f"{number}.tif" if write is as_tiffs else tmp_path / "one.npy"
        if write is as_array:
            np.save(file, image)
        assert torch.equal(
            datasets.pixels(data_from(file, whole.shape, config)[0]), datasets.pixels(whole.images[[number]])
        )


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("name", "content", "rows"),
    [
        ("v.csv", "a,b,c,d\n1,2,3,4\n", 1),
        ("v.txt", "# mine\n1 2 3 4\n5 6 7 8\n", 2),
        ("v.csv", "1;2;3;4", 1),
        ("v.tsv", "\tq\tr\ts\tt\n7\t1,0\t2,0\t3,0\t4,0\n", 1),
    ],
)
def test_vectors_of_ones_own_are_read(
    command: str, name: str, content: str, rows: int, cli: Cli, vectors_run: Path, here: Path
) -> None:
    Path(name).write_text(content)
    result = cli(command, vectors_run, *COMMANDS[command], "--image", name, "--out", "o")
    assert result.exit_code == 0, result.output
    with np.load("o.npz") as arrays:
        loc = arrays[{"traverse": "start", "reconstruct": "codes", "encode": "loc"}[command]]
        assert len(loc) == (1 if command == "traverse" else rows)
        run = load_run(vectors_run)
        assert torch.equal(torch.from_numpy(loc[0]), encode(run.model, torch.tensor([[1.0, 2, 3, 4]])).loc[0])


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        (["--image", "nowhere.png"], "'nowhere.png' is neither the number of a datum, from 0 on, nor a file"),
        (["--image", "small.npy"], "small.npy holds an array of 1×5×5, and a datum of the run is 1×28×28"),
        (["--image", "words.txt"], "words.txt is damaged or no image"),
        (["--image", "far.npy"], "pixels outside 0 to 1"),
        (["--image", "empty.npz"], "empty.npz has no array 'images'"),
        (["--image", "small.npy", "--label", 3], "give one of them"),
        (["--label", 10], "digits has no label '10': choose from 0, 1, 2, 3"),
        (["--label", "three"], "digits has no label 'three'"),
        (["--image", 100_000], "100000"),
    ],
)
@pytest.mark.parametrize("command", COMMANDS)
def test_what_cannot_be_chosen_is_refused_in_one_line(
    command: str, typed: list[Any], says: str, cli: Cli, digits_run: Run, here: Path
) -> None:
    np.save("small.npy", np.zeros((5, 5), np.uint8))
    np.save("far.npy", np.full((28, 28), 3.5))
    np.savez("empty.npz")
    Path("words.txt").write_text("a picture of a cat")
    result = cli(command, digits_run.path, *typed, "--out", "o")
    assert (result.exit_code > 0, says in result.stderr) == (True, True), result.stderr
    assert "Traceback" not in result.output
    assert not list(here.glob("o.*"))


def test_a_base_that_is_no_datum_takes_none(cli: Cli, digits_run: Run, here: Path) -> None:
    for typed in (["prior", "--image", 1], ["random-z", "--label", 1], ["random-image", "--image", 1]):
        assert cli("traverse", digits_run.path, "--base", *typed).exit_code == 2
    drawn = cli("traverse", digits_run.path, "--base", "random-image", "--label", 7, "--count", 3, "--out", "o")
    assert drawn.exit_code == 0
    with np.load("o.npz") as arrays:
        assert digits_run.dataset().labels[arrays["index"]].tolist() == [7, 7, 7]


def test_labels_are_numbers_names_or_attributes() -> None:
    images = torch.zeros(4, 1, 4, 4, dtype=torch.uint8)
    numbers = Dataset("n", images, labels=torch.tensor([5, 3, 5, 3]))
    assert labelled(numbers, "5").tolist() == [0, 2]
    attributes = Dataset("a", images, labels=torch.tensor([[1, 0]] * 2 + [[0, 1]] * 2), label_names=["Smiling", "Hat"])
    assert labelled(attributes, "Hat").tolist() == labelled(attributes, "1").tolist() == [2, 3]
    for data, label in ((numbers, "4"), (attributes, "2"), (attributes, "-1"), (Dataset("none", images), "1")):
        with pytest.raises(ValueError, match="has no label"):
            labelled(data, label)


@pytest.mark.parametrize("kind", ["image", "random-image", "prior", "random-z"])
def test_a_traversal_can_be_drawn_again_from_its_npz(kind: str, cli: Cli, digits_run: Run, here: Path) -> None:
    assert cli("traverse", digits_run.path, "--base", kind, "--columns", 3, "--out", "t").exit_code == 0
    with np.load("t.npz") as arrays:
        again = Traversal.from_arrays(arrays)
    plots.traversal(again).savefig("again.png")
    assert np.array_equal(np.asarray(Image.open("t.png")), np.asarray(Image.open("again.png")))
    with np.load("t.npz") as arrays:
        assert all(np.array_equal(arrays[name], value) for name, value in again.arrays().items())
    with pytest.raises(ValueError, match="start, reconstructions are missing"):
        Traversal.from_arrays({name: value for name, value in again.arrays().items() if name[0] not in "sr"})


def test_a_traversal_knows_where_it_starts(digits_run: Run) -> None:
    data = digits_run.dataset()
    start = base(digits_run.model, data.images[data.held_out], image=4, count=2)
    sweep = Traversal.from_arrays(traverse(digits_run.model, start, columns=2).arrays())
    assert sweep.base.index.tolist() == [4, 5]
    assert torch.equal(sweep.base.originals, data.images[data.held_out[4:6]])
    assert sweep.kl is None


OUTPUTS = {
    "traversal": ["traverse"],
    "traversal-base-prior-range--3,3": ["traverse", "--base", "prior", "--range", -3, 3],
    "traversal-image-2-label-3-columns-2": ["traverse", "--image", 2, "--label", "3", "--columns", 2],
    "traversal-latents-0,7-sample-at-13-seed-1": [
        *("traverse", "--latents", "0,7", "--sample", "--at", 13, "--seed", 1),
    ],
    "reconstructions": ["reconstruct"],
    "reconstructions-count-3": ["reconstruct", "--count", 3],
    "samples": ["sample"],
    "samples-count-5-sample": ["sample", "--count", 5, "--sample"],
}


def test_pictures_of_other_settings_do_not_take_the_place_of_those_of_fit(
    cli: Cli, digits_run: Run, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(digits_run.path, tmp_path / "run"))
    for name, (command, *typed) in OUTPUTS.items():
        result = cli(command, run, *typed)
        assert result.exit_code == 0, result.output
        written = [Path(line) for line in result.stdout.splitlines()]
        assert {file.with_suffix("") for file in written} == {run / "figures" / name}
        assert all(file.is_file() for file in written)
    for name, typed in {
        "codes": [],
        "codes-split-train": ["--split", "train"],
        "codes-image-0": ["--image", 0],
    }.items():
        assert cli("encode", run, *typed).stdout.strip() == str(run / f"{name}.npz")
    RunFolder(run).start(RunFolder(run).read_config(), overwrite=True)
    assert [file.name for file in run.rglob("*.[pjgn]*") if file.is_file()] == ["config.json"]


def test_a_picture_of_fits_own_settings_is_the_one_of_fit(cli: Cli, here: Path) -> None:
    typed = ["--traverse-base", "prior", "--traverse-range", -1, 1, "--traverse-columns", 3]
    cli("fit", "--hidden", 8, "--latent-dim", 2, "--steps", 2, "--no-compile", *typed, "--figures", "--out", "run")
    before = np.asarray(Image.open("run/figures/traversal.png"))
    same = cli("traverse", "run", "--base", "prior", "--range", -1, 1, "--columns", 3)
    assert "run/figures/traversal.png" in same.stdout
    assert np.array_equal(np.asarray(Image.open("run/figures/traversal.png")), before)
    assert "run/figures/traversal-base-image-range--2,2-columns-11.png" in cli("traverse", "run").stdout
