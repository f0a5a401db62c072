"""Folders, tars and zips give the same files, and damaged or malicious ones a plain error."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from pyro_bvae.datasets.archives import opened

FILES = {"a/one.png": b"1" * 3000, "a/two.png": b"2", "b/three.png": b"3" * 100}


def make(kind: str, path: Path, files: dict[str, bytes]) -> Path:
    if kind == "folder":
        for name, content in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(content)
    elif kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
    else:
        with tarfile.open(path, "w") as archive:
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return path


def read_all(path: Path) -> None:
    with opened(path) as archive:
        for name in archive.names:
            archive.read(name)


@pytest.mark.parametrize("kind", ["folder", "tar", "zip"])
def test_all_kinds_give_the_same_files(kind: str, tmp_path: Path) -> None:
    path = make(kind, tmp_path / "x", {**FILES, "__MACOSX/a/._one.png": b"rubbish", ".hidden": b""})
    with opened(path) as archive:
        wanted = [name for name in archive.names if not name.startswith("__MACOSX")]
        assert wanted == sorted(FILES)
        assert {name: archive.read(name) for name in wanted} == FILES


@pytest.mark.parametrize("kind", ["folder", "tar", "zip"])
def test_the_signature_tells_a_change(kind: str, tmp_path: Path) -> None:
    with opened(make(kind, tmp_path / "x", FILES)) as archive:
        before = archive.signature
    with opened(tmp_path / "x") as archive:
        assert archive.signature == before
    with opened(make(kind, tmp_path / "x", {**FILES, "a/one.png": b"11"})) as archive:
        assert archive.signature != before


@pytest.mark.parametrize("kind", ["tar", "zip"])
@pytest.mark.parametrize("name", ["../../outside.png", "/etc/outside.png", "a/../../outside.png"])
def test_members_that_point_outside_are_refused(kind: str, name: str, tmp_path: Path) -> None:
    path = make(kind, tmp_path / "x", {**FILES, name: b"!"})
    with (
        pytest.raises(ValueError, match="a member that points outside it, .*outside.png': nothing was read"),
        opened(path),
    ):
        pass


@pytest.mark.parametrize("kind", ["tar", "zip"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
def test_truncated_archives_are_refused(kind: str, share: float, tmp_path: Path) -> None:
    path = make(kind, tmp_path / "x", FILES)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match="is damaged, cut short, or no folder, tar or zip"):
        read_all(path)


def test_damaged_bytes_inside_a_zip_are_told(tmp_path: Path) -> None:
    path = make("zip", tmp_path / "x", FILES)
    content = bytearray(path.read_bytes())
    content[100] ^= 0xFF
    path.write_bytes(content)
    with opened(path) as archive, pytest.raises(ValueError, match="is damaged, cut short"):
        archive.read("a/one.png")


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"), opened(tmp_path / "nowhere"):
        pass
