"""Tables fit the terminal, and whoever reads them finds every cell again."""

from __future__ import annotations

import re
import unicodedata
from random import Random

import pytest
from conftest import Cli
from pyro_bvae_cli.tables import Table, aligned, room

from pyro_bvae.comparison import LabelSummary, MeanDeviation, cell, table_of
from pyro_bvae.comparison.summaries import MEASURES

LETTERS = "abcdefghij αβ数据é"


def some_table(random: Random) -> Table:
    """Cells of any length, with single spaces, and names of any length, all different."""

    def text(most: int) -> str:
        words = "".join(random.choices(LETTERS, k=random.randint(1, most)))
        return unicodedata.normalize(random.choice(["NFC", "NFD"]), " ".join(words.split())) or "x"

    columns = random.randint(1, 14)
    names = [f"{text(random.choice([8, 90]))} {number}" for number in range(random.randint(1, 6))]
    rows = [[name, *(text(random.choice([5, 30])) for _ in range(columns))] for name in names]
    return Table([random.choice(["", "run"]), *(text(12) for _ in range(columns))], rows)


def read_back(lines: list[str], table: Table) -> list[list[str]]:
    """The cells of a printed table, without its first column."""
    blocks = [block.split("\n") for block in "\n".join(lines).split("\n\n")]
    cells: list[list[str]] = [[] for _ in range(len(table.rows) + 1)]
    for block in blocks:
        for place, line in enumerate(block):
            parts = re.split(" {2,}", line)
            cells[place] += parts[1:]
    return cells


@pytest.mark.parametrize("seed", range(60))
def test_cells_never_collide(seed: int) -> None:
    random = Random(seed)
    table, width = some_table(random), random.choice([20, 40, 80, 120, 1_000_000])
    lines = aligned(table, width)
    assert read_back(lines, table) == [[*row[1:]] for row in (table.titles, *table.rows)]


@pytest.mark.parametrize("width", [40, 64, 80, 100, 132, 200])
def test_lines_fit_the_terminal_where_a_column_does(width: int) -> None:
    names = [f"likelihood gaussian-learned, beta {number}, hidden 1200x1200x1200x1200" for number in range(3)]
    table = Table(["", *"abcdefghijkl"], [[name, *["-12345.67 ± 123.45"] * 12] for name in names])
    lines = aligned(table, width)
    assert max(map(len, lines)) <= width
    first = [line.split("  ")[0] for line in lines[1 : 1 + len(names)]]
    assert len({*first}) == len(names)


def test_a_pipe_has_a_line_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr("sys.__stdout__", None)
    assert room() > 100_000
    monkeypatch.setenv("COLUMNS", "93")
    assert room() == 93


def test_an_empty_table_has_its_titles() -> None:
    assert aligned(Table(["", "ELBO"], []), 80) == ["  ELBO"]
    assert aligned(Table([""], [["a"]]), 80) == ["", "a"]


def summary(label: str, **values: object) -> LabelSummary:
    measures = dict.fromkeys(MEASURES) | values
    return LabelSummary(label, "density", 2, None, None, measures, {})  # type: ignore[arg-type]


def test_a_comparison_prints_the_bound_that_was_taken() -> None:
    titles, rows = table_of([summary("a", elbo=MeanDeviation(-2.0, 0.1)), summary("b")])
    assert (titles, rows) == (["", "ELBO"], [["a", "-2.00 ± 0.10"], ["b", "–"]])
    titles, rows = table_of([summary("a", iw_bound=MeanDeviation(-1.5, None))])
    assert (titles, rows) == (["", "IW bound"], [["a", "-1.50"]])


def test_a_rate_that_is_an_estimate_has_its_error_beside_it() -> None:
    values = {"rate": MeanDeviation(20.0, 0.5), "rate_standard_error": MeanDeviation(0.0124, 0.001)}
    titles, rows = table_of([summary("a", **values), summary("exact", rate=MeanDeviation(19.0, 0.5))])
    assert titles == ["", "rate", "its s.e."]
    assert rows == [["a", "20.00 ± 0.50", "0.012"], ["exact", "19.00 ± 0.50", "–"]]


def test_a_count_stays_within_what_was_counted() -> None:
    assert cell(MeanDeviation(9.5, 0.71), 2, (9, 10)) == "9.5 (9 to 10)"
    assert cell(MeanDeviation(10.0, 0.0), 2, (10, 10)) == "10"
    assert cell(MeanDeviation(3.0, None), 2, (3, 3)) == "3"


def test_a_comparison_fits_the_terminal(cli: Cli, monkeypatch: pytest.MonkeyPatch, here: object) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    words = ("--steps", 2, "--image-size", 8, "--hidden", 4, "--seeds", "0,1", "--particles", 2, "--no-compile")
    result = cli("compare", *words, "--out", "c")
    table, _ = result.stdout.split("still falling" if "still falling" in result.stdout else "means ±", 1)
    assert max(map(len, table.splitlines())) <= 60
    assert re.search(r"IW bound", table)
