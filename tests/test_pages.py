"""What the pages show is so: blocks run, links lead somewhere, pictures are there, tables say what the code says.

Pages are the README.md files. The bash blocks of a page are one session, and its python blocks one script, each in a
folder of its own. Fits are cut to a few steps, scores to one repeat, comparisons to one seed and one process, dSprites
to a part. MNIST is a small one in the true layout. Everything else runs as it is printed. Blocks without a language are
not run; the options in them are looked up.
"""

from __future__ import annotations

import re
import shlex
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from conftest import Cli
from PIL import Image
from pyro_bvae_cli import main

ROOT = Path(__file__).parents[1]
NOT_RUN = ("pip", "python", "python3", "git", "cd", "source", "pytest", "pdoc", "eval")
LONG = 40  # lines, above which a page begins with its contents
MOST_LINES, MOST_BYTES = 170, 11 * 1024  # of the first page


def pages() -> list[str]:
    below = [path for room in ("cli", "figures", "pyro_bvae", "tests") for path in (ROOT / room).rglob("README.md")]
    return [str(path.relative_to(ROOT)) for path in [ROOT / "README.md", *sorted(below)]]


@cache
def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text_of(page), flags=re.MULTILINE | re.DOTALL)


def without_blocks(page: str) -> str:
    return re.sub(r"^```.*?^```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)


def prose(page: str) -> str:
    """The page without blocks, fenced or indented, and with the letter x for each piece of code in a line."""
    return re.sub(r"`[^`]+`", "x", re.sub(r"^(    .*\n)+", "\n", without_blocks(page), flags=re.MULTILINE))


def commands(page: str) -> list[list[str]]:
    """Every command of every bash block, installs and benchmarks left out."""
    text = "\n".join(blocks(page, "bash")).replace("\\\n", " ")
    parts = [part.strip() for line in text.splitlines() for part in line.split("&&")]
    words = [shlex.split(part, comments=True) for part in parts]
    return [word for word in words if word and word[0] not in NOT_RUN]


def shortened(page: str, arguments: list[str]) -> list[str]:
    """A fit of a few steps, one seed, few data; a score of one repeat; no figures but those that a page names."""
    command, *options = arguments
    is_named = any(figure.startswith(f"{run_of(options)}/") for figure in named_figures(page))
    is_drawn = (command == "fit" and is_named) or "--figures-every" in options
    undrawn = ["--figures" if is_drawn else "--no-figures"]
    if command == "score":
        return [*arguments, *undrawn, *([] if "--repeats" in options else ["--repeats", "1"])]
    if command not in ("fit", "compare") or options[0].startswith("runs/"):
        return arguments
    kept, skip = [command], False
    for word in options:
        longer = word in ("--epochs", "--steps", "--seeds", "--jobs")
        if not skip and not longer:
            kept.append(word)
        skip = longer and not skip
    few = ["--subsample", "500"] if any("dsprites" in word for word in kept) else []
    few += ["--points", "3000"] if ("--recipe", "gaussian") in pairwise(kept) else []
    return [*kept, *few, *undrawn, "--steps", "4" if "--resume" in kept else "2"]


def run_of(options: list[str]) -> str:
    """The run folder of a fit of digits whose β, and nothing else that names it, is given."""
    return f"runs/digits-beta{options[1]}-seed0" if len(options) == 2 and options[0] == "--beta" else ""


def named_figures(page: str) -> list[str]:
    """The figures of runs that the page says are there."""
    return re.findall(r"`(runs/[^`]+\.png)`", text_of(page))


def headings(page: str) -> list[tuple[int, str]]:
    """Level and anchor of each heading, as GitHub makes them."""
    slugs: list[tuple[int, str]] = []
    for marks, heading in re.findall(r"^(#+) (.*)$", without_blocks(page), re.MULTILINE):
        text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        again = sum(re.fullmatch(rf"{re.escape(slug)}(-\d+)?", other) is not None for _, other in slugs)
        slugs.append((len(marks), f"{slug}-{again}" if again else slug))
    return slugs


def links(text: str) -> list[str]:
    """What links and pictures of the page point to, on this disk."""
    return [target for target in re.findall(r"\]\(([^)\s]+)\)", text) if not re.match(r"[a-z]+:", target)]


def tables(page: str, first: str) -> list[list[str]]:
    """The cells of all table rows whose first cell begins like that."""
    rows = [line for line in text_of(page).splitlines() if re.match(rf"\| ?{first}", line)]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]


