"""Whatever a config or a history holds: a command works, or says in one line what is wrong, and changes nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Cli

from pyro_bvae import load_run

SMALL = ("--steps", 2, "--hidden", 4, "--latent-dim", 2, "--no-compile", "--checkpoint-every", 1)
KINDS = {
    "digits": ("--image-size", 8, *SMALL),
    "gaussian": ("--dataset", "gaussian", "--points", 200, "--dim", 3, "--likelihood", "gaussian", *SMALL),
    "conv": ("--image-size", 16, "--network", "conv", "--likelihood", "gaussian-learned", *SMALL),
    "matched": ("--image-size", 8, "--match", "rate=2", "--optimizer", "adam", *SMALL),
    "objective": ("--image-size", 8, "--objective", "factor:width=4,layers=1", "--lr-warmup", 3, *SMALL),
}
LEFT_OUT = object()
ODD: list[Any] = [
    LEFT_OUT,
    None,
    True,
    -1,
    0,
    1.5,
    1e308,
    10**30,
    10**400,
    [10**9] * 3,
    "",
    "x",
    "a" * 5000,
    [],
    ["x"],
    [1, 2],
    {},
    {"a": {"b": []}},
]
COMMANDS: dict[str, tuple[object, ...]] = {
    "info": ("info", "run"),
    "evaluate": ("evaluate", "run"),
    "sample": ("sample", "run", "--count", 2, "--out", "out"),
    "traverse": ("traverse", "run", "--columns", 2, "--out", "out"),
    "reconstruct": ("reconstruct", "run", "--count", 2, "--out", "out"),
    "encode": ("encode", "run", "--out", "out"),
    "score": ("score", "run", "--metric", "total-correlation", "--repeats", 1, "--no-figures", "--out", "out"),
    "compare": ("compare", "run", "--out", "compared"),
    "resume": ("fit", "--resume", "--out", "run", "--steps", 3),
    "config": ("fit", "--config", "run/config.json", "--out", "again"),
}
DIVERGED = " after step "  # of a fit that went on with what is a learning rate, if a large one
NAMES = ("Error:", "Exception", "KeyError", "Traceback", "object has no", "fault of pyro-bvae", "not supported between")


@pytest.fixture(scope="session", params=KINDS)
def fitted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from click.testing import CliRunner
    from pyro_bvae_cli import main

    path = tmp_path_factory.mktemp(request.param) / "run"
    words = ["fit", *map(str, KINDS[request.param]), "--no-figures", "--out", str(path)]
    assert CliRunner().invoke(main, words).exit_code == 0
    return path


def content(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused_or_done(cli: Cli, name: str, folder: Path) -> str:
    """Run a command in the current folder; what it says if it refuses.

    A run that is refused is as it was, byte for byte; and so is one that is only looked at.
    """
    before = content(Path("run"))
    result = cli(*COMMANDS[name])
    if name == "resume" and (result.exit_code == 0 or DIVERGED in result.stderr):
        shutil.rmtree("run")
        shutil.copytree(folder, "run")
    else:
        assert content(Path("run")) == before
    for out in ("again", "compared"):
        shutil.rmtree(out, ignore_errors=True)
    if result.exit_code == 0:
        return ""
    assert result.exit_code in (1, 2), result.output
    last = result.stderr.splitlines()[-1]
    assert not [word for word in NAMES if word in last.removeprefix("Error:")], last
    assert len(last) < 700
    return last


def mutated(config: dict[str, Any], key: str, value: Any) -> str:
    rest = {name: each for name, each in config.items() if name != key}
    return json.dumps(rest if value is LEFT_OUT else rest | {key: value})


def cases(config: dict[str, Any], every: int) -> Iterator[tuple[str, Any]]:
    pairs = [(key, value) for key in config for value in ODD]
    yield from pairs[::every]


@pytest.mark.parametrize("command", ["evaluate", "resume"])
def test_a_config_with_odd_values_is_refused_in_a_line_or_works(
    command: str, fitted: Path, cli: Cli, here: Path
) -> None:
    try_all(command, fitted, cli, every=41)


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_every_odd_value_of_every_key_is_refused_in_a_line_or_works(
    command: str, fitted: Path, cli: Cli, here: Path
) -> None:
    try_all(command, fitted, cli, every=1)


def try_all(command: str, fitted: Path, cli: Cli, every: int) -> None:
    shutil.copytree(fitted, "run")
    config = json.loads((fitted / "config.json").read_text())
    assert refused_or_done(cli, command, fitted) == ""
    for key, value in cases(config, every):
        Path("run/config.json").write_text(mutated(config, key, value))
        said = refused_or_done(cli, command, fitted)
        assert "config.json" not in said or key in said or "has changed since" in said


TEXTS = {
    "not an object": ("[1]", "is not the config.json of a run"),
    "empty": ("", "is damaged or no JSON"),
    "cut": ('{"format": "pyro-bvae run 1", "dat', "is damaged or no JSON"),
    "a key twice": ('{"format": 1, "format": 2}', "the key 'format' stands there twice"),
    "nan": ('{"lr": NaN}', "NaN is no finite number"),
    "infinity": ('{"lr": -Infinity}', "-Infinity is no finite number"),
    "infinite": ('{"lr": 1e999}', "1e999 is no finite number"),
    "deep": ("[" * 100_000, "nested too deeply"),
    "large": (" " * (16 * 2**20 + 1), "is larger than 16 MiB"),
    "another": ('{"format": "my own"}', "is not the config.json of a run"),
    "many digits": ('{"seed": ' + "9" * 9999 + "}", "is damaged or no JSON"),
}


@pytest.mark.parametrize("case", TEXTS)
def test_a_file_that_is_no_config_is_refused_in_a_line(case: str, cli: Cli, here: Path) -> None:
    text, message = TEXTS[case]
    Path("run").mkdir()
    Path("run/config.json").write_text(text)
    for command in ("info", "evaluate", "resume", "config"):
        assert message in refused_or_done(cli, command, Path("run"))


def test_bytes_that_are_no_text_are_refused_and_a_byte_order_mark_is_none(cli: Cli, here: Path, fitted: Path) -> None:
    shutil.copytree(fitted, "run")
    content = Path("run/config.json").read_bytes()
    Path("run/config.json").write_bytes(b"\xef\xbb\xbf" + content)
    assert refused_or_done(cli, "info", fitted) == ""
    Path("run/config.json").write_bytes(content.replace(b"dataset", b"\xff\xfe"))
    assert "is damaged or no JSON" in refused_or_done(cli, "info", fitted)


def test_notes_of_ones_own_stay_and_a_misspelt_setting_is_said(cli: Cli, here: Path, fitted: Path) -> None:
    shutil.copytree(fitted, "run")
    config = json.loads(Path("run/config.json").read_text())
    rate = config.pop("lr")
    Path("run/config.json").write_text(json.dumps(config | {"who": "me", "leraning_rate": 1, "lrr": rate}))
    result = cli("fit", "--config", "run/config.json", "--out", "again")
    assert "note    run/config.json: 'lrr' is no setting; did you mean 'lr'?" in result.stderr
    assert "config.json is damaged: it lacks lr" in refused_or_done(cli, "evaluate", fitted)  # a run has all
    Path("run/config.json").write_text(json.dumps(config | {"who": "me", "lr": rate}))
    assert load_run("run").config["who"] == "me"


@pytest.mark.parametrize("command", ["info", "evaluate", "resume"])
def test_a_history_with_odd_values_is_refused_in_a_line_or_works(
    command: str, fitted: Path, cli: Cli, here: Path
) -> None:
    shutil.copytree(fitted, "run")
    line = json.loads((fitted / "history.jsonl").read_text().splitlines()[0])
    odd = [mutated(line, key, value) for key, value in list(cases(line, 1))[:: 23 if command != "info" else 5]]
    for text in [*odd, "[]", "7", "NaN", "{", '{"step": 1, "step": 2}', "\x00\x00"]:
        Path("run/history.jsonl").write_text(f"{text}\n{json.dumps(line)}\n")
        assert "KeyError" not in refused_or_done(cli, command, fitted)
