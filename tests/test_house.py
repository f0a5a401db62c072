"""The house is as its pages draw it: rooms in rows, no circles, short modules and functions, nothing loose."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import pyro_bvae
from pyro_bvae import likelihoods, networks, objectives, posteriors, priors, programs, schedules
from pyro_bvae.datasets import SOURCES
from pyro_bvae.metrics.boosting import BOOSTERS
from pyro_bvae.metrics.information import BINNINGS
from pyro_bvae.scoring import METRICS
from pyro_bvae.settings import names, options
from pyro_bvae.training import state as training

ROOT = Path(__file__).parents[1]
LIBRARY = ROOT / "pyro_bvae"
MOST_NAMES = 32  # in the folder of the library
MOST_LINES_OF_A_MODULE = 300
MOST_LINES_OF_A_FUNCTION = 40  # without its docstring
Function = ast.FunctionDef | ast.AsyncFunctionDef


def rows() -> list[set[str]]:
    """The rooms of each row, as the table of the library's page has them."""
    table = re.findall(r"^\| (\d+) \| \[?`(\w+)/?`", (LIBRARY / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    return [{room for row, room in table if int(row) == number} for number in sorted({int(row) for row, _ in table})]


def modules() -> dict[str, Path]:
    """Every module of the library by its dotted name; a package is its ``__init__``, and ``python -m`` is none."""
    paths = (path for path in LIBRARY.rglob("*.py") if path.name != "__main__.py")
    files = {path: path.relative_to(LIBRARY).with_suffix("").parts for path in paths}
    return {".".join(parts).removesuffix("__init__").rstrip("."): path for path, parts in files.items()}


def imported(name: str, known: dict[str, Path], types: bool = True) -> set[str]:
    """The modules of the library that a module imports, in functions too; the library's own face left out.

    Args:
        name: Of the module.
        known: All modules.
        types: Whether what is imported for type checkers alone counts.
    """
    package = name.split(".") if known[name].name == "__init__.py" else name.split(".")[:-1]
    targets: set[str] = set()
    tree = ast.parse(known[name].read_text(encoding="utf-8"))
    blocks = (node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    skipped = set() if types else {inner for block in blocks for inner in ast.walk(block)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level and node not in skipped:
            home = [*package[: len(package) - node.level + 1], *filter(None, (node.module or "").split("."))]
            inner = {".".join([*home, alias.name]) for alias in node.names}
            targets |= inner & known.keys()
            targets |= {".".join(home)} if inner - known.keys() else set()
    return targets - {""}


def test_every_module_imports_only_from_rows_above() -> None:
    known = modules()
    above: set[str] = set()
    for row in rows():
        for name in known:
            room = name.partition(".")[0]
            if room in row:
                assert {target.partition(".")[0] for target in imported(name, known)} <= above | {room}, name
        above |= row
    assert {name.partition(".")[0] for name in known} - {""} == above


def test_imports_have_no_circle() -> None:
    known = modules()
    graph = {name: imported(name, known, types=False) for name in known if name}
    TopologicalSorter(graph).prepare()  # raises CycleError, with the circle


def test_the_library_has_few_names() -> None:
    tracked = subprocess.run(["git", "ls-files", "pyro_bvae"], cwd=ROOT, capture_output=True, text=True, check=True)
    names = {line.split("/")[1] for line in tracked.stdout.splitlines()}
    assert len(names) <= MOST_NAMES, sorted(names)


@pytest.mark.parametrize("name", modules())
def test_modules_and_functions_are_short(name: str) -> None:
    text = modules()[name].read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES_OF_A_MODULE
    functions = (node for node in ast.walk(ast.parse(text)) if isinstance(node, Function))
    long = {function.name: lines(function) for function in functions if lines(function) > MOST_LINES_OF_A_FUNCTION}
    assert long == {}


def lines(function: Function) -> int:
    """How many lines a function has, without decorators and docstring."""
    whole = (function.end_lineno or 0) - function.lineno + 1
    if ast.get_docstring(function) is None:
        return whole
    docstring = function.body[0]
    return whole - ((docstring.end_lineno or 0) - docstring.lineno + 1)


def test_the_library_knows_nothing_of_the_command_line() -> None:
    for path in modules().values():
        text = path.read_text(encoding="utf-8")
        assert "import click" not in text
        assert "pyro_bvae_cli" not in text
        assert not re.search(r"\bprint\(", text)


@pytest.mark.parametrize("name", [name for name in modules() if name.partition(".")[0] not in ("settings", "pages")])
def test_messages_of_the_library_name_arguments_and_no_flags(name: str) -> None:
    tree = ast.parse(modules()[name].read_text(encoding="utf-8"))
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    listed = {"--points", "--dim"}  # in the list of the data sets
    ours = {re.sub(r"`dask [^`]*", "", text) for text in {*texts} - listed}  # commands of dask have flags of their own
    assert [text for text in ours if re.search(r"(?<![\w-])--[a-z]", text)] == []


def test_names_equal_the_keys_they_stand_for() -> None:
    assert tuple(networks.NETWORKS) == names.NETWORKS
    assert tuple(likelihoods.LIKELIHOODS) == names.LIKELIHOODS
    assert tuple(objectives.OBJECTIVES) == names.OBJECTIVES
    assert [*priors.PRIORS] == [form.partition(":")[0] for form in names.PRIORS]
    assert [*posteriors.POSTERIORS] == [form.partition(":")[0] for form in names.POSTERIORS]
    assert tuple(programs.PROGRAMS) == names.PROGRAMS
    assert tuple(schedules.SCHEDULES) == names.SCHEDULES
    assert tuple(training.OPTIMIZERS) == names.OPTIMIZERS
    assert tuple(likelihoods.LINKS) == names.MEAN_LINKS
    assert tuple(source.spelled(name) for name, source in SOURCES.items()) == names.DATASETS
    own = {option for source in SOURCES.values() for option in source.options}
    assert own | {"labelled"} == set(options.DATA_OPTIONS)  # labels are of any source that has classes
    assert tuple(networks.ACTIVATIONS) == names.ACTIVATIONS
    assert tuple(METRICS) == names.METRICS
    assert tuple(BOOSTERS) == names.BOOSTERS
    assert tuple(BINNINGS) == names.BINNINGS
    least = {name: kind.least_batch for name, kind in objectives.OBJECTIVES.items()}
    assert {name: size for name, size in least.items() if size > 1} == names.LEAST_BATCH


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


def test_the_names_that_others_rely_on_are_there() -> None:
    page = (LIBRARY / "README.md").read_text(encoding="utf-8").partition("## Names that others rely on")[2]
    listed = [name for group in re.findall(r"`pyro_bvae\.\{(.*?)\}`", page) for name in group.split(", ")]
    pinned = """BetaVAE fit evaluate diagnose load_run Callback datasets likelihoods objectives metrics plots traversal
    codes callbacks schedules"""
    assert {*pinned.split()} <= {*listed}
    assert [name for name in listed if not hasattr(pyro_bvae, name)] == []
    assert pyro_bvae.compiled.CompiledStep


@pytest.mark.parametrize("name", ["pyro_bvae", "pyro_bvae_cli"])
def test_python_runs_the_command_line_as_a_module(name: str) -> None:
    done = subprocess.run([sys.executable, "-m", name, "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout.split(",")[0]) == (0, "pyro-bvae"), done.stderr


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


def test_one_function_says_whether_a_stream_is_a_terminal() -> None:
    files = [*LIBRARY.rglob("*.py"), *(ROOT / "cli").glob("*.py")]
    assert [file.name for file in files if "isatty" in file.read_text(encoding="utf-8")] == ["streams.py"]
