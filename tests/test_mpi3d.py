"""mpi3d: four sets by name, sizes by the number of images, damaged files and others refused."""

from __future__ import annotations

import shutil
import zipfile
from math import prod
from pathlib import Path

import numpy as np
import pytest
from click.shell_completion import CompletionItem
from conftest import Cli
from published_files import MPI3D, noise, shrink_mpi3d, write_mpi3d
from pyro_bvae_cli.kinds import DatasetName

from pyro_bvae import datasets, load_run
from pyro_bvae.datasets import mpi3d
from pyro_bvae.datasets.numpy_files import blocks_of

COUNT = prod(MPI3D[0])


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink_mpi3d(monkeypatch)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("leading", [(COUNT,), MPI3D[0]])
def test_the_array_may_be_packed_and_have_an_axis_for_each_factor(
    packed: bool, leading: tuple[int, ...], tmp_path: Path
) -> None:
    images = noise(*leading, 64, 64, 3)
    write_mpi3d(tmp_path / "a.npz", packed=packed, images=images)
    data = datasets.load(f"mpi3d:{tmp_path / 'a.npz'}", tmp_path)
    assert np.array_equal(data.images.numpy(), images.reshape(-1, 64, 64, 3).transpose(0, 3, 1, 2))
    assert data.factor_sizes == MPI3D[0]


def test_a_set_of_another_size_is_read_and_it_is_said(tmp_path: Path) -> None:
    write_mpi3d(tmp_path / "mpi3d" / "mpi3d_toy.npz", MPI3D[1])
    data = datasets.load("mpi3d:toy", tmp_path)
    assert data.factor_sizes == MPI3D[1]
    assert data.notes[-1].startswith(
        f"it holds {prod(MPI3D[1])} images, 2 colours and 2 shapes: not as many as mpi3d:toy has"
    )


OTHERS = {
    "another count": (
        {"images": noise(17, 64, 64, 3)},
        f"expected {COUNT} or {prod(MPI3D[1])} images of 64×64×3, uint8, got 17×64×64×3",
    ),
    "channels first": ({"images": noise(COUNT, 3, 64, 64)}, f"got {COUNT}×3×64×64 uint8; for others .* npz:FILE"),
    "floats": ({"images": np.zeros((COUNT, 64, 64, 3), np.float16)}, f"got {COUNT}×64×64×3 float16"),
    "by columns": ({"images": np.asfortranarray(noise(COUNT, 64, 64, 3))}, "must be uint8 .* by columns"),
    "objects": ({"images": np.array([{}], dtype=object)}, "got 1 object"),
}


@pytest.mark.parametrize("case", list(OTHERS))
def test_other_arrays_are_refused(case: str, tmp_path: Path) -> None:
    arrays, message = OTHERS[case]
    write_mpi3d(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        datasets.load(f"mpi3d:{tmp_path / 'a.npz'}", tmp_path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", pictures=noise(4, 64, 64, 3))
    with pytest.raises(ValueError, match=r"a\.npz has no array 'images', only pictures"):
        datasets.load(f"mpi3d:{tmp_path / 'a.npz'}", tmp_path)
    np.save(tmp_path / "a.npy", noise(4, 64, 64, 3))
    with pytest.raises(ValueError, match="is an npy file, and not an npz"):
        datasets.load(f"mpi3d:{tmp_path / 'a.npy'}", tmp_path)
    with pytest.raises(FileNotFoundError):
        datasets.load(f"mpi3d:{tmp_path / 'nowhere.npz'}", tmp_path)


@pytest.mark.parametrize("packed", [False, True])
def test_a_changed_byte_is_told_by_the_checksum(packed: bool, tmp_path: Path) -> None:
    write_mpi3d(tmp_path / "a.npz", packed=packed)
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.npz is damaged or no numpy file"):
        datasets.load(f"mpi3d:{tmp_path / 'a.npz'}", tmp_path)
    assert [*tmp_path.glob("prepared/*")] == []


def test_a_header_that_states_more_than_is_there_is_told(tmp_path: Path) -> None:
    write_mpi3d(tmp_path / "a.npz")
    with zipfile.ZipFile(tmp_path / "a.npz") as whole:
        content = whole.read("images.npy")
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as short:
        short.writestr("images.npy", content[:-100])
    with pytest.raises(ValueError, match="images is cut short"):
        list(blocks_of(tmp_path / "b.npz", "images", (64, 64, 3), 100))
    with zipfile.ZipFile(tmp_path / "c.npz", "w") as other:
        other.writestr("images.npy", b"\x93NUMPY\x01\x00\x10\x00{'descr': __import_")
    with pytest.raises(ValueError, match=r"c\.npz is damaged or no numpy file"):
        datasets.load(f"mpi3d:{tmp_path / 'c.npz'}", tmp_path)


def test_complex_is_got_by_hand(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"complicated_shapes_ordered\.npz is not there, .*drive\.google\.com"):
        datasets.load("mpi3d:complex", tmp_path)


def test_a_name_of_no_set_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"write mpi3d:\{toy\|realistic\|real\|complex\|PATH\}"):
        datasets.load("mpi3d", tmp_path)
    assert datasets.canonical("mpi3d:toy") == "mpi3d:toy"
    assert datasets.own_path("mpi3d:toy") == ""


def test_a_fit_goes_to_a_folder_of_the_set_and_finds_its_data_again(cli: Cli, here: Path) -> None:
    write_mpi3d(here / "data" / "mpi3d" / "mpi3d_toy.npz")
    few = ["--steps", 1, "--hidden", 8, "--no-figures"]
    fitted = cli("fit", "--dataset", "mpi3d:toy", "--data-root", "data", "--subsample", 40, *few)
    assert fitted.exit_code == 0, fitted.output
    run = load_run("runs/mpi3d-toy-beta1-seed0")
    assert run.config["dataset"] == "mpi3d:toy"
    shutil.move(here / "data", here / "runs" / "data")  # beside the run
    assert len(load_run("runs/mpi3d-toy-beta1-seed0").dataset()) == 40


def test_the_shell_completes_each_set() -> None:
    def completed(word: str) -> list[str]:
        items: list[CompletionItem] = DatasetName().shell_complete(None, None, word)
        return [item.value for item in items]

    assert completed("mpi3d:") == ["mpi3d:toy", "mpi3d:realistic", "mpi3d:real", "mpi3d:complex", "mpi3d:"]
    assert completed("sh") == ["shapes3d"]


def test_the_root_may_be_the_folder_of_the_files_itself(tmp_path: Path) -> None:
    write_mpi3d(mpi3d.place(tmp_path, "real"))
    whole = datasets.load("mpi3d:real", tmp_path)
    assert datasets.load("mpi3d:real", tmp_path / "mpi3d").fingerprint == whole.fingerprint
    shutil.move(tmp_path / "mpi3d", tmp_path / "below" / "mpi3d")
    assert datasets.load("mpi3d:real", tmp_path).fingerprint == whole.fingerprint
