"""A hint can be pasted, and what is printed is plain text, whatever files, data sets and factors are called."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli

from pyro_bvae.settings.spelling import argument, pasted

NAMES = ["a", "a b", "-inf", "--out", "a\nb", "it's", 'a"b', "$HOME", "`id`", "a;b", "*", "~", "a\x1b[31mb", "\x07'\\",
         "β", "\u202e", "é\u0301", "!x", "a\tb", "#a", "(a)", os.fsdecode(b"a\xff")]  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_pasted_name_is_the_name(name: str) -> None:
    line = pasted("printf", "%s", *argument(name)[-1:])
    assert line.replace("\n", "").isprintable()
    done = subprocess.run(["bash", "-c", line], capture_output=True, check=True)
    assert done.stdout == os.fsencode(name)
    if name.replace("\n", "").isprintable():
        assert shlex.split(line)[-1] == name


@pytest.mark.parametrize("name", ["-inf", "a\nb", "it's"])
def test_the_hint_of_a_fit_can_be_pasted(name: str, cli: Cli, here: Path) -> None:
    fitted = cli("fit", "--steps", 2, "--image-size", 8, "--hidden", 4, "--no-compile", "--out", name)
    traverse = pasted("pyro-bvae", "traverse", *argument(name))
    assert traverse in fitted.stdout
    _, command, *rest = shlex.split(traverse)
    assert cli(command, "--columns", 2, *rest).exit_code == 0


def test_names_of_data_and_factors_are_plain_text(cli: Cli, here: Path) -> None:
    factors = np.indices((4, 4)).reshape(2, -1).T.repeat(8, 0)
    images = (factors.sum(1)[:, None, None] * 30 + np.zeros((1, 8, 8))).astype(np.uint8)
    odd = "a\x1b]0;owned\x07\nb\u202e"
    np.savez(f"{odd}.npz", images=images, factors=factors, factor_names=["\x1b[31mx", "y\r\nz"])
    fit = ("fit", "--dataset", f"npz:{odd}.npz", "--steps", 2, "--hidden", 4, "--latent-dim", 2, "--no-compile")
    for words in (
        (*fit, "--out", "run"), (*fit, "--beta", 2), ("info", "run"), ("evaluate", "run"),
        ("compare", "run", "--out", "c"),
        ("score", "run", "--metric", "beta-vae", "--repeats", 1, "--no-figures"), ("encode", "run"),
        ("sample", "run", "--count", 2, "--out", f"s{odd}"),
    ):  # fmt: skip
        result = cli(*words)
        assert result.exit_code == 0, result.output
        assert result.output.replace("\n", "").isprintable(), repr(result.output)
    (made,) = Path("runs").iterdir()
    assert made.name.isprintable()
