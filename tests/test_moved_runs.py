"""A run and its data may move: to another path, another machine, another device."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Cli, new_vae, same_parameters, without_timings, write_chairs, write_faces
from PIL import Image

from pyro_bvae import datasets, fit, load_run
from pyro_bvae.datasets import Dataset
from pyro_bvae.runs.config import SettingsError, other_conditions
from pyro_bvae.runs.folder import RunFolder
from pyro_bvae.runs.set_aside import set_aside

SMALL = ["--hidden", 8, "--latent-dim", 2, "--no-compile", "--no-figures", "--likelihood", "gaussian"]
SIDE = 6


def pixels_of(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (30, SIDE, SIDE)).astype(np.uint8)


def write_pictures(path: Path, seed: int) -> None:
    path.mkdir()
    for number, picture in enumerate(pixels_of(seed)):
        Image.fromarray(picture).save(path / f"{number:02}.png")


def write_table(path: Path, seed: int) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(pixels_of(seed)[:, 0] / 255)


# how data of each kind are written, and the end of their file's name
KINDS: dict[str, tuple[str, Callable[[Path, int], Any]]] = {
    "npz": (".npz", lambda path, seed: np.savez(path, images=pixels_of(seed), labels=np.arange(30) % 3)),
    "npy": (".npy", lambda path, seed: np.save(path, pixels_of(seed))),
    "folder": ("", write_pictures),
    "csv": (".csv", write_table),
}
WITH_DATA = {
    "fit": ["fit", "--resume", "--steps", 4, "--no-figures", "--out"],
    "evaluate": ["evaluate"],
    "traverse": ["traverse", "--columns", 2, "--out", "out"],
    "reconstruct": ["reconstruct", "--out", "out"],
    "encode": ["encode", "--out", "out"],
    "score": ["score", "--metric", "active-units", "--repeats", 1, "--no-figures", "--out", "out"],
    "compare": ["compare", "--no-figures", "--out", "out"],
}
WITHOUT_DATA = {
    "prior": ["traverse", "--base", "prior", "--columns", 2, "--out", "out"],
    "random-z": ["traverse", "--base", "random-z", "--columns", 2, "--out", "out"],
    "sample": ["sample", "--count", 3, "--out", "out"],
    "info": ["info"],
}


@dataclass
class Moved:
    """A run, where its data are now, and other data of the same kind and shape."""

    run: Path
    now: str
    others: str


@pytest.fixture(scope="module", params=KINDS)
def moved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Moved:
    ending, write = KINDS[request.param]
    folder = tmp_path_factory.mktemp("moved")
    before, after, other = (folder / f"{name}{ending}" for name in ("before", "after", "other"))
    write(before, 0)
    write(other, 1)
    data = datasets.load(f"{request.param}:{before}")
    torch.manual_seed(0)
    vae = new_vae_for(data)
    fit(vae, data, steps=2, compile=False, out=folder / "run")
    before.rename(after)
    return Moved(folder / "run", f"{request.param}:{after}", f"{request.param}:{other}")


def new_vae_for(data: Dataset) -> Any:
    from pyro_bvae import BetaVAE

    return BetaVAE(data.shape, 2, hidden=(4,), likelihood="gaussian")


@pytest.mark.parametrize("command", WITH_DATA)
def test_every_command_that_reads_data_takes_them_where_they_are_now(
    command: str, moved: Moved, cli: Cli, here: Path
) -> None:
    run = shutil.copytree(moved.run, "run")
    lost = cli(*WITH_DATA[command], run)
    kind = moved.now.partition(":")[0]
    assert (lost.exit_code, f"if they lie elsewhere now, say --dataset {kind}:PATH" in lost.stderr) == (1, True)
    assert len(lost.stderr.splitlines()) == 1
    refused = cli(*WITH_DATA[command], run, "--dataset", moved.others)
    assert (refused.exit_code > 0, "fingerprint" in refused.stderr) == (True, True), refused.output
    shutil.rmtree("out", ignore_errors=True)
    taken = cli(*WITH_DATA[command], run, "--dataset", moved.now)
    assert taken.exit_code == 0, taken.output
    if command == "fit":
        assert load_run(run).dataset().name == load_run(run).config["dataset"] == moved.now
        assert load_run(run).step == 4


@pytest.mark.parametrize("command", WITHOUT_DATA)
def test_what_needs_no_data_needs_none(command: str, moved: Moved, cli: Cli, here: Path) -> None:
    shown = cli(*WITHOUT_DATA[command], moved.run)
    assert shown.exit_code == 0, shown.output
    says_so = command == "sample" and moved.now.startswith("csv")
    assert ("without the data of the run: cannot read the run's data" in shown.stderr) == says_so


def test_a_traversal_of_the_prior_is_the_same_with_the_data_and_without(moved: Moved, here: Path, cli: Cli) -> None:
    for name, place in (("without", []), ("with", ["--dataset", moved.now])):
        assert cli("traverse", moved.run, "--base", "prior", "--out", name, *place).exit_code == 0
    with np.load("with.npz") as one, np.load("without.npz") as other:
        assert all(np.array_equal(one[name], other[name]) for name in one)


def test_python_names_the_place_too(moved: Moved) -> None:
    with pytest.raises(OSError, match="cannot read the run's data"):
        load_run(moved.run).dataset()
    data = load_run(moved.run, dataset=moved.now).dataset()
    assert load_run(moved.run, dataset=data).dataset() is data
    with pytest.raises(ValueError, match="values, labels or split differ"):
        load_run(moved.run, dataset=datasets.load(moved.others))
    with pytest.raises(ValueError, match="values, labels or split differ"):
        load_run(moved.run, dataset=moved.others).dataset()


@pytest.mark.parametrize("run", ["run", "runs/run"])
@pytest.mark.parametrize("data", ["d.npz", "data/d.npz"])
def test_a_folder_that_holds_run_and_data_may_move(run: str, data: str, cli: Cli, here: Path) -> None:
    Path("old/data").mkdir(parents=True)
    KINDS["npz"][1](Path("old") / data, 0)
    assert cli("fit", "--dataset", f"npz:old/{data}", *SMALL, "--steps", 2, "--out", f"old/{run}").exit_code == 0
    Path("old").rename("new")
    assert cli("evaluate", f"new/{run}").exit_code == 0
    assert cli("fit", "--resume", "--out", f"new/{run}", "--steps", 3).exit_code == 0
    assert load_run(f"new/{run}").config["dataset"] == f"npz:{here / 'new' / data}"
    KINDS["npz"][1](Path("new") / data, 1)
    assert "fingerprint differs" in cli("evaluate", f"new/{run}").stderr


def test_a_data_root_may_move_with_its_runs(made_mnist: Path, cli: Cli, here: Path) -> None:
    shutil.copytree(made_mnist, "old/data")
    typed = ["fit", "--dataset", "mnist", "--data-root", "old/data", *SMALL, "--steps", 2, "--out", "old/runs/run"]
    assert cli(*typed).exit_code == 0
    Path("old").rename("new")
    assert cli("evaluate", "new/runs/run").exit_code == 0
    assert load_run("new/runs/run").config["data_root"] == str(here / "new" / "data")


def test_a_data_root_that_is_gone_is_said_and_nothing_downloaded(made_mnist: Path, cli: Cli, here: Path) -> None:
    shutil.copytree(made_mnist, "root")
    assert cli("fit", "--dataset", "mnist", "--data-root", "root", *SMALL, "--steps", 2, "--out", "run").exit_code == 0
    Path("root").rename("moved")
    for command in (["evaluate", "run"], ["fit", "--resume", "--steps", 3, "--out", "run"]):
        result = cli(*command)
        wanted = f"there is no folder {here / 'root'}); if they lie elsewhere now, say --data-root DIR"
        assert (result.exit_code, wanted in result.stderr) == (1, True), result.output
    assert not Path("root").exists()


def test_data_of_another_kind_are_the_same_if_their_fingerprint_is(moved: Moved, tmp_path: Path) -> None:
    data = load_run(moved.run, dataset=moved.now).dataset()
    if data.labels is None:
        np.save(tmp_path / "copy.npy", data.images.numpy())
        assert load_run(moved.run, dataset=f"npy:{tmp_path / 'copy.npy'}").dataset().fingerprint == data.fingerprint


@pytest.mark.parametrize("place", [".", "MNIST", "MNIST/raw", ".."])
def test_a_data_root_may_be_a_folder_too_deep_or_too_high(
    place: str, made_mnist: Path, tmp_path: Path, cli: Cli, here: Path
) -> None:
    root = Path(shutil.copytree(made_mnist, tmp_path / "above" / "root"))
    data = datasets.load("mnist", root / place)
    assert data.options["data_root"] == str(root.resolve())
    assert len(data) == 340
    fitted = cli("fit", "--dataset", "mnist", "--data-root", root / place, *SMALL, "--steps", 2, "--out", "run")
    assert fitted.exit_code == 0, fitted.output
    root.rename(tmp_path / "elsewhere")
    assert cli("evaluate", "run", "--data-root", tmp_path / "elsewhere").exit_code == 0


def test_all_files_under_a_data_root_are_known_at_any_depth(tmp_path: Path) -> None:
    write_chairs(tmp_path / "root" / "chairs" / "rendered_chairs.tar", models=1, side=40)
    write_faces(tmp_path / "root" / "celeba")
    for name, home in (("chairs", "chairs"), ("celeba", "celeba"), ("celeba", "celeba/img_align_celeba")):
        whole = datasets.load(name, tmp_path / "root", image_size=8, crop=[0])
        assert datasets.load(name, tmp_path / "root" / home, image_size=8, crop=[0]).fingerprint == whole.fingerprint
    shutil.copytree(tmp_path / "root", tmp_path / "copy")
    with pytest.raises(ValueError, match="has celeba in copy and in root: name one"):
        datasets.load("celeba", tmp_path)


# what may change at a resume
SILENT: dict[str, dict[str, Any]] = {
    "keep": {"keep": 1},
    "keep all": {"keep": "all"},
    "more lines": {"eval_every": 1},
    "fewer lines": {"eval_every": 7},
    "more checkpoints": {"checkpoint_every": 1},
    "fewer checkpoints": {"checkpoint_every": 100},
    "device": {"device": "cpu"},
    "all": {"keep": 2, "eval_every": 3, "checkpoint_every": 2, "device": "cpu"},
}


@pytest.mark.parametrize("stop", [3, 4, 6])
@pytest.mark.parametrize("change", SILENT)
def test_what_changes_no_number_may_change(change: str, stop: int, images: Dataset, tmp_path: Path) -> None:
    before: dict[str, Any] = {"batch_size": 16, "eval_every": 4, "compile": False}
    whole = fit(new_vae(), images, steps=9, **before)
    fit(new_vae(), images, steps=stop, out=tmp_path, **before)
    parts = fit(new_vae(), images, steps=9, out=tmp_path, resume=True, **(before | SILENT[change]))
    assert same_parameters(whole.model, parts.model)
    assert same_lines(whole.history, parts.history)
    assert parts.history[-1]["step"] == 9
    stored = RunFolder(tmp_path).read_config()
    assert {name: stored[name] for name in SILENT[change]} == SILENT[change]
    again = fit(new_vae(), images, steps=12, out=tmp_path, resume=True, **before)
    assert same_parameters(again.model, fit(new_vae(), images, steps=12, **before).model)


def same_lines(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> bool:
    """Whether two histories say the same: held out at each step of both, in training where the step before is too."""
    lines, others = ({line["step"]: line for line in without_timings(history)} for history in (one, other))
    ends, other_ends = ({after: before for before, after in pairwise([0, *history])} for history in (lines, others))
    for step in lines.keys() & others.keys():
        same_interval = ends[step] == other_ends[step]
        for name, value in lines[step].items():
            if (same_interval or name.startswith("held_out")) and others[step][name] != value:
                return False
    return True


@pytest.mark.parametrize("name", ["lr", "batch_size", "seed", "optimizer", "precision", "weight_decay", "lr_warmup"])
def test_what_changes_numbers_may_not(name: str, images: Dataset, tmp_path: Path) -> None:
    other = {"lr": 0.5, "batch_size": 7, "seed": 3, "optimizer": "adam", "precision": "bf16", "weight_decay": 0.1,
             "lr_warmup": 9}  # fmt: skip
    fit(new_vae(), images, steps=2, out=tmp_path, compile=False)
    before = RunFolder(tmp_path).load()["model"]
    with pytest.raises(SettingsError, match=f"{name} is .* in the run and .*; leave them as they were, or begin"):
        fit(new_vae(), images, steps=4, out=tmp_path, resume=True, compile=False, **{name: other[name]})
    after = RunFolder(tmp_path).load()["model"]
    assert all(torch.equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize("at", [2, 4, 6, 8, 9])
def test_a_run_goes_on_from_a_numbered_checkpoint(at: int, images: Dataset, tmp_path: Path) -> None:
    options: dict[str, Any] = {"batch_size": 16, "checkpoint_every": 2, "keep": "all", "eval_every": 3}
    whole = fit(new_vae(), images, steps=11, **(options | {"out": tmp_path / "whole"}))
    fit(new_vae(), images, steps=9, **(options | {"out": tmp_path / "run"}))
    folder = RunFolder(tmp_path / "run")
    before = {path.name: path.read_bytes() for path in folder.path.rglob("*.pt")}
    lines = folder.read_history()
    gone_on = fit(new_vae(seed=3), images, steps=11, resume=True, at=at, **(options | {"out": folder.path}))
    assert same_parameters(whole.model, gone_on.model)
    assert without_timings(folder.read_history()) == without_timings(whole.history)
    assert folder.numbered_steps() == sorted([*range(2, 11, 2), *([9] if at == 9 else []), 11])
    aside = folder.path / "set-aside-1"
    if at == 9:
        assert (gone_on.notes, aside.exists()) == ([], False)
        return
    assert gone_on.notes == [f"what came after step {at} is set aside in {aside}"]
    assert RunFolder(aside).read_history() == [line for line in lines if line["step"] > at]
    kept = {path.name: path.read_bytes() for path in aside.rglob("*.pt")}
    assert kept == {name: before[name] for name in kept}
    assert set(RunFolder(aside).numbered_steps()) == {step for step in (4, 6, 8, 9) if step > at}


def test_going_back_twice_sets_aside_twice_and_a_damaged_latest_is_kept(cli: Cli, here: Path) -> None:
    typed = [*SMALL, "--eval-every", 2, "--checkpoint-every", 2, "--keep", "all"]
    cli("fit", *typed, "--steps", 8, "--out", "run")
    Path("run/checkpoint.pt").write_bytes(b"damaged")
    Path("run/figures").mkdir()
    for name in ("traversal-000000004", "traversal-000000006", "traversal-000000006.partial", "traversal"):
        Path(f"run/figures/{name}.png").write_text(name)
    back = cli("fit", "--resume", "--out", "run", "--at", 4)
    assert back.exit_code == 0, back.output
    assert "at      step 4, where the run goes on" in back.stdout
    assert "note    what came after step 4 is set aside in run/set-aside-1" in back.stdout
    assert Path("run/set-aside-1/checkpoint.pt").read_bytes() == b"damaged"
    assert {path.name for path in Path("run/set-aside-1/figures").iterdir()} == {"traversal-000000006.png"}
    assert load_run("run").step == 8
    again = cli("fit", "--resume", "--out", "run", "--at", 2, "--steps", 6)
    assert "set aside in run/set-aside-2" in again.stdout
    assert load_run("run").step == 6
    assert "there are [2, 4, 6]" in cli("fit", "--resume", "--out", "run", "--at", 3).stderr
    assert "say --resume too" in cli("fit", "--out", "other", "--at", 3).stderr


@pytest.mark.parametrize("calls", range(6))
def test_a_kill_while_setting_aside_loses_nothing(
    calls: int, images: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"batch_size": 16, "checkpoint_every": 2, "keep": "all", "eval_every": 2}
    whole = fit(new_vae(), images, steps=8, **(options | {"out": tmp_path / "run"}))
    folder = RunFolder(tmp_path / "run")
    lines, left = folder.read_history(), iter(range(calls))
    with monkeypatch.context() as patched:
        replaced = os.replace

        def killed(*names: Any) -> None:
            if next(left, None) is None:
                raise KeyboardInterrupt
            replaced(*names)

        patched.setattr(os, "replace", killed)
        with suppress(KeyboardInterrupt):
            set_aside(folder, 4)
    again = fit(new_vae(), images, steps=8, resume=True, at=4, **(options | {"out": folder.path}))
    assert same_parameters(again.model, whole.model)
    kept = [line for aside in sorted(folder.path.glob("set-aside-*")) for line in RunFolder(aside).read_history()]
    assert [line for line in lines if line["step"] > 4 and line not in kept] == []
    assert {file.name for file in folder.path.glob("set-aside-*/checkpoints/*")} == {
        "step-000000006.pt",
        "step-000000008.pt",
    }


def test_what_is_set_aside_is_on_the_disk_before_the_run_changes(
    images: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit(new_vae(), images, steps=4, batch_size=16, checkpoint_every=2, keep="all", eval_every=2, out=tmp_path)
    latest, aside = tmp_path / "checkpoint.pt", tmp_path / "set-aside-1"
    latest.write_bytes(b"damaged")
    wanted = [tmp_path, tmp_path / "checkpoints", aside, aside / "checkpoints", aside / "history.jsonl"]
    wanted.append(aside / "checkpoint.pt")
    synced: set[int] = set()
    lacking: list[list[Path]] = []
    replaced = os.replace

    def looked_at(source: Any, target: Path) -> None:
        if target == latest:
            lacking.append([path for path in wanted if path.stat().st_ino not in synced])
        replaced(source, target)

    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.add(os.fstat(descriptor).st_ino))
    monkeypatch.setattr(os, "replace", looked_at)
    assert set_aside(RunFolder(tmp_path), 2) == aside
    assert lacking == [[]]


def test_a_run_of_a_gpu_goes_on_without_one(
    images: Dataset, tmp_path: Path, cli: Cli, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checkpoint is as a GPU writes it: its tensors are marked as lying there, and its generator has a state."""
    typed = [*SMALL, "--optimizer", "adam", "--steps", 3]
    assert cli("fit", *typed, "--out", "run").exit_code == 0
    folder = RunFolder("run")
    folder.write_config(folder.read_config() | {"device": "cuda:1", "ran_on": "cuda:1", "compile": True,
                                                "compile_because": "a GPU"})  # fmt: skip
    state = folder.load()
    state["rng"]["cuda"] = torch.zeros(16, dtype=torch.uint8)
    with monkeypatch.context() as patched:
        patched.setattr(torch.serialization, "location_tag", lambda _: "cuda:1")
        folder.save(state)
    for command in ("evaluate", "info"):
        assert cli(command, "run").exit_code == 0
    assert cli("fit", "--config", "run/config.json", "--steps", 1, "--out", "again").exit_code == 0
    gone_on = cli("fit", "--resume", "--out", "run", "--steps", 5)
    assert gone_on.exit_code == 0, gone_on.output
    assert "note    ran_on: cuda:1 in the run, cpu here; its last digits may differ" in gone_on.stdout
    assert "(2 steps are too few for it to pay)" in gone_on.stdout
    assert cli("fit", *typed[:-1], 5, "--out", "whole").exit_code == 0
    assert same_parameters(load_run("run").model, load_run("whole").model)
    config = load_run("run").config
    assert (config["device"], config["ran_on"], config["compile"]) == ("auto", "cpu", False)
    refused = cli("fit", "--resume", "--out", "run", "--device", "cuda", "--steps", 6)
    assert (refused.exit_code > 0, "device" in refused.stderr) == (True, True)


