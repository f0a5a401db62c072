"""A run folder is plain data, never lost by accident, and read back as it was written."""

from __future__ import annotations

import json
import os
import pickle
import resource
import shutil
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Callable, Iterator
from importlib import metadata
from importlib.metadata import PackageNotFoundError
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import history_line, new_vae, same_parameters, some_config, without_timings

from pyro_bvae import BetaVAE, Callback, fit, load_run, report
from pyro_bvae.datasets import Dataset
from pyro_bvae.files import HeldError
from pyro_bvae.runs import versions
from pyro_bvae.runs.checkpoints import STATE, read_checkpoint
from pyro_bvae.runs.folder import FORMAT, RunFolder
from pyro_bvae.runs.run import Run
from pyro_bvae.training import Training

CONFIG = some_config()


def test_a_run_comes_back_from_its_folder(digits_run: Run, digits: Dataset) -> None:
    loaded = load_run(digits_run.path)
    assert loaded.config == digits_run.config
    assert loaded.history == digits_run.history
    assert loaded.step == digits_run.step == 26
    assert loaded.dataset().fingerprint == digits.fingerprint
    for one, other in zip(loaded.model.parameters(), digits_run.model.parameters(), strict=True):
        assert torch.equal(one, other)
    assert loaded.model.beta == 2.0


def test_the_folder_holds_what_the_design_says(digits_run: Run) -> None:
    names = {path.name for path in digits_run.path.iterdir()}
    assert names == {"config.json", "history.jsonl", "checkpoint.pt", "checkpoints"}
    record = json.loads((digits_run.path / "history.jsonl").read_text().splitlines()[-1])
    assert {
        "step", "epoch", "beta", "loss", "distortion", "rate", "kl_per_latent", "seconds", "images_per_second",
        "held_out_elbo", "held_out_distortion", "held_out_rate", "held_out_kl_per_latent",
    } == record.keys()  # fmt: skip
    config = json.loads((digits_run.path / "config.json").read_text())
    assert {"dataset", "fingerprint", "seed", "beta", "beta_norm", "versions", "command", "likelihood"} <= config.keys()


def test_checkpoints_are_plain_data(digits_run: Run) -> None:
    state = torch.load(digits_run.path / "checkpoint.pt", weights_only=True)
    assert state["format"] == FORMAT
    assert {"model", "optimizer", "rng", "step"} <= state.keys()


def test_a_resume_removes_the_checkpoints_that_a_kill_kept(images: Dataset, tmp_path: Path) -> None:
    options: dict[str, Any] = {"steps": 6, "checkpoint_every": 2, "out": tmp_path}
    fit(BetaVAE((1, 16, 16), 2), images, keep="all", **options)
    fit(BetaVAE((1, 16, 16), 2), images, keep=2, resume=True, **options)
    assert RunFolder(tmp_path).numbered_steps() == [4, 6]


@pytest.mark.parametrize(("keep", "kept"), [(0, []), (1, [6]), (2, [4, 6]), ("all", [2, 4, 6])])
def test_numbered_checkpoints(keep: int | str, kept: list[int], images: Dataset, tmp_path: Path) -> None:
    fit(BetaVAE((1, 16, 16), 2), images, steps=6, checkpoint_every=2, keep=keep, out=tmp_path)
    folder = RunFolder(tmp_path)
    assert folder.numbered_steps() == kept
    assert [load_run(tmp_path, at=step).step for step in kept] == kept


def test_a_missing_numbered_checkpoint_names_those_that_are_there(digits_run: Run) -> None:
    with pytest.raises(FileNotFoundError, match=r"no step 7; there are \[13, 26\]"):
        load_run(digits_run.path, at=7)


