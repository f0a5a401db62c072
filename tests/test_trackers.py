"""A tracker shows what the history says, whichever tracker it is, and changes nothing of a fit."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Cli, new_vae, same_parameters, without_timings
from tracked import Kept, imported, known_by, lines_of, same_lines
from trackers import of_tensorboard, tensorboard_lines

from pyro_bvae import fit, load_run
from pyro_bvae.callbacks import Figures, Tracker, tracker
from pyro_bvae.datasets import Dataset
from pyro_bvae.files import MissingPackageError
from pyro_bvae.runs.run import Run
from pyro_bvae.settings.names import TRACKERS


def test_every_line_is_sent_as_the_history_has_it(images: Dataset, at_home: Path) -> None:
    kept = Kept()
    run = fit(new_vae(), images, steps=7, eval_every=3, out="run", callbacks=[Tracker(kept, Figures())])
    assert kept.lines == lines_of(run.history)
    assert {"training/loss", "held_out/elbo", "held_out/active_units", "kl/z2", "training_kl/z0", "steps/beta"} <= {
        *kept.lines[7]
    }
    assert kept.pictures == [("traversal", 7), ("reconstructions", 7), ("samples", 7)]
    assert kept.ends == [True]


@pytest.mark.parametrize("name", [*TRACKERS, "kept"])
def test_a_tracker_disturbs_no_fit(name: str, images: Dataset, at_home: Path) -> None:
    plain = fit(new_vae(), images, steps=6, eval_every=2, out="plain", callbacks=[])
    to: Any = Kept() if name == "kept" else imported(name)
    torch.manual_seed(3)
    random.seed(3)
    np.random.seed(3)
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    process = of_process()
    vae = new_vae()
    torch.set_rng_state(before[0])
    tracked = fit(vae, images, steps=6, eval_every=2, out="tracked", callbacks=[Tracker(to, Figures())])
    assert same_parameters(plain.model, tracked.model)
    assert without_timings(plain.history) == without_timings(tracked.history)
    state = [torch.load(f"{out}/checkpoint.pt")["rng"]["cpu"] for out in ("plain", "tracked")]
    assert torch.equal(*state)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1:] == (random.getstate(), np.random.get_state()[1].tolist())
    assert of_process() == process


def of_process() -> tuple[Any, ...]:
    """What a package may change in the process."""
    hooks = sys.exit, sys.excepthook, signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    return *hooks, torch.get_num_threads(), torch.is_grad_enabled(), sys.stdout, sys.stderr


@pytest.mark.parametrize("fails_at", [0, 4, 9])
def test_a_tracker_that_fails_warns_once_and_ends_no_fit(fails_at: int, images: Dataset, at_home: Path) -> None:
    plain, kept = fit(new_vae(), images, steps=9, eval_every=1), Kept(fails_at)
    with pytest.warns(UserWarning, match="tracks this fit no longer: the server is gone") as warned:
        run = fit(new_vae(), images, steps=9, eval_every=1, out="run", callbacks=[known_by("kept", kept)])
    assert len(warned) == 1
    assert same_parameters(plain.model, run.model)
    assert sorted(kept.lines) == list(range(1, fails_at))
    assert kept.ends == [False]
    assert json.loads(Path("run/trackers.json").read_text()) == {"kept": {"id": "one", "step": max(0, fails_at - 1)}}


@pytest.mark.parametrize("where", ["begin", "picture", "codes", "end"])
def test_wherever_it_fails_a_fit_goes_on(where: str, images: Dataset, at_home: Path) -> None:
    kept = Kept()

    def fail(*_: object) -> None:
        raise MemoryError

    setattr(kept, where, fail)
    with pytest.warns(UserWarning, match="Kept tracks this fit no longer: MemoryError") as warned:
        assert fit(new_vae(), images, steps=3, out="run", callbacks=[Tracker(kept, Figures())]).step == 3
    assert len(warned) == 1


def test_a_line_that_was_not_sent_is_sent_when_the_fit_goes_on(images: Dataset, at_home: Path) -> None:
    fit(new_vae(), images, steps=2, eval_every=1, out="run")
    kept = Kept(fails_at=4)
    with pytest.warns(UserWarning, match="no longer"):
        fit(new_vae(), images, steps=5, eval_every=1, out="run", resume=True, callbacks=[known_by("kept", kept)])
    kept.fails_at = None
    run = fit(new_vae(), images, steps=7, eval_every=1, out="run", resume=True, callbacks=[known_by("kept", kept)])
    assert kept.lines == lines_of(run.history)
    assert [(tracked.id, tracked.sent) for tracked in kept.tracked] == [(None, 0), ("one", 3)]


def test_a_line_that_a_resume_cuts_is_not_sent_twice(images: Dataset, at_home: Path) -> None:
    kept = Kept()
    fit(new_vae(), images, steps=5, eval_every=2, out="run", callbacks=[known_by("kept", kept)])
    run = fit(new_vae(), images, steps=8, eval_every=2, out="run", resume=True, callbacks=[known_by("kept", kept)])
    assert [record["step"] for record in run.history] == [2, 4, 6, 8]  # 5 closed the shorter run
    assert sorted(kept.lines) == [2, 4, 5, 6, 8]


def test_a_missing_package_is_named_before_data_are_read(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, install in {"wandb": "'pyro-bvae[trackers]'", "trackio": "trackio"}.items():
        monkeypatch.setitem(sys.modules, name, None)
        for command in ("fit", "compare"):
            result = cli(command, "--track", name, "--dataset", "npz:nothing.npz")
            assert result.exit_code == 1
            assert f"the tracker {name} needs {name}: pip install {install}" in result.stderr
        with pytest.raises(MissingPackageError, match="pip install"):
            Tracker(name)


def test_no_package_is_imported_unless_its_tracker_is_asked_for() -> None:
    code = f"import sys, pyro_bvae.callbacks; print(*{set(TRACKERS)} & {{*sys.modules}})"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split() == []


def test_an_unknown_tracker_is_answered_with_the_nearest(cli: Cli) -> None:
    result = cli("fit", "--track", "tensorbord")
    assert result.exit_code == 2
    assert "did you mean 'tensorboard'?" in result.stderr
    with pytest.raises(TypeError, match="or has log"):
        Tracker(3)


def test_the_command_line_tracks_stops_tracking_and_goes_on(cli: Cli, at_home: Path) -> None:
    imported("tensorboard")
    imported("mlflow")
    fitted = cli("fit", "--track", "tensorboard", "--track", "mlflow", "--steps", 2, "--hidden", 8, "--out", "run")
    assert fitted.exit_code == 0, fitted.stderr
    assert "note    tracked by tensorboard: " in fitted.stdout
    assert load_run("run").config["track"] == "tensorboard,mlflow"
    assert cli("fit", "--resume", "--out", "run", "--steps", 4, "--track", "none").exit_code == 0
    assert cli("fit", "--resume", "--out", "run", "--steps", 6, "--track", "tensorboard", "--json").exit_code == 0
    assert same_lines(tensorboard_lines(Path("run/tensorboard")), lines_of(load_run("run").history))
    assert [*of_tensorboard(Path("run/tensorboard")).Tags()["images"]] == []  # without figures


def test_a_comparison_has_a_tracked_run_a_fit_in_a_group(cli: Cli, at_home: Path) -> None:
    imported("tensorboard")
    mlflow, _ = pytest.importorskip("mlflow"), imported("mlflow")
    words = ["--beta", 1, "--beta", 4, "--steps", 2, "--hidden", 8, "--track", "mlflow", "--track", "tensorboard"]
    compared = cli("compare", *words, "--out", "betas")
    assert compared.exit_code == 0, compared.stderr
    for name in ("beta1-seed0", "beta4-seed0"):
        run = load_run(f"betas/{name}")
        assert same_lines(tensorboard_lines(Path(f"betas/{name}/tensorboard")), lines_of(run.history))
    client = mlflow.MlflowClient()
    tracked = client.search_runs([client.get_experiment_by_name("pyro-bvae").experiment_id])
    assert {(one.info.run_name, one.data.tags["group"]) for one in tracked} == {
        ("beta1-seed0", "betas"),
        ("beta4-seed0", "betas"),
    }


def test_every_tracker_has_a_destination_and_a_package() -> None:
    assert tuple(tracker.DESTINATIONS) == tuple(tracker.EXTRA) == TRACKERS


def test_a_run_can_be_tracked_twice_at_a_time(images: Dataset, at_home: Path) -> None:
    one, other = Kept(), Kept(fails_at=2)
    with pytest.warns(UserWarning, match="no longer"):
        run: Run = fit(new_vae(), images, steps=4, eval_every=1, callbacks=[Tracker(one), Tracker(other)])
    assert one.lines == lines_of(run.history)
    assert sorted(other.lines) == [1]
