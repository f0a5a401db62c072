"""Names that are given to latents in the explorer stand beside their run, whoever else writes there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from asking import ask, do, small_run, views

from pyro_bvae import explore, fit, load_run
from pyro_bvae.datasets import Dataset
from pyro_bvae.files import held_folder


def test_names_are_kept_beside_the_run_during_a_fit_too(tmp_path: Path) -> None:
    run = small_run(tmp_path / "run")
    with explore(run.path, run.dataset()) as explorer, held_folder(run.path):  # as a fit holds it
        assert do(explorer, "name", latent=2, name="  width\n of it ") == {"names": {"2": "width of it"}, "note": None}
        assert do(explorer, "name", latent=0, name="x" * 999)["names"]["0"] == "x" * 60
        assert do(explorer, "name", latent=0, name="")["names"] == {"2": "width of it"}
        assert views(explorer)[0]["names"] == {"2": "width of it"}
    assert json.loads((run.path / "names.json").read_text()) == {"2": "width of it"}
    assert load_run(run.path).latent_names == {2: "width of it"}
    assert {file.name for file in run.path.iterdir()} >= {"names.json", "config.json"}
    assert not list(run.path.glob(".partial-*"))


def test_two_explorers_of_a_run_see_each_others_names(tmp_path: Path) -> None:
    run = small_run(tmp_path / "run")
    with explore(run) as one, explore(run) as other:
        do(one, "name", latent=0, name="a")
        assert do(other, "name", latent=1, name="b")["names"] == {"0": "a", "1": "b"}
        assert views(one)[0]["names"] == {"0": "a", "1": "b"}


@pytest.mark.parametrize("content", [b"[1]", b"{", b'{"x": "y"}', b'{"1": 2}', b"\xff", b"[" * 10**5])
def test_damaged_names_are_left_alone_and_the_page_says_so(content: bytes, tmp_path: Path) -> None:
    run = small_run(tmp_path / "run")
    (run.path / "names.json").write_bytes(content)
    with explore(run) as explorer:
        assert "names.json" in views(explorer)[0]["names_note"]
        answer = do(explorer, "name", latent=1, name="mine")
        assert answer["names"] == {"1": "mine"}
        assert answer["note"].startswith("Names last until the explorer ends: ")
        assert views(explorer)[0]["names"] == {"1": "mine"}
        assert (run.path / "names.json").read_bytes() == content
        (run.path / "names.json").write_text('{"0": "mended"}')
        assert do(explorer, "name", latent=2, name="c") == {
            "names": {"0": "mended", "1": "mine", "2": "c"},
            "note": None,
        }
    (run.path / "names.json").write_bytes(content)
    with pytest.warns(UserWarning, match=r"without their names: .*names.json"):
        assert run.latent_names == {}


def test_names_in_a_folder_that_cannot_be_written_last_for_the_session(tmp_path: Path) -> None:
    run = small_run(tmp_path / "run")
    (run.path / "names.json").mkdir()  # which nobody can replace, root neither
    with explore(run) as explorer:
        answer = do(explorer, "name", latent=1, name="mine")
        assert answer["names"] == {"1": "mine"}
        assert "Names last until the explorer ends" in answer["note"]
        assert do(explorer, "name", latent=1, name="")["names"] == {}


def test_a_run_folder_that_is_gone_is_not_made_again(tmp_path: Path) -> None:
    run = small_run(tmp_path / "run")
    with explore(run) as explorer:
        run.path.rename(tmp_path / "elsewhere")
        assert "there is no folder" in do(explorer, "name", latent=1, name="mine")["note"]
    assert not run.path.exists()


def test_a_run_that_takes_the_place_of_another_has_no_names_of_that(tmp_path: Path) -> None:
    run = small_run(tmp_path / "run")
    (run.path / "names.json").write_text('{"0": "old"}')
    fit(run.model, run.dataset(), steps=2, compile=False, out=run.path, overwrite=True)
    assert load_run(run.path).latent_names == {}


@pytest.mark.parametrize(
    "name", ["<img src=x onerror=alert(1)>", "</script><script>alert(1)</script>", "<!--", "\ud800"]
)
def test_names_are_text_and_never_markup(name: str, tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (40, 1, 8, 8), generator=generator, dtype=torch.uint8)
    labels, factors = torch.arange(40) % 2, torch.arange(40)[:, None] % 3
    data = Dataset(name, images, labels=labels, label_names=[name, "b"], factors=factors, factor_names=[name])
    run = small_run(tmp_path / name.replace("/", "∕").encode("utf-8", "replace").decode(), data)
    with explore(run) as explorer:
        do(explorer, "name", latent=0, name=name)
        text = ask(explorer)[1].decode()
        assert "<img" not in text
        assert "<script>alert" not in text
        assert text.count("<!--") == 0
        (view,) = views(explorer)
    if name != "\ud800":
        assert (view["dataset"], view["colourings"][0]["classes"][0], view["names"]["0"]) == (name, name, name)
        assert (view["title"], view["colourings"][1]["name"]) == (run.path.name, name)