def test_a_run_is_not_overwritten_unless_one_says_so(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.start(CONFIG)
    folder.append(history_line(1))
    with pytest.raises(FileExistsError, match="`resume` it, `overwrite` it, or name another `out`"):
        folder.start(CONFIG)
    assert folder.read_history() == [history_line(1)]
    folder.start(CONFIG, overwrite=True)
    assert folder.read_history() == []


@pytest.mark.parametrize("broken", [{"beta": -1}, {"beta": "x"}, {"shape": None}, {"seed": []}], ids=str)
def test_a_run_whose_config_is_broken_may_be_overwritten(broken: dict[str, Any], tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.start(CONFIG)
    folder.write_config(CONFIG | broken)
    with pytest.raises(FileExistsError, match="`overwrite` it"):
        folder.start(CONFIG)
    folder.start(CONFIG, overwrite=True)
    assert folder.read_config()["beta"] == CONFIG["beta"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_with_other_files_is_never_touched(overwrite: bool, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(FileExistsError, match=r"holds other files, like thesis\.tex"):
        RunFolder(tmp_path).start(CONFIG, overwrite)
    (tmp_path / "config.json").write_text('{"another": "program"}')
    with pytest.raises(ValueError, match="is not of the format"):
        RunFolder(tmp_path).start(CONFIG, overwrite)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_overwriting_leaves_files_of_the_users_own(tmp_path: Path) -> None:
    RunFolder(tmp_path).start(CONFIG)
    (tmp_path / "figures").mkdir()
    own = [tmp_path / "notes.txt", tmp_path / "figures" / "poster.png"]
    of_the_run = ["figures/traversal.png", "figures/factor_traversal.png", "codes.npz", "scores.csv", "scores-mig.json"]
    for file in [*own, *map(tmp_path.joinpath, of_the_run)]:
        file.write_text("look at latent 3")
    RunFolder(tmp_path).start(CONFIG, overwrite=True)
    assert {file for file in tmp_path.rglob("*") if file.is_file()} == {*own, tmp_path / "config.json"}


def prefixes(
    prepare: Callable[[], object], act: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> Iterator[int]:
    """Kill what changes files before its first change, then before its second, and so on until it is through."""
    for changes in count():
        prepare()
        left = iter(range(changes))
        with monkeypatch.context() as patched:
            for owner, name in ((os, "replace"), (os, "unlink"), (os, "open"), (Path, "unlink"), (Path, "write_text")):
                patched.setattr(owner, name, killed_when_over(left, getattr(owner, name)))
            try:
                act()
            except KeyboardInterrupt:
                is_through = False
            else:
                is_through = True
        yield changes
        if is_through:
            return


def killed_when_over(left: Iterator[int], function: Callable[..., Any]) -> Callable[..., Any]:
    def dying(*arguments: Any, **options: Any) -> Any:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return function(*arguments, **options)

    return dying


def test_after_every_part_of_an_overwriting_the_folder_is_the_old_run_or_the_new_one(
    digits_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = digits_run.config, digits_run.config | {"beta": 6.0, "seed": 1}
    folder = RunFolder(tmp_path / "run")

    def prepare() -> None:
        shutil.rmtree(folder.path, ignore_errors=True)
        shutil.copytree(digits_run.path, folder.path)

    def is_whole() -> bool:
        """Whether the old run is there, rather than the new one before its first step; nothing else may be."""
        if folder.read_config() == new:
            assert (folder.has_checkpoint, folder.numbered_steps(), folder.read_history()) == (False, [], [])
            with pytest.raises(FileNotFoundError, match="the run has no checkpoint yet"):
                load_run(folder.path)
            return False
        assert folder.read_config() == old
        assert (folder.load()["step"], folder.numbered_steps()) == (26, [13, 26])
        assert folder.read_history() == digits_run.history
        return True

    seen = []
    for _ in prefixes(prepare, lambda: folder.start(new, overwrite=True), monkeypatch):
        seen.append(is_whole())
        with folder.held():
            assert is_whole() == seen[-1]  # the next one who writes has tidied up
        assert not list(folder.path.rglob(".*"))
        assert (folder.path / "checkpoint.pt").exists() == seen[-1]
    assert seen == sorted(seen, reverse=True)  # there is no way back
    assert (seen[0], seen[-1]) == (True, False)
    assert len(seen) > 10


class WritesAsWell(Callback):
    """Tries to fit into the folder of the fit that it looks on."""

    def __init__(self, **options: Any) -> None:
        self.options = options

    def on_step(self, training: Training) -> None:  # noqa: ARG002
        before = {file: file.read_bytes() for file in self.path.rglob("*.*") if file.is_file()}
        with pytest.raises(
            HeldError, match=rf"{self.path.name} is being written by process {os.getpid()} \(.*\): wait"
        ):
            fit(BetaVAE((1, 16, 16), 2), self.run.dataset(), **self.options)
        assert {file: file.read_bytes() for file in self.path.rglob("*.*") if file.is_file()} == before

    def on_start(self, run: Run, training: Training) -> None:  # noqa: ARG002
        self.run, self.path = run, run.path


@pytest.mark.parametrize("how", [{}, {"overwrite": True}, {"resume": True}])
def test_a_second_fit_into_a_folder_is_refused_and_changes_nothing(how, images: Dataset, tmp_path: Path) -> None:
    options = {"steps": 3, "eval_every": 1, "checkpoint_every": 1, "keep": 2, "out": tmp_path / "run"}
    run = fit(BetaVAE((1, 16, 16), 2), images, **options, callbacks=[WritesAsWell(**options, **how)])
    assert [record["step"] for record in load_run(tmp_path / "run").history] == [1, 2, 3]
    assert run.step == 3
    fit(BetaVAE((1, 16, 16), 2), images, **options, overwrite=True)  # the folder is free again


def test_what_a_killed_process_left_is_cleaned_at_the_next_start(images: Dataset, tmp_path: Path) -> None:
    options = {"steps": 2, "checkpoint_every": 1, "keep": "all", "out": tmp_path}
    fit(BetaVAE((1, 16, 16), 2), images, **options)
    whole = set(tmp_path.rglob("*"))
    (tmp_path / "figures").mkdir()
    left = [".partial-1-aa.json", "checkpoints/.partial-1-bb.pt", "figures/.partial-1-cc.png", ".lock"]
    left += ["config.partial.json", "history.partial.jsonl", "checkpoint.partial.pt"]  # of older versions
    left += ["checkpoints/step-000000001.partial.pt", "figures/traversal-000000003.partial.png"]
    for name in [*left, "notes.partial.txt"]:
        (tmp_path / name).write_text("half")
    assert RunFolder(tmp_path).numbered_steps() == [1, 2]
    fit(BetaVAE((1, 16, 16), 2), images, **options, resume=True)
    assert set(tmp_path.rglob("*")) - whole == {tmp_path / "figures", tmp_path / "notes.partial.txt"}


def test_a_fit_that_is_refused_leaves_no_folder(images: Dataset, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is not a run"):
        fit(BetaVAE((1, 16, 16), 2), images, steps=1, out=tmp_path / "runs" / "one", resume=True)
    assert not any(tmp_path.iterdir())


def test_a_missing_latest_checkpoint_is_replaced_by_the_last_numbered_one(images: Dataset, tmp_path: Path) -> None:
    options = {"checkpoint_every": 2, "keep": "all", "eval_every": 1, "out": tmp_path}
    fit(new_vae(), images, steps=5, **options)
    (tmp_path / "checkpoint.pt").unlink()
    with pytest.raises(FileNotFoundError, match=r"is missing; `at=STEP` takes that of another step: \[2, 4, 5\]"):
        load_run(tmp_path)
    with pytest.warns(UserWarning, match=r"checkpoint\.pt is missing: the run goes on from .* step 5"):
        resumed = fit(new_vae(), images, steps=7, resume=True, **options)
    whole = fit(new_vae(), images, steps=7, eval_every=1)
    assert same_parameters(resumed.model, whole.model)
    assert without_timings(resumed.history) == without_timings(whole.history)


def test_a_config_that_lacks_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"format": FORMAT}))
    with pytest.raises(ValueError, match="is damaged: it lacks dataset, latent_dim, likelihood, beta"):
        load_run(tmp_path)


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\x85", "\x1c", "\x0b", "\x0c", "\r"])
def test_history_is_split_at_line_feeds_alone(mark: str, tmp_path: Path) -> None:
    records = [history_line(step) | {"note": f"a{mark}b"} for step in (1, 2)]
    lines = [json.dumps(record, ensure_ascii=False).replace(json.dumps(mark)[1:-1], mark) for record in records]
    kept = [line for line in lines if ord(mark) >= 0x80]  # JSON itself wants the others escaped
    (tmp_path / "history.jsonl").write_bytes("".join(f"{line}\n" for line in kept).encode())
    assert RunFolder(tmp_path).read_history() == records[: len(kept)]
    for record in records:
        RunFolder(tmp_path).append(record)
    assert RunFolder(tmp_path).read_history() == records[: len(kept)] + records


@pytest.mark.parametrize("line", [b"1", b"[]", b"{}", b'{"step": null}', b"\xff", b"\0\0\0"])
def test_a_line_that_is_no_record_is_named(line: bytes, tmp_path: Path) -> None:
    (tmp_path / "history.jsonl").write_bytes(line + b'\n{"step": 2}\n')
    with pytest.raises(ValueError, match=r"history\.jsonl is damaged at line 1"):
        RunFolder(tmp_path).read_history()


def test_a_last_line_cut_short_is_left_out(tmp_path: Path) -> None:
    one, two = history_line(1), history_line(2)
    (tmp_path / "history.jsonl").write_text(f'{json.dumps(one)}\n{json.dumps(two)}\n{{"ste')
    assert RunFolder(tmp_path).read_history() == [one, two]
    assert RunFolder(tmp_path).cut_history(1, since=one["seconds"], finished=False) == [one]
    (tmp_path / "history.jsonl").write_text(f'{{"ste\n{json.dumps(two)}\n')
    with pytest.raises(ValueError, match=r"history\.jsonl is damaged at line 1"):
        RunFolder(tmp_path).read_history()


class Evil:
    """A pickle that runs code when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("write", [pickle.dump, torch.save], ids=["pickle", "torch"])
def test_a_checkpoint_that_tries_to_run_code_is_refused(write, digits_run: Run, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(digits_run.config))
    with open(tmp_path / "checkpoint.pt", "wb") as file:
        write({"format": FORMAT, "model": Evil(tmp_path / "ran")}, file)
    with pytest.raises(ValueError, match="checkpoint.pt is damaged or no checkpoint of this package"):
        load_run(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_a_flipped_bit_in_any_record_of_a_checkpoint_is_noticed(digits_run: Run, tmp_path: Path) -> None:
    shutil.copytree(digits_run.path, tmp_path / "run")
    path, whole = tmp_path / "run" / "checkpoint.pt", (digits_run.path / "checkpoint.pt").read_bytes()
    with zipfile.ZipFile(path) as archive:
        starts = {
            record.filename: whole.index(archive.read(record), record.header_offset) for record in archive.infolist()
        }
    assert len(starts) > 20
    for name, start in starts.items():
        path.write_bytes(whole[:start] + bytes([whole[start] ^ 0x40]) + whole[start + 1 :])
        message = rf"the checksum of its record {name} is wrong; `at=STEP` .*: \[13, 26\]"
        with pytest.raises(ValueError, match=message):
            load_run(path.parent)
    assert load_run(path.parent, at=26).step == 26


def test_a_compressed_record_is_not_unpacked(digits_run: Run, tmp_path: Path) -> None:
    shutil.copytree(digits_run.path, tmp_path / "run")
    with zipfile.ZipFile(tmp_path / "run" / "checkpoint.pt", "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/99", bytes(10**7))
    with pytest.raises(ValueError, match=r"damaged .*: its record archive/data/99 is compressed"):
        load_run(tmp_path / "run")


def test_a_record_that_is_listed_often_is_not_read(digits_run: Run, tmp_path: Path) -> None:
    shutil.copytree(digits_run.path, tmp_path / "run")
    with zipfile.ZipFile(tmp_path / "run" / "checkpoint.pt", "a") as archive:
        archive.writestr("more", b"")
        archive.filelist += 5 * [max(archive.filelist, key=lambda record: record.file_size)]
    with pytest.raises(ValueError, match=r"its records are said to hold [\d,]+ bytes, and the whole file has"):
        load_run(tmp_path / "run")


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04 half a zip"])
def test_a_damaged_checkpoint_is_refused(content: bytes, digits_run: Run, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(digits_run.config))
    (tmp_path / "checkpoint.pt").write_bytes(content)
    with pytest.raises(ValueError, match="is damaged or no checkpoint"):
        load_run(tmp_path)


def test_a_checkpoint_cut_anywhere_is_refused(digits_run: Run, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(digits_run.config))
    whole = (digits_run.path / "checkpoint.pt").read_bytes()
    for share in (0.1, 0.5, 0.9, 0.999):
        (tmp_path / "checkpoint.pt").write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(ValueError, match="is damaged or no checkpoint"):
            load_run(tmp_path)


@pytest.mark.parametrize("state", [{"format": "pyro-bvae run 0"}, {"state_dict": {}}, [1, 2]])
def test_a_checkpoint_of_another_format_is_refused(state, digits_run: Run, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(digits_run.config))
    torch.save(state, tmp_path / "checkpoint.pt")
    with pytest.raises(ValueError, match="is not a checkpoint of the format"):
        load_run(tmp_path)


@pytest.mark.parametrize("name", sorted({*STATE} - {"format"}))
def test_a_checkpoint_with_something_else_in_a_place_is_refused(name: str, digits_run: Run, tmp_path: Path) -> None:
    state = torch.load(digits_run.path / "checkpoint.pt", weights_only=True)
    torch.save(state | {name: [1]}, tmp_path / "checkpoint.pt")
    with pytest.raises(ValueError, match=f"checkpoint.pt is damaged: its {name} is a list"):
        read_checkpoint(tmp_path / "checkpoint.pt")


def test_a_checkpoint_that_does_not_fit_is_refused(digits_run: Run) -> None:
    with pytest.raises(ValueError, match="does not fit the model: .*size mismatch"):
        load_run(digits_run.path, model=BetaVAE((1, 28, 28), latent_dim=3))


def test_data_that_changed_since_the_run_are_refused(digits_run: Run) -> None:
    run = load_run(digits_run.path)
    run.config["fingerprint"] = "sha256:0"
    with pytest.raises(ValueError, match="digits is not, or no longer, that of the run: its fingerprint differs"):
        run.dataset()


def test_data_in_memory_are_not_in_the_run(images: Dataset, tmp_path: Path) -> None:
    run = fit(BetaVAE((1, 16, 16), 2), images, steps=1, out=tmp_path)
    assert run.dataset() is images
    with pytest.raises(ValueError, match="was in memory and is not stored"):
        load_run(tmp_path).dataset()


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path: Path) -> None:
    """The system refuses files above 100 kB, as a full disk would, once the run has a first checkpoint."""
    script = f"""
        import resource, torch
        from pyro_bvae import BetaVAE, Callback, fit
        from pyro_bvae.datasets import Dataset
        class Full(Callback):
            def on_step(self, training):
                if training.step == 3:
                    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, {resource.RLIM_INFINITY}))
        try:
            fit(BetaVAE((1, 16, 16)), Dataset("noise", torch.rand(60, 1, 16, 16)), steps=9, checkpoint_every=2,
                out={str(tmp_path / "run")!r}, callbacks=[Full()])
        except OSError as error:
            print(error.strerror)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True)
    assert done.stdout == "File too large\n"
    assert load_run(tmp_path / "run").step == 2
    assert not list((tmp_path / "run").glob("*partial*"))


@pytest.mark.parametrize("part", ["model", "optimizer", "rng", "interval"])
def test_a_checkpoint_with_an_empty_part_is_refused_by_name(part: str, digits_run: Run, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    torch.save(torch.load(digits_run.path / "checkpoint.pt") | {part: {}}, path)
    with pytest.raises(ValueError, match=rf"checkpoint.pt is damaged: it.* {part}"):
        read_checkpoint(path)


def test_a_tree_that_is_not_installed_fits_and_reports(
    images: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(package: str) -> str:
        if package == "pyro-bvae":
            raise PackageNotFoundError(package)
        return metadata.version(package)

    monkeypatch.setattr(versions, "version", version)
    stored = fit(new_vae(), images, steps=1, out=tmp_path).config["versions"]
    assert stored == {"python": stored["python"], "pyro-bvae": "not installed"} | {
        name: metadata.version(name) for name in ("pyro-ppl", "torch", "numpy")
    }
    assert "Written by pyro-bvae not installed" in report(load_run(tmp_path, dataset=images)).read_text()
