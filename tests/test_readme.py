"""What the README shows is so: its blocks run, its figures are there, its commands exist.

Fits are cut to a few steps, scores to one repeat, dSprites to a part, MNIST is a small one in the true layout, and only
one comparison runs in several processes; everything else runs as it is printed.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli
from PIL import Image

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
INSTALLS = ("pip", "python3", "git", "cd", "source", "pytest", "eval")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    """Every command of every bash block, installs left out."""
    text = "\n".join(blocks("bash")).replace("\\\n", " ")
    parts = [part.strip() for line in text.splitlines() for part in line.split("&&")]
    words = [shlex.split(part, comments=True) for part in parts]
    return [word for word in words if word and word[0] not in INSTALLS]


def shortened(arguments: list[str]) -> list[str]:
    """A fit of a few steps, one seed, and few dSprites; a score of one repeat; one process if seeds are many."""
    if arguments[0] == "score" and "--repeats" not in arguments:
        return [*arguments, "--repeats", "1"]
    if arguments[0] not in ("fit", "compare") or arguments[1].startswith("runs/"):
        return arguments
    kept, skip = [], False
    for word in arguments:
        longer = word in ("--epochs", "--steps", "--seeds") or (word == "--jobs" and "--seeds" in arguments)
        if not skip and not longer:
            kept.append(word)
        skip = longer and not skip
    few = ["--subsample", "1500"] if any("dsprites" in word for word in kept) else []
    return [*kept, *few, "--steps", "4" if "--resume" in kept else "2"]


@pytest.fixture
def workplace(tmp_path: Path, made_data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with the user's own data that the README names, and MNIST in the cache."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "pyro_bvae").symlink_to(made_data)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "data").symlink_to(made_data)
    (tmp_path / "photos").mkdir()
    random = np.random.default_rng(0)
    for number in range(3):
        Image.fromarray(random.integers(0, 256, (40, 50, 3)).astype(np.uint8)).save(
            tmp_path / "photos" / f"{number}.png"
        )
    np.savez(tmp_path / "mine.npz", images=random.integers(0, 256, (20, 16, 16)).astype(np.uint8))
    np.save(tmp_path / "vectors.npy", random.normal(size=(30, 4)))
    return tmp_path


def test_every_command_of_the_readme_runs(workplace: Path, cli: Cli) -> None:
    assert len(commands()) > 10
    for program, *arguments in commands():
        assert program == "pyro-bvae"
        result = cli(*shortened(arguments))
        assert result.exit_code == 0, f"{shlex.join(arguments)}\n{result.output}"


def test_every_python_block_of_the_readme_runs(workplace: Path, cli: Cli) -> None:
    assert cli("fit", "--beta", 6, "--steps", 2).exit_code == 0  # the first command of the README
    assert len(blocks("python")) >= 3
    namespace = {"__name__": "__main__"}  # one for all: the blocks follow one another
    for block in blocks("python"):
        exec(compile(re.sub(r"epochs=\d+", "steps=2", block), "<a block of the README>", "exec"), namespace)


def test_every_figure_of_the_readme_is_there() -> None:
    shown = re.findall(r"\]\((figures/[^)]+)\)", README)
    assert shown
    for name in shown:
        assert (Path(__file__).parents[1] / name).is_file(), name


def test_every_option_of_fit_is_in_the_readme() -> None:
    from pyro_bvae_cli import main

    options = {name for option in main.commands["fit"].params for name in option.opts}
    assert [name for name in sorted(options) if name.startswith("--") and name not in README] == []
