"""A run folder is plain data, never lost by accident, and read back as it was written."""

from __future__ import annotations

import json
import pickle
import resource
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from pyro_bvae import BetaVAE, fit, load_run
from pyro_bvae.datasets import Dataset
from pyro_bvae.runs.folder import FORMAT, KEYS, RunFolder
from pyro_bvae.runs.run import Run

CONFIG = dict.fromkeys(KEYS) | {"format": FORMAT}


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
    folder.append({"step": 1})
    with pytest.raises(FileExistsError, match="--resume it, --overwrite it, or name another --out"):
        folder.start(CONFIG)
    assert folder.read_history() == [{"step": 1}]
    folder.start(CONFIG, overwrite=True)
    assert folder.read_history() == []


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
    for file in [*own, tmp_path / "figures" / "traversal.png", tmp_path / "codes.npz"]:
        file.write_text("look at latent 3")
    RunFolder(tmp_path).start(CONFIG, overwrite=True)
    assert {file for file in tmp_path.rglob("*") if file.is_file()} == {*own, tmp_path / "config.json"}


def test_a_kill_while_overwriting_leaves_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    RunFolder(tmp_path).start(CONFIG)
    (tmp_path / "history.jsonl").write_text("")
    (tmp_path / "checkpoint.pt").write_text("")
    for survivors in (1, 0):
        monkeypatch.setattr(Path, "unlink", die_after(1 - survivors, Path.unlink))
        with pytest.raises(KeyboardInterrupt):
            RunFolder(tmp_path).start(CONFIG, overwrite=True)
        monkeypatch.undo()
        assert RunFolder(tmp_path).read_config() == CONFIG
    RunFolder(tmp_path).start(CONFIG, overwrite=True)


def die_after(calls: int, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, killed when it is called once more than so often."""
    left = iter(range(calls))

    def dying(*arguments: Any, **options: Any) -> Any:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return function(*arguments, **options)

    return dying


def test_a_config_that_lacks_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"format": FORMAT}))
    with pytest.raises(ValueError, match="is damaged: it lacks beta, can_be_loaded"):
        load_run(tmp_path)


def test_a_last_line_cut_short_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "history.jsonl").write_text('{"step": 1}\n{"step": 2}\n{"ste')
    assert RunFolder(tmp_path).read_history() == [{"step": 1}, {"step": 2}]
    assert RunFolder(tmp_path).cut_history(1, every=1, finished=False) == [{"step": 1}]
    (tmp_path / "history.jsonl").write_text('{"ste\n{"step": 2}\n')
    with pytest.raises(ValueError, match="is damaged at line 1"):
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


def test_a_checkpoint_that_does_not_fit_is_refused(digits_run: Run) -> None:
    with pytest.raises(ValueError, match="does not fit the model: .*size mismatch"):
        load_run(digits_run.path, model=BetaVAE((1, 28, 28), latent_dim=3))


def test_data_that_changed_since_the_run_are_refused(digits_run: Run) -> None:
    run = load_run(digits_run.path)
    run.config["fingerprint"] = "sha256:0"
    with pytest.raises(ValueError, match="the dataset digits has changed since the run"):
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
