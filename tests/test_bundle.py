"""A run in one file takes its folder's place, says nothing of the machine, and is refused where it is damaged."""

from __future__ import annotations

import io
import json
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

import numpy as np
import pytest
import torch
from conftest import Cli, new_vae, same_parameters, some_config
from torch import Tensor

from pyro_bvae import datasets, export, fit, load_run
from pyro_bvae.datasets import Dataset
from pyro_bvae.runs.bundle import FORMAT, Bundle
from pyro_bvae.runs.run import Run

NAMES = {"0": "slant", "2": "width"}


@pytest.fixture(scope="module")
def folder(digits_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with names of latents and numbers of a comparison."""
    folder = tmp_path_factory.mktemp("bundle") / "run"
    shutil.copytree(str(digits_run.path), folder)
    (folder / "names.json").write_text(json.dumps(NAMES))
    (folder / "evaluation.json").write_text(json.dumps({"step": digits_run.step, "run": "/home/me/runs/run"}))
    return folder


@pytest.fixture(scope="module")
def bundle(folder: Path) -> Path:
    (file,) = export(folder, folder.parent / "one.zip")
    return file


def rewritten(bundle: Path, out: Path, change: Callable[[dict[str, bytes]], Any], **how: Any) -> Path:
    """The file with other records, written as anybody's zip is."""
    with zipfile.ZipFile(bundle) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    change(records)
    with zipfile.ZipFile(out, "w", **how) as archive:
        for name, content in records.items():
            archive.writestr(name, content)
    return out


def test_a_run_in_one_file_is_the_run(bundle: Path, folder: Path) -> None:
    one, run = load_run(bundle), load_run(folder)
    assert same_parameters(one.model, run.model)
    assert (one.step, one.history, one.model.beta) == (run.step, run.history, run.model.beta)
    assert one.latent_names == run.latent_names == {0: "slant", 2: "width"}
    assert one.dataset().fingerprint == run.dataset().fingerprint
    differ = {name for name in one.config.keys() | run.config.keys() if one.config.get(name) != run.config.get(name)}
    assert differ <= {"command", "data_root", "resumed"}


def test_the_same_run_gives_the_same_bytes_by_every_door(bundle: Path, folder: Path, tmp_path: Path) -> None:
    doors = {"folder": folder, "loaded": load_run(folder), "file": bundle, "of the file": load_run(bundle)}
    for name, door in doors.items():
        (file,) = export(door, tmp_path / f"{name}.zip")
        assert file.read_bytes() == bundle.read_bytes(), name


def test_another_layout_in_memory_gives_the_same_bytes(tmp_path: Path) -> None:
    runs = [Run(new_vae(network="conv"), some_config(shape=[1, 16, 16]), [], 0) for _ in range(2)]
    runs[1].model.to(memory_format=torch.channels_last)
    files = [export(run, tmp_path / f"{number}.zip")[0] for number, run in enumerate(runs)]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_it_has_neither_optimiser_nor_places(tmp_path: Path) -> None:
    path = tmp_path / "my data" / "mine.npz"
    path.parent.mkdir()
    np.savez(path, images=np.random.default_rng(0).integers(0, 256, (30, 6, 6)).astype(np.uint8))
    data = datasets.load(f"npz:{path}")
    run = fit(new_vae_for(data), data, steps=2, compile=False, out=tmp_path / "run")
    run.config |= {"command": "pyro-bvae fit --out /home/me", "data_root": "/scratch/data", "my_note": "by me"}
    run.config |= {"resumed": ["pyro-bvae fit --resume"]}
    (file,) = export(run, tmp_path / "one.zip")
    content = file.read_bytes()
    for told in (str(tmp_path), "my data", "/home/me", "scratch", "by me", "--resume", "optimizer", "square_avg"):
        assert told.encode() not in content.replace(b'"optimizer": "rmsprop"', b""), told
    assert load_run(file).config["dataset"] == "npz:mine.npz"


def test_data_beside_the_file_are_those_of_the_run(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    np.savez(before / "mine.npz", images=np.random.default_rng(0).integers(0, 256, (30, 6, 6)).astype(np.uint8))
    data = datasets.load(f"npz:{before / 'mine.npz'}")
    run = fit(new_vae_for(data), data, steps=2, compile=False)
    export(run, before / "one.zip")
    before.rename(after)
    assert load_run(after / "one.zip").dataset().fingerprint == data.fingerprint
    moved = (after / "mine.npz").rename(tmp_path / "elsewhere.npz")
    with pytest.raises(OSError, match=r"say `dataset=npz:PATH`"):
        load_run(after / "one.zip").dataset()
    assert load_run(after / "one.zip", dataset=f"npz:{moved}").dataset().fingerprint == data.fingerprint
    np.savez(moved, images=np.zeros((30, 6, 6), np.uint8))
    with pytest.raises(ValueError, match="its fingerprint differs"):
        load_run(after / "one.zip", dataset=f"npz:{moved}").dataset()


def new_vae_for(data: Dataset) -> Any:
    from pyro_bvae import BetaVAE

    torch.manual_seed(0)
    return BetaVAE(data.shape, 2, hidden=(8,))


def test_a_model_in_double_precision_stays_so(vectors: Dataset, tmp_path: Path) -> None:
    from pyro_bvae import BetaVAE

    vae = BetaVAE(vectors.shape, 2, hidden=(8,), likelihood="gaussian").double()
    run = Run(vae, some_config(shape=[5], latent_dim=2, hidden=[8], decoder_hidden=[8], likelihood="gaussian"), [], 3)
    one = load_run(export(run, tmp_path / "one.zip")[0])
    assert one.model.beta.dtype == torch.float64
    assert same_parameters(one.model, vae)


def test_a_model_of_ones_own_is_written_and_asks_for_its_class(tmp_path: Path) -> None:
    vae = new_vae(encoder=torch.nn.Identity())
    run = Run(vae, some_config(shape=[1, 16, 16], custom=vae.custom), [], 0)
    (file,) = export(run, tmp_path / "one.zip")
    with pytest.raises(ValueError, match="uses classes of your own"):
        load_run(file)
    assert same_parameters(load_run(file, model=new_vae(seed=1, encoder=torch.nn.Identity())).model, vae)
    (again,) = export(file, tmp_path / "again.zip")
    assert again.read_bytes() == file.read_bytes()


@pytest.mark.parametrize("at", [None, "numbered"])
def test_a_numbered_checkpoint_is_written_with_the_history_up_to_it(
    at: str | None, folder: Path, tmp_path: Path, digits_run: Run
) -> None:
    step = digits_run.step // 2 if at else digits_run.step
    (file,) = export(folder, tmp_path / "one.zip", at=step if at else None)
    run = load_run(file)
    assert (run.step, run.history[-1]["step"]) == (step, step)
    assert load_run(file, at=step).step == step
    with pytest.raises(ValueError, match=f"holds step {step} alone, and no step 7: leave `at` out"):
        load_run(file, at=7)
    with zipfile.ZipFile(file) as archive:
        assert ("evaluation.json" in archive.namelist()) == (at is None)


def about(**entries: Any) -> Callable[[dict[str, bytes]], None]:
    """Replace what the file says of itself."""
    return lambda records: records.update({"pyro-bvae.json": json.dumps(entries).encode()})


def compressed_weights(records: dict[str, bytes]) -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", bytes(10**6))
    records["weights.pt"] = bomb.getvalue()


def saved(thing: Any) -> Callable[[dict[str, bytes]], None]:
    content = io.BytesIO()
    torch.save(thing, content)
    return lambda records: records.update({"weights.pt": content.getvalue()})


DAMAGES: dict[str, tuple[Callable[[dict[str, bytes]], Any], str]] = {
    "newer": (about(format="pyro-bvae run file 2", step=1, beta=1.0), "install a newer pyro-bvae"),
    "older": (about(format="pyro-bvae run file 0", step=1, beta=1.0), "export it again from its run folder"),
    "another": (about(format="a recipe for soup"), "no run in one file: its format is 'a recipe for soup'"),
    "no mapping": (lambda records: records.update({"pyro-bvae.json": b"[]"}), "its format is None"),
    "no step": (about(format=FORMAT, beta=1.0), "is damaged"),
    "negative beta": (about(format=FORMAT, step=1, beta=-1.0), "beta must be at least 0"),
    "foreign": (lambda records: records.pop("pyro-bvae.json"), "it holds no pyro-bvae.json"),
    "no weights": (lambda records: records.pop("weights.pt"), "it lacks weights.pt"),
    "stranger": (lambda records: records.update({"../../etc/passwd": b""}), "which is no part of a run"),
    "config": (lambda records: records.update({"config.json": b"{"}), "config.json is damaged or no JSON"),
    "history": (lambda records: records.update({"history.jsonl": b"{}\n{}\n"}), "damaged at line 1"),
    "bomb": (compressed_weights, "weights.pt is damaged .* is compressed"),
    "code": (saved(print), "objects other than plain data"),
    "no tensors": (saved({"a": 1}), "it has no parameters"),
    "others": (saved({"a": torch.zeros(1)}), "does not fit the model"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_file_that_was_tampered_with_is_refused_in_a_line(name: str, bundle: Path, tmp_path: Path) -> None:
    change, reason = DAMAGES[name]
    file = rewritten(bundle, tmp_path / "bad.zip", change)
    with pytest.raises(ValueError, match=reason) as refused:
        load_run(file)
    assert "\n" not in str(refused.value)
    assert "bad.zip" in str(refused.value)


def test_a_compressed_or_doubled_record_is_refused(bundle: Path, tmp_path: Path) -> None:
    file = rewritten(bundle, tmp_path / "a.zip", dict, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match="is compressed"):
        load_run(file)
    shutil.copy(bundle, tmp_path / "b.zip")
    with zipfile.ZipFile(tmp_path / "b.zip", "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("config.json", b"{}")
    with pytest.raises(ValueError, match="it holds a part twice"):
        load_run(tmp_path / "b.zip")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9, 0.999])
def test_a_flipped_bit_is_noticed(share: float, bundle: Path, tmp_path: Path) -> None:
    content = bytearray(bundle.read_bytes())
    content[int(share * len(content))] ^= 1
    (tmp_path / "bad.zip").write_bytes(content)
    try:
        one = load_run(tmp_path / "bad.zip")
    except ValueError as error:
        said = str(error)
    else:  # the bit is in what no reader looks at, such as a date
        said = "bad.zip" * same_parameters(one.model, load_run(bundle).model)
    assert "bad.zip" in said


def test_no_prefix_of_a_file_is_a_run(bundle: Path, tmp_path: Path) -> None:
    content = bundle.read_bytes()
    for size in (0, 1, 100, len(content) // 2, len(content) - 1):
        (tmp_path / "cut.zip").write_bytes(content[:size])
        with pytest.raises(ValueError, match="cut.zip is damaged, or no run in one file"):
            load_run(tmp_path / "cut.zip")


WITHOUT_DATA: dict[str, list[Any]] = {
    "traverse": ["--base", "prior", "--columns", 2],
    "sample": ["--count", 3],
    "info": [],
    "evaluate": [],
    "encode": ["--split", "held-out"],
    "reconstruct": ["--count", 2],
    "score": ["--metric", "probe", "--repeats", 1],
}


@pytest.mark.parametrize("command", WITHOUT_DATA)
def test_every_command_takes_the_file_as_it_takes_the_folder(
    command: str, bundle: Path, folder: Path, tmp_path: Path, cli: Cli
) -> None:
    printed = []
    for name, run in (("file.zip", bundle), ("folder", folder)):
        copied = tmp_path / name
        (shutil.copy if run.is_file() else shutil.copytree)(run, copied)
        result = cli(command, copied, *WITHOUT_DATA[command])
        assert result.exit_code == 0, result.output
        lines = [line for line in result.stdout.splitlines() if str(tmp_path) not in line and "checkpoints" not in line]
        printed.append([re.sub(r"\b(file|folder)\b(\.zip)?", "run", line) for line in lines])
    assert printed[0] == printed[1]
    made = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    beside = {path.removeprefix("file-") for path in made if path.startswith("file-")}
    inside = {path.removeprefix("folder/") for path in made if path.startswith("folder/")}
    assert beside == inside - {file.relative_to(folder).as_posix() for file in folder.rglob("*")}
    assert (tmp_path / "file.zip").read_bytes() == bundle.read_bytes()


def test_a_report_and_a_comparison_take_the_file(bundle: Path, folder: Path, here: Path, cli: Cli) -> None:
    result = cli("report", shutil.copy(bundle, here / "one.zip"))
    assert result.exit_code == 0, result.output
    assert Path("one-report.html").is_file()
    result = cli("compare", "one.zip", folder, "--out", "two")
    assert result.exit_code == 0, result.output
    rows = json.loads(Path("two/comparison.json").read_text())["runs"]
    assert rows[0]["elbo"] == rows[1]["elbo"]
    assert cli("report", "two").exit_code == 0
    assert ">one.zip<" in Path("two/report.html").read_text()


def test_the_explorer_takes_the_file(bundle: Path) -> None:
    from pyro_bvae import explore

    with explore(bundle) as explorer:
        assert build_opener(ProxyHandler({})).open(explorer.url, timeout=30).status == 200
        assert (explorer.notes, "one.zip" in repr(explorer)) == ([], True)


def test_a_fit_repeats_the_run_of_a_file(bundle: Path, folder: Path, here: Path, cli: Cli) -> None:
    for name, config in (("file", bundle), ("folder", folder / "config.json")):
        assert cli("fit", "--config", config, "--steps", 2, "--out", name).exit_code == 0
    assert same_parameters(load_run("file").model, load_run("folder").model)
    result = cli("evaluate", bundle, "--suggest-capacity")
    assert result.exit_code == 0, result.output
    assert f"--config {bundle}" in result.stdout


def test_names_of_latents_are_not_written_into_the_file(bundle: Path) -> None:
    from pyro_bvae.pages.names import Names

    before, names = bundle.read_bytes(), Names(bundle, 10)
    assert names.shown() == {"names": NAMES, "names_note": None}
    names.rename(1, "loop")
    assert names.shown()["names"] == {"0": "slant", "1": "loop", "2": "width"}
    assert "a run in one file, which stays as it is" in names.shown()["names_note"]
    assert bundle.read_bytes() == before


def test_a_run_in_one_file_does_not_go_on(bundle: Path, here: Path, cli: Cli) -> None:
    result = cli("fit", "--resume", "--out", shutil.copy(bundle, here / "one.zip"))
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1), result.output
    assert "a run in one file has no optimiser to go on with" in result.stderr


def test_a_file_that_is_no_run_is_refused_in_a_line(here: Path, cli: Cli) -> None:
    Path("notes.txt").write_text("hello")
    with zipfile.ZipFile("photos.zip", "w") as archive:
        archive.writestr("a.png", b"")
    for name, code, reason in (("notes.txt", 2, "is a file, and no run"), ("photos.zip", 1, "holds no pyro-bvae.json")):
        result = cli("info", name)
        assert (result.exit_code, len(result.stderr.splitlines())) == (code, 1), result.output
        assert reason in result.stderr


def test_weights_are_a_plain_state_dict(bundle: Path, folder: Path) -> None:
    with zipfile.ZipFile(bundle) as archive:
        weights: dict[str, Tensor] = torch.load(io.BytesIO(archive.read("weights.pt")), weights_only=True)
    assert {*weights} == {*load_run(folder).model.state_dict()}
    assert Bundle(bundle).step == load_run(folder).step