@pytest.fixture
def workplace(tmp_path: Path, made_data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with the user's own data that pages name, and MNIST in the cache."""
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


@pytest.mark.parametrize("page", [page for page in pages() if commands(page)])
def test_every_command_of_a_page_runs(page: str, workplace: Path, cli: Cli) -> None:
    for program, *arguments in commands(page):
        assert program == "pyro-bvae"
        result = cli(*shortened(page, arguments))
        assert result.exit_code == 0, f"{shlex.join(arguments)}\n{result.output}"
    assert [figure for figure in named_figures(page) if not Path(figure).is_file()] == []


@pytest.mark.parametrize("page", [page for page in pages() if blocks(page, "python")])
def test_every_python_block_of_a_page_runs(page: str, workplace: Path, cli: Cli) -> None:
    script = "\n".join(blocks(page, "python"))
    if "runs/digits-beta6-seed0" in script:
        assert cli("fit", "--beta", 6, "--steps", 2).exit_code == 0  # the first command of the first page
    namespace = {"__name__": "__main__"}  # one for all: the blocks of a page follow one another
    for block in blocks(page, "python"):
        exec(compile(re.sub(r"epochs=\d+", "steps=2", block), f"<a block of {page}>", "exec"), namespace)


def test_a_script_of_programs_has_at_most_thirty_lines() -> None:
    lengths = [len(block.splitlines()) for block in blocks("pyro_bvae/programs/README.md", "python")]
    assert len(lengths) > 10
    assert max(lengths) <= 30


@pytest.mark.parametrize("page", pages())
def test_every_link_and_picture_of_a_page_is_there(page: str) -> None:
    for target in links(prose(page)):
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), target
        if anchor:
            assert anchor in [slug for _, slug in headings(str(file.resolve().relative_to(ROOT)))], target


@pytest.mark.parametrize("page", [page for page in pages() if len(text_of(page).splitlines()) > LONG])
def test_a_long_page_begins_with_its_contents(page: str) -> None:
    first, *_ = prose(page).partition("\n## ")
    sections = [anchor for level, anchor in headings(page) if level == 2]
    assert [anchor for anchor in sections if f"#{anchor}" not in links(first)] == []
    if page != "README.md":
        up = (Path(page).parent / target for target in links(first))
        assert any((ROOT / target).resolve() == ROOT / "README.md" for target in up)


def test_the_first_page_is_short_and_leads_to_all_others() -> None:
    text = text_of("README.md")
    assert len(text.splitlines()) <= MOST_LINES
    assert len(text.encode()) <= MOST_BYTES
    assert set(pages()) - {"README.md"} <= {target.partition("#")[0] for target in links(prose("README.md"))}


@pytest.mark.parametrize("page", pages())
def test_a_page_names_no_option_that_does_not_exist(page: str) -> None:
    joined = text_of(page).replace("\\\n", " ")
    for name, rest in re.findall(r"pyro-bvae (\w+)([^`\n;&#]*)", joined):
        if name in main.commands:
            assert set(re.findall(r"(?<=\s)--[a-z][a-z-]*", rest)) <= option_names(name), (name, rest)
    for script, rest in re.findall(r"python (tests/[\w/]+\.py)([^`\n]*)", joined):
        assert all(option in (ROOT / script).read_text() for option in re.findall(r"--[a-z][a-z-]*", rest)), script


def option_names(command: str) -> set[str]:
    options = [option for option in main.commands[command].params if isinstance(option, click.Option)]
    return {name for option in options for name in (*option.opts, *option.secondary_opts)} | {"--help"}


def test_the_table_of_options_is_that_of_fit() -> None:
    command = main.commands["fit"]
    values = command.make_context("fit", []).params
    options = [option for option in command.params if isinstance(option, click.Option)]
    expected = {(*option.opts, *option.secondary_opts): default_of(option, values[option.name]) for option in options}
    rows = tables("cli/README.md", "`--")
    written = {tuple(re.findall(r"--[a-z-]+", names)): default.strip("`") for names, default, *_ in rows}
    assert written == expected
    assert all(len(row) == 3 and row[2] for row in rows)


def default_of(option: click.Option, value: Any) -> str:
    """A default as the table has it: the value, or what the help says of it, or nothing."""
    if isinstance(value, bool):
        return option.opts[0] if value else "".join(option.secondary_opts[:1])
    if value is None:
        stated = re.search(r"(?:\[default: |\bby default )([^].;)]*)", option.help or "", flags=re.IGNORECASE)
        return stated.group(1) if stated else ""
    if isinstance(value, tuple):
        return " ".join(f"{part:g}" for part in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


@pytest.mark.parametrize("command", sorted(set(main.commands) - {"fit", "compare"}))
def test_the_page_of_the_command_line_has_all_options(command: str) -> None:
    (row,) = tables("cli/README.md", f"`{command}[` ]")
    assert set(re.findall(r"--[a-z][a-z-]*", row[1])) == option_names(command) - {"--help"}


@pytest.mark.parametrize("page", [page for page in pages() if "\n| file |" in text_of(page)])
def test_the_table_of_files_is_that_of_the_folder(page: str) -> None:
    table = text_of(page).partition("\n| file |")[2].partition("\n\n")[0]
    files = {path.stem for path in (ROOT / page).parent.glob("*.py")} - {"__init__"}
    assert sorted(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == sorted(files)