def test_other_versions_and_processors_are_said(images: Dataset, tmp_path: Path) -> None:
    run = fit(new_vae(), images, steps=2, out=tmp_path, compile=False)
    assert fit(new_vae(), images, steps=3, out=tmp_path, resume=True, compile=False).notes == []
    older = RunFolder(tmp_path).read_config()
    older["machine"], older["versions"]["torch"] = "abacus", "1.0"
    RunFolder(tmp_path).write_config(older)
    (note,) = fit(new_vae(), images, steps=4, out=tmp_path, resume=True, compile=False).notes
    assert note.startswith(f"machine: abacus in the run, {run.config['machine']} here; torch: 1.0 in the run, ")
    assert other_conditions(run.config, {"versions": {}}) is None  # an older run does not know


def test_the_reason_for_not_compiling_is_that_of_now(cli: Cli, here: Path) -> None:
    typed = ["fit", "--hidden", 8, "--latent-dim", 2, "--out", "run"]
    assert "(3 steps are too few for it to pay)" in cli(*typed, "--steps", 3).stdout
    resumed = cli("fit", "--resume", "--out", "run", "--steps", 5).stdout
    assert "(as the run was begun, to the same last digits)" in resumed
    asked = ["fit", "--no-compile", *typed[1:-1]]
    assert "(as asked)" in cli(*asked, "asked", "--steps", 2).stdout
    assert "(as asked)" in cli("fit", "--resume", "--out", "asked", "--steps", 3).stdout
