"""The house is as the README draws it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import pyro_bvae
from pyro_bvae import likelihoods, networks, objectives, schedules
from pyro_bvae.datasets import SOURCES
from pyro_bvae.settings import names, options
from pyro_bvae.training import state as training

ROOT = Path(__file__).parents[1]
# each room or module imports only from rows above its own
ROWS = [
    ["schedules", "networks", "files", "randomness"],
    ["settings"],
    ["likelihoods", "datasets", "compiled"],
    ["model"],
    ["terms"],
    ["codes", "objectives", "metrics"],
    ["generation", "runs"],
    ["training", "traversal"],
    ["evaluation"],
    ["plots"],
    ["callbacks", "scoring"],
    ["comparison"],
]


def siblings(module: str) -> set[str]:
    """The rooms and modules of the library that a module, or any file of a room, imports, itself left out."""
    home = ROOT / "pyro_bvae"
    inside = dict.fromkeys((home / module).glob("*.py"), 2) or {home / f"{module}.py": 1}
    found = set()
    for path, level in inside.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level == level:
                found |= {node.module.split(".")[0]} if node.module else {alias.name for alias in node.names}
    return found


def test_every_module_imports_only_from_rows_above() -> None:
    seen: set[str] = set()
    for row in ROWS:
        for module in row:
            assert siblings(module) <= seen, module
        seen |= set(row)
    modules = {path.stem for path in (ROOT / "pyro_bvae").iterdir() if path.stem[0] not in "_." and path.stem != "py"}
    assert modules == seen


def test_the_library_knows_nothing_of_the_command_line() -> None:
    for path in (ROOT / "pyro_bvae").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "import click" not in text
        assert "pyro_bvae_cli" not in text
        assert not re.search(r"\bprint\(", text)


def test_names_equal_the_keys_they_stand_for() -> None:
    assert tuple(networks.NETWORKS) == names.NETWORKS
    assert tuple(likelihoods.LIKELIHOODS) == names.LIKELIHOODS
    assert tuple(objectives.OBJECTIVES) == names.OBJECTIVES
    assert tuple(schedules.SCHEDULES) == names.SCHEDULES
    assert tuple(training.OPTIMIZERS) == names.OPTIMIZERS
    assert tuple(likelihoods.LINKS) == names.MEAN_LINKS
    assert tuple(source.spelled(name) for name, source in SOURCES.items()) == names.DATASETS
    assert {option for source in SOURCES.values() for option in source.options} == set(options.DATA_OPTIONS)
    assert tuple(networks.ACTIVATIONS) == names.ACTIVATIONS


def test_all_packages_are_listed() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "pyro_bvae").rglob("__init__.py")}
    assert set(listed) == found | {"pyro_bvae_cli"}


def test_the_top_level_holds_what_the_design_says() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    top = {line.split("/")[0] for line in tracked.splitlines()}
    visible = {name for name in top if not name.startswith(".")}
    assert visible <= {"pyproject.toml", "README.md", "LICENSE", "pyro_bvae", "cli", "tests", "figures"}


def test_everything_public_is_there_and_documented() -> None:
    for name in pyro_bvae.__all__:
        assert getattr(pyro_bvae, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'BetaVEA'"):
        pyro_bvae.BetaVEA  # noqa: B018


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["fit", "--help"], ["datasets", "--help"]])
def test_help_does_not_wait_for_torch(arguments: list[str]) -> None:
    script = f"""
import sys
from pyro_bvae_cli import main
main({arguments!r}, standalone_mode=False)
heavy = {{"torch", "pyro", "matplotlib", "sklearn", "torchvision"}} & sys.modules.keys()
sys.exit(f"imported {{heavy}}" if heavy else 0)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_library_works_without_torchvision() -> None:
    script = "import sys; sys.modules['torchvision'] = None\nimport pyro_bvae as p; [getattr(p, n) for n in p.__all__]"
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True)
