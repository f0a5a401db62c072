"""Tables in Markdown and LaTeX hold the cells they are made of, whatever is in these."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import Cli
from pyro_bvae_cli.formats import latex, markdown
from pyro_bvae_cli.tables import Table

from pyro_bvae.runs.run import Run

ODD = r"a|b a\b \| a_b *b* `c` <d> [e](f) ~~g~~ 50% & $x$ #1 {h} ~i ^j β 4 ± σ \\ \end{tabular} [1] * -1.5 1e-05 – …"
TABLES = {
    "numbers": Table(
        ["", "ELBO", "rate", "β"], [["a", "-126.33 ± 0.25", "6.82", "–"], ["b", "9.5 (9 to 10)", "", "4"]]
    ),
    "odd cells": Table(["", *ODD.split()], [[part, *reversed(ODD.split())] for part in ODD.split()]),
    "odd names": Table([ODD, "a"], [[ODD, "1"], ["[0.1, 0.2]", "2"], ["*", "3"]]),
    "no rows": Table(["", "a"], []),
    "one column": Table(["label"], [["a"]]),
}
SIGNS = {r"$\pm$": "±", r"$\beta$": "β", r"$\sigma$": "σ", "$-$": "-", "--": "–", r"\ldots{}": "…"}
SIGNS |= {r"\textbackslash{}": "\\", r"\textasciitilde{}": "~", r"\textasciicircum{}": "^", r"\textbar{}": "|"}
SIGNS |= {r"\textless{}": "<", r"\textgreater{}": ">", r"\`{}": "`"}


def cells_of_markdown(lines: list[str]) -> list[list[str]]:
    """What a reader of Markdown sees in the cells."""
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [[re.sub(r"\\(.)", r"\1", cell) for cell in row] for row in rows]


def cells_of_latex(lines: list[str]) -> list[list[str]]:
    """What is set in the cells."""
    rows = [line.removesuffix(r" \\").removeprefix("{}") for line in lines if line.endswith(r" \\")]
    signs = re.compile("|".join(map(re.escape, sorted(SIGNS, key=len, reverse=True))) + r"|\\([&%$#_{}])")
    return [[signs.sub(lambda sign: sign[1] or SIGNS[sign[0]], cell.strip()) for cell in re.split(r"(?<!\\)&", row)]
            for row in rows]  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
def test_markdown_reads_back_as_the_same_cells(name: str) -> None:
    table = TABLES[name]
    lines = markdown(table)
    assert len({len(line) for line in lines}) == 1
    assert re.fullmatch(r"\|:-+\|(-+:\|)*", lines[1])
    assert cells_of_markdown([lines[0], *lines[2:]]) == [[*row] for row in (table.titles, *table.rows)]


@pytest.mark.parametrize("name", TABLES)
def test_latex_has_the_same_cells_and_balanced_braces(name: str) -> None:
    table = TABLES[name]
    lines = latex(table)
    assert cells_of_latex(lines) == [[*row] for row in (table.titles, *table.rows)]
    text = re.sub(r"\\[{}]", "", "\n".join(lines))
    depths = [text[:end].count("{") - text[:end].count("}") for end in range(len(text) + 1)]
    assert (min(depths), depths[-1]) == (0, 0)
    assert [line for line in lines if not line.isascii()] == []


@pytest.mark.skipif(
    shutil.which("pdflatex") is None, reason="there is no pdflatex: apt-get install texlive-latex-extra"
)
def test_pdflatex_sets_every_table(tmp_path: Path) -> None:
    tables = "\n\n".join("\n".join(latex(table)) for table in TABLES.values())
    begin = "\\documentclass{article}\n\\usepackage[T1]{fontenc}\n\\usepackage{booktabs}\n\\begin{document}\\tiny\n"
    (tmp_path / "a.tex").write_text(f"{begin}{tables}\n\\end{{document}}\n")
    words = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "a.tex"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]


@pytest.mark.parametrize("form", ["markdown", "latex"])
def test_stdout_has_the_tables_and_nothing_else(form: str, cli: Cli, runs: list[Run], here: Path) -> None:
    paths = [run.path for run in runs]
    chosen = ("--metric", "mig", "--metric", "udr", "--format", form)
    compared = cli("compare", *paths, "--format", form, "--out", "c")
    scored = cli("score", *paths, *chosen, "--repeats", 1, "--no-figures", "--out", "s")
    # score has a table of means and one by factor, for either label
    for result, tables in ((compared, 1), (scored, 4)):
        assert result.exit_code == 0, result.stderr
        lines = [line for line in result.stdout.splitlines() if line]
        mark = "% " if form == "latex" else "|"
        assert lines[-1].startswith(r"\end{tabular}" if form == "latex" else mark)
        begins = r"(\\|% |.* \\\\$)" if form == "latex" else r"\||[ab]"
        assert [line for line in lines if not re.match(begins, line)] == []
        assert result.stdout.count("begin{tabular}" if form == "latex" else "|:-") == tables
    assert "more in c/comparison.csv" in compared.stderr
    assert "no other run shares its settings" in scored.stderr


@pytest.mark.parametrize("command", ["compare", "score"])
def test_json_has_no_format_of_tables(command: str, cli: Cli, runs: list[Run], here: Path) -> None:
    result = cli(command, runs[0].path, "--json", "--format", "latex", "--out", "c")
    assert result.exit_code == 2
    assert "--format is of tables" in result.stderr
    assert not [*here.iterdir()]
    result = cli(command, runs[0].path, "--format", "latx")
    assert (result.exit_code, "did you mean 'latex'" in result.stderr) == (2, True)
