"""A run of an older version, whose config lacks settings, goes on, or every command says in one line what it lacks."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest
from conftest import Cli

from pyro_bvae import load_run
from pyro_bvae.datasets import loading
from pyro_bvae.datasets.dataset import SPLIT_SEED, part_of
from pyro_bvae.runs.older import KEYS

FOLDERS = sorted(path.parent for path in Path(__file__).parent.glob("format-1/*/config.json"))
NAMES = list(json.loads((FOLDERS[0] / "config.json").read_text()))
COMMANDS: dict[str, list[object]] = {
    "info": ["info", "run"],
    "resume": ["fit", "--resume", "--out", "run", "--steps", 8],
    "repeat": ["fit", "--config", "run/config.json", "--steps", 1, "--out", "again"],
    "evaluate": ["evaluate", "run", "--json"],
    "traverse": ["traverse", "run", "--columns", 2],
    "sample": ["sample", "run", "--count", 2],
    "reconstruct": ["reconstruct", "run", "--count", 2],
    "encode": ["encode", "run"],
    "score": ["score", "run", "--metric", "active-units", "--repeats", 1, "--no-figures"],
    "compare": ["compare", "run", "--out", "compared", "--no-figures"],
}
READERS = [name for name in COMMANDS if name not in ("info", "resume")]


def lacking(folder: Path, names: Sequence[str]) -> None:
    """A copy of a run, ``run``, whose config lacks the names."""
    shutil.rmtree("run", ignore_errors=True)
    shutil.copytree(folder, "run")
    config = json.loads(Path("run/config.json").read_text())
    Path("run/config.json").write_text(json.dumps({name: config[name] for name in config if name not in names}))


def goes_on_or_says_what_it_lacks(cli: Callable[..., object], command: str, names: Sequence[str]) -> None:
    shutil.rmtree("again", ignore_errors=True)
    shutil.rmtree("compared", ignore_errors=True)
    result = cli(*COMMANDS[command])
    if result.exit_code == 0:
        return
    said = result.stderr.strip().splitlines()[-1]
    assert "Error: " in said
    says_what = "lacks" in said and any(name in said for name in names)
    is_refused = "has changed since" in said  # the data, where what is lacking says how they were read
    assert says_what or is_refused or "not of the format" in said or "not the config.json of a run" in said, said
    assert not any(word in result.output for word in ("KeyError", "AttributeError", "TypeError", "Traceback")), said


@pytest.mark.parametrize("name", NAMES)
def test_a_config_may_lack_any_name(name: str, cli: Cli, here: Path) -> None:
    number = NAMES.index(name)
    for command in ("info", READERS[number % len(READERS)], "resume"):
        lacking(FOLDERS[number % len(FOLDERS)], [name])
        goes_on_or_says_what_it_lacks(cli, command, [name])


@pytest.mark.parametrize("seed", range(8))
def test_a_config_may_lack_any_names(seed: int, cli: Cli, here: Path) -> None:
    drawn = random.Random(seed)
    optional = [name for name in NAMES if name not in KEYS]
    names = drawn.sample(optional if seed % 2 else NAMES, drawn.randint(2, 12))
    lacking(FOLDERS[seed % len(FOLDERS)], names)
    goes_on_or_says_what_it_lacks(cli, drawn.choice(list(COMMANDS)), names)


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_a_config_that_lacks_any_name(command: str, cli: Cli, here: Path) -> None:
    for number, name in enumerate(NAMES):
        lacking(FOLDERS[number % len(FOLDERS)], [name])
        goes_on_or_says_what_it_lacks(cli, command, [name])


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_what_is_younger_than_a_run_means_what_there_was_before(folder: Path, cli: Cli, here: Path) -> None:
    younger = ["precision", "weight_decay", "compile", "compile_because", "covariance", "crop", "points", "versions"]
    younger += ["ran_on"]
    lacking(folder, [])
    whole = cli(*COMMANDS["resume"])
    models = [load_run("run").model.state_dict()]
    lacking(folder, younger)
    parts = cli(*COMMANDS["resume"])
    models.append(load_run("run").model.state_dict())
    assert (whole.exit_code, parts.exit_code) == (0, 0), parts.output
    assert all((models[0][name] == models[1][name]).all() for name in models[0])
    assert "(as the run was begun" in parts.stdout
    assert "ran_on" not in parts.stdout


@pytest.mark.parametrize("more", [[], ["--program", "semi-supervised", "--labelled", 20]])
def test_a_part_of_the_data_that_an_older_version_drew_is_found(
    more: list[object], cli: Cli, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = ["--hidden", 8, "--latent-dim", 2, "--no-compile", "--no-figures"]
    given = ["--dataset", "digits", "--subsample", 600, *more]
    with monkeypatch.context() as older:
        older.setattr(loading, "part_of", partial(part_of, seed=SPLIT_SEED))
        cli("fit", *given, *small, "--steps", 3, "--out", "run")
        cli("fit", *given, *small, "--steps", 6, "--out", "whole")
    assert len(load_run("run").dataset().train) == 421  # of 600, since all 179 held-out data came first
    cli("evaluate", "run")
    cli("fit", "--resume", "--steps", 6, "--out", "run")
    one, other = (load_run(name).model.state_dict() for name in ("run", "whole"))
    assert all((one[name] == other[name]).all() for name in one)
    cli("fit", "--config", "run/config.json", "--out", "again", "--no-figures")
    assert load_run("again").config["fingerprint"] == load_run("run").config["fingerprint"]
    cli("fit", *given, *small, "--steps", 3, "--out", "new")
    assert len(load_run("new").dataset().train) > 500
