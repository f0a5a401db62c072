"""Run folders written before there were rooms go on: they load, evaluate to the same numbers, resume and traverse.

tests/format-1/ holds three of them, of digits at 8×8, fitted for 7 steps by the code of commit e9e0ced, and what that
code made of them: the evaluation, a traversal, and the history of the same fit taken to step 11 in one go.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Cli, without_timings

from pyro_bvae import evaluate, fit, load_run, traversal, traverse

FOLDERS = sorted(path.parent for path in Path(__file__).parent.glob("format-1/*/config.json"))
NUMBERS = {"rel": 1e-4, "abs": 1e-5}  # another machine, another torch


@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return Path(shutil.copytree(request.param, tmp_path / "run"))


def expected(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "expected.json").read_text())


def close(one: Any, other: Any) -> bool:
    """Whether plain data are the same up to rounding."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(close(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(close, one, other))
    return one == pytest.approx(other, **NUMBERS) if isinstance(one, float) else one == other


def test_there_are_some() -> None:
    assert len(FOLDERS) == 3


def test_it_evaluates_to_the_same_numbers(folder: Path) -> None:
    run = load_run(folder)
    data = run.dataset()
    known, evaluation = expected(folder)["evaluation"], asdict(evaluate(run.model, data.images[data.held_out]))
    assert close(known, {name: evaluation[name] for name in known})


def test_it_traverses_to_the_same_pictures(folder: Path) -> None:
    run = load_run(folder)
    data = run.dataset()
    sweep = traverse(run.model, traversal.base(run.model, data.images[data.held_out], image=1), columns=3)
    assert close(expected(folder)["codes"], sweep.codes.flatten().tolist())
    assert close(expected(folder)["images"], sweep.images.flatten(3).mean(-1).flatten().tolist())


def test_it_resumes_to_what_it_would_have_been(folder: Path) -> None:
    run = load_run(folder)
    names = ("optimizer", "lr_warmup", "batch_size", "seed", "device", "eval_every", "checkpoint_every", "match_rate",
             "objective", "beta_schedule")  # fmt: skip
    settings = {name: run.config[name] for name in names}
    gone_on = fit(run.model, run.dataset(), steps=11, out=folder, resume=True, **settings)
    assert close(expected(folder)["resumed"], without_timings(gone_on.history))


def test_the_command_line_takes_it_up(folder: Path, cli: Cli) -> None:
    resumed = cli("fit", "--resume", "--out", folder, "--steps", 8, "--no-figures")
    assert (resumed.exit_code, "at      step 7, where the run goes on" in resumed.stdout) == (0, True), resumed.output
    assert torch.load(folder / "checkpoint.pt", weights_only=True)["step"] == 8
    again = cli("fit", "--config", folder / "config.json", "--steps", 1, "--no-figures", "--out", folder / "again")
    assert again.exit_code == 0, again.output
