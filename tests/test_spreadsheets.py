"""Tables that spreadsheets write, in the language of their user: thousands, totals, percents, gaps and titles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import Cli

from pyro_bvae import BetaVAE, datasets, fit, load_run
from pyro_bvae.datasets import Dataset
from pyro_bvae.datasets.own_files import data_from


def load(folder: Path, content: str | bytes, kind: str = "csv") -> Dataset:
    path = folder / "table"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return datasets.load(f"{kind}:{path}")


# the cells of a first column and what they hold, whether the mark is "." or ","
THOUSANDS = {
    "mixed": (["300", "984", "1.041", "3.663"], [300, 984, 1041, 3663]),
    "millions": (["1.005.585", "300", "1.041", "2"], [1005585, 300, 1041, 2]),
    "all millions": (["1.005.585", "1.005.586", "2.041.001", "2.000.000"], [1005585, 1005586, 2041001, 2000000]),
    "negative": (["-300", "5", "-1.041", "12"], [-300, 5, -1041, 12]),
    "three decimals of all": (["1.137", "1.071", "12.500", "3.250"], [1.137, 1.071, 12.5, 3.25]),
    "below 1": (["300", "0.984", "1.041", "3.663"], [300, 0.984, 1.041, 3.663]),
    "other decimals": (["300", "98.4", "1.041", "3.663"], [300, 98.4, 1.041, 3.663]),
    "long whole numbers": (["300", "9840", "1.041", "3.663"], [300, 9840, 1.041, 3.663]),
}


@pytest.mark.parametrize("case", list(THOUSANDS))
@pytest.mark.parametrize(("separator", "mark"), [(";", "."), (";", ","), ("\t", ","), ("|", "."), ("\t", ".")])
@pytest.mark.parametrize("kind", ["csv", "txt"])
def test_thousands_are_known_by_the_other_cells(
    case: str, separator: str, mark: str, kind: str, tmp_path: Path
) -> None:
    cells, values = THOUSANDS[case]
    lines = [separator.join([cell.replace(".", mark), str(i % 3)]) for i, cell in enumerate(cells)]
    data = load(tmp_path, "\n".join([separator.join("ab"), *lines]), kind)
    assert data.images[:, 0].tolist() == pytest.approx(values)
    notes = " ".join(data.notes)
    assert ("read with three decimals: if these are thousands" in notes) == (case == "three decimals of all")
    assert ("in another spelling" in notes) == (case in list(THOUSANDS)[:4] or mark == ",")


def test_one_column_tells_for_all_and_so_does_a_decimal_comma(tmp_path: Path) -> None:
    assert load(tmp_path, "a;b\n300;1.137\n1.041;1.071\n").images.tolist() == [[300, 1137], [1041, 1071]]
    assert load(tmp_path, "a;b\n10,5;1.137\n2,5;1.071\n").images.tolist() == [[10.5, 1137], [2.5, 1071]]
    late = "a;b\n" + "1;300\n2;7\n" * 150 + "1;1.041\n"
    assert load(tmp_path, late).images[-1].tolist() == [1, 1041]


def rows(count: int = 12) -> str:
    return "".join(f"{i + 1};{i * 7 % 5 + 50};{i * 3 % 4}\n" for i in range(count))


# content of a table, the shape it has, and what is said of it
READ = {
    "a total": (";a;b\n" + rows() + "Summe;622;18\n", (12, 2), "1 row that begins with a word, where"),
    "totals": ("Tag;a;b\n" + rows() + "Zwischensumme;622;18\nMittel;52;1\n", (12, 3), "'Mittel' in line 15"),
    "a total without a name": (";a;b\n" + rows() + ";622;18\n", (12, 2), "1 row of 13 with gaps"),
    "a footer": ("Tag;a;b\n" + rows() + "Quelle: Destatis;;\n", (12, 3), "'Quelle: Destatis' in line 14"),
    "units": ("t;a;b\nh;kg;EUR\n" + rows(), (12, 3), "'h' in line 2"),
    "empty rows below an index": (";a;b\n" + rows() + ";;\n;;\n", (12, 2), "the first column numbers or names"),
    "an empty row and no names": (rows() + ";;\n", (12, 2), "the first column numbers or names the rows"),
    "a title": ("Umsatz 2024\n\na;b;c\n" + rows(), (12, 3), "1 line above the names left out: Umsatz 2024"),
    "padded titles": ("Umsatz;;\nStand;1;\n;b;c\n" + rows(), (12, 2), "2 lines above the names left out: Umsatz;;"),
    "percents": ("a;b\n27,0%;5,64\n30,5 %;6,5\n1,5%;7\n", (3, 2), "such as '27,0%' for 27"),
    "euros": ("a;b\n1.037,72 €;5\n12,50 EUR;6\n1,5 €;7\n", (3, 2), "such as '1.037,72 €' for 1037.72"),
    "dollars": ('a,b\n"$1,037.72",5\n$12.50,6\n-$3,7\n', (3, 2), "such as '$1,037.72' for 1037.72"),
    "brackets": ("a,b\n(1345.49),5\n12.50,6\n3,7\n", (3, 2), "such as '(1345.49)' for -1345.49"),
    "a minus behind": ("a;b\n1037.72-;5\n12.50;6\n3;7\n", (3, 2), "such as '1037.72-' for -1037.72"),
    "a label": ("label,a,b\n5,1,2\n3,1,4\n5,2,6\n", (3, 3), "column 'label' is read as a value of the vector like"),
    "one far value": ("a\n" + "".join(f"{45 + i * 7 % 11}\n" for i in range(60)) + "250\n", (61, 1), "250 in line 62"),
    "a word of numbers": ("a\n" + "".join(f"{45 + i * 7 % 11}\n" for i in range(60)) + "-999\n" * 3, (63, 1),
                          "-999 in 3 rows, the first line 62, lies"),
    "dates of eight digits": ("d,a\n" + "".join(f"2024{m:02}15,{m % 5}\n" for m in range(1, 13)), (12, 2),
                              "column 'd': 12 values change by up to 1 in float32"),
}  # fmt: skip
READ |= {
    f"a gap {gap}": (f"a;b\n{gap};5\n12.50;6\n3;7\n", (2, 2), "1 row of 3 with gaps")
    for gap in ["#DIV/0!", "#REF!", "#WERT!", "#NV", "k.A.", "–", "<NA>"]
}


@pytest.mark.parametrize("case", list(READ))
def test_what_is_left_out_or_read_otherwise_is_said(case: str, tmp_path: Path) -> None:
    content, shape, note = READ[case]
    data = load(tmp_path, content)
    assert tuple(data.images.shape) == shape, data.notes
    assert any(note in line for line in data.notes), data.notes


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("kind", ["csv", "txt"])
def test_names_with_blanks_stand_between_tabs(kind: str, encoding: str, tmp_path: Path) -> None:
    content = "Länge in cm\tb\n" + "".join(f"{i}.5\t{i % 3}\n" for i in range(9))
    assert load(tmp_path, content.encode(encoding), kind).columns == ["Länge in cm", "b"]


def test_what_is_no_utf_8_is_what_windows_writes(tmp_path: Path) -> None:
    data = load(tmp_path, "Umsatz (€);b\n1;2\n3;5\n4;7\n".encode("cp1252"))
    assert data.columns == ["Umsatz (€)", "b"]


MANY = "".join(f"{i % 7};{i * 5 % 11}\n" for i in range(40))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a;b\n" + MANY + "3;Total\n", "'Total' is not a number .*; leave the line out"),
        ("a;b\nStand: 1.1.2024;\n" + MANY, "line 2: 'Stand: 1.1.2024' is not a number .*; leave the line out"),
        ("a;b\n3.36 kg;1\n3.4 kg;2\n4 kg;3\n", "'3.36 kg' is not a number .*; take the unit off"),
        ("a;b\n3.36;1,5\n3.4;2,5\n4.5;3,5\n", "'1,5' is not a number .*; decimal commas and decimal points are mixed"),
    ],
)
def test_what_is_no_number_is_refused_with_a_way_on(content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        load(tmp_path, content)


GERMAN = ";Höhe (€);b;c\n" + "".join(f"{i};{i * 7 % 5},5;{i % 3};{i % 4}\n" for i in range(40))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("german")
    data = load(folder, GERMAN.encode("cp1252"))
    model = BetaVAE(data.shape, 2, hidden=(4,), likelihood="gaussian")
    fit(model, data, steps=2, compile=False, out=folder / "run")
    return folder / "run"


@pytest.mark.parametrize(
    ("content", "values"),
    [
        (GERMAN, None),
        ("Höhe (€);b;c\n10,5;3;2\n", [[10.5, 3, 2]]),
        (";c;Höhe (€);b\n7;2;10,5;3\n8;4;1,5;6\n", [[10.5, 3, 2], [1.5, 6, 4]]),
        ("10,5;3;2", [[10.5, 3, 2]]),
        ("10.5,3,2", [[10.5, 3, 2]]),
        ("10.5 3 2", [[10.5, 3, 2]]),
    ],
)
def test_a_table_of_ones_own_is_read_as_the_data_were(
    content: str, values: list[list[float]] | None, run: Path, tmp_path: Path
) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(content, encoding="utf-8")
    config = load_run(run).config
    expected = load(tmp_path, GERMAN).images.tolist() if values is None else values
    assert data_from(file, (3,), config)[0].tolist() == expected


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("10,5;3", "holds an array of 2, and a datum of the run is 3"),
        ("Höhe (€);b\n10,5;3\n", "lacks column 'c', other than the data of the run"),
        ("Höhe (€);b;d\n10,5;3;4\n", "lacks column 'c' and has column 'd', other than"),
        ("a cat;3;4\n1;2;3\n2;x;4\n", "is not a number"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(content: str, says: str, cli: Cli, run: Path, here: Path) -> None:
    Path("mine.csv").write_text(content, encoding="utf-8")
    result = cli("reconstruct", run, "--image", "mine.csv", "--out", "o")
    assert (result.exit_code > 0, says in result.stderr) == (True, True), result.stderr


def test_vectors_are_written_under_the_names_of_their_columns(cli: Cli, run: Path, here: Path) -> None:
    for command in (["sample", run, "--count", 5], ["reconstruct", run, "--sample", "--count", 3]):
        assert cli(*command, "--out", "o.csv").exit_code == 0
        assert datasets.load("csv:o.csv").columns == ["Höhe (€)", "b", "c"]
    Path("c.csv").write_text("b;c;Höhe (€)\n1;2;3\n", encoding="utf-8")
    assert "put in the order of the run's" in cli("reconstruct", run, "--image", "c.csv", "--out", "o").stderr


@pytest.mark.parametrize("name", ["Laenge", "Länge in cm", '"x"'])
@pytest.mark.parametrize("places", [1, 2, 3, 5])
@pytest.mark.parametrize("kind", ["csv", "txt"])
def test_a_single_column_of_decimal_commas_under_its_name(name: str, places: int, kind: str, tmp_path: Path) -> None:
    values = np.random.default_rng(places).normal(size=30).round(places)
    lines = [name, *(f"{value:.{places}f}".replace(".", ",") for value in values)]
    data = load(tmp_path, "\n".join(lines), kind)
    np.testing.assert_allclose(data.images[:, 0], values, rtol=1e-6)
    assert data.shape == (1,)


def test_two_columns_of_whole_numbers_keep_their_commas(tmp_path: Path) -> None:
    for head in ("a,b", ""):
        lines = [head, *(f"{number * number % 11},{number % 7}" for number in range(30))]
        assert load(tmp_path, "\n".join(filter(None, lines))).shape == (2,)
