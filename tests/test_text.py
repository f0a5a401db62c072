"""Tables as other programs write them, and the line and column in which one is wrong."""

from __future__ import annotations

import bz2
import gzip
import io
import itertools
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Cli

from pyro_bvae import datasets
from pyro_bvae.datasets import Dataset, lines


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("txt", "1 2\n3 4.5\n-5e-1 6\n"),
        ("txt", "# a comment\n1\t2\n\n3  4.5  # another\n-.5 6"),
        ("csv", "1,2\n3,4.5\n-0.5,6\n"),
        ("csv", "length, width\n1, 2\n3, 4.5\n-0.5, 6\n"),
    ],
)
def test_vectors_are_read(kind: str, content: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_text(content)
    data = datasets.load(f"{kind}:{tmp_path / 'a'}")
    assert data.images.tolist() == [[1, 2], [3, 4.5], [-0.5, 6]]
    assert data.name == f"{kind}:{tmp_path / 'a'}"


VALUES = [[1.5, 20.25], [3.0, -4.5], [-0.5, 6.0], [7.0, 8.5]]
HEADERS = {"none": None, "words": ["length", "width"], "numbers": ["0", "1"], "gap": ["", "width"]}
SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|", "blanks": "  "}
ENCODINGS = {"plain": "utf-8", "mark": "utf-8-sig", "utf-16": "utf-16", "utf-32": "utf-32"}
ENDS = ["\n", "\r\n", "\r"]


def zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("__MACOSX/._a.csv", b"\0")
        archive.writestr("folder/a.csv", content)
    return file.getvalue()


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes, "gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zip": zipped,
}  # fmt: skip


def written(header: list[str] | None, separator: str, gap: str | None, decimal: str = ".") -> str:
    """The values as a table, with a further row that has a gap if there is a word for one."""
    rows = [[repr(value).replace(".", decimal) for value in row] for row in VALUES]
    rows += [] if gap is None else [["9" + decimal + "5", gap]]
    return "\n".join(separator.join(row) for row in ([header] if header else []) + rows) + "\n"


def load(folder: Path, content: bytes | str, kind: str = "csv") -> Dataset:
    path = folder / "table"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return datasets.load(f"{kind}:{path}")


@pytest.mark.parametrize("gap", [None, "", "NA", "?"])
@pytest.mark.parametrize("separator", list(SEPARATORS))
@pytest.mark.parametrize("header", list(HEADERS))
def test_tables_are_read_whatever_their_header_separator_and_gaps(
    header: str, separator: str, gap: str | None, tmp_path: Path
) -> None:
    if separator == "blanks" and (gap == "" or header == "gap"):
        return  # an empty cell between blanks is none
    for decimal, kind in itertools.product(".," if separator != "comma" else ".", ("csv", "txt")):
        data = load(tmp_path, written(HEADERS[header], SEPARATORS[separator], gap, decimal), kind)
        assert data.images.tolist() == VALUES
        assert data.columns == HEADERS[header]
        notes = " ".join(data.notes)
        assert ("row of 5 with gaps, the first in line" in notes) == (gap is not None)
        assert ("is taken for names of columns" in notes) == (header == "numbers")
        assert ("in another spelling, such as '1,5' for 1.5" in notes) == (decimal == ",")
        if separator == "tab" and kind == "txt":  # which are blanks, unless a cell between them is empty
            continue
        usual = {"csv": "comma", "txt": "blanks"}[kind]
        assert ("cells are separated by" in notes) == (separator != usual)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("packed", list(PACKED))
@pytest.mark.parametrize("encoding", list(ENCODINGS))
def test_tables_are_read_whatever_their_encoding_compression_and_line_ends(
    encoding: str, packed: str, end: str, tmp_path: Path
) -> None:
    text = written(["Länge", "width"], ",", None).replace("\n", end)
    data = load(tmp_path, PACKED[packed](text.encode(ENCODINGS[encoding])))
    assert (data.images.tolist(), data.columns, data.notes) == (VALUES, ["Länge", "width"], ())


def rows(*extra: str, header: str = "a,b") -> str:
    """Twelve rows of two features, each with what comes before."""
    lines = [f"{value},{i * 7 % 5 / 2}" for i, value in enumerate(extra or map(str, range(12)))]
    return "\n".join([header, *lines] if header else lines) + "\n"


# content, the shape it has, and what is said of it
READ = {
    "an index of pandas": (",a,b\n0,1,2\n1,3,4\n2,5,7\n", (3, 2), "the first column numbers or names the rows"),
    "a shuffled index": (",a,b\n7,1,2\n2,3,4\n5,5,7\n", (3, 2), "the first column numbers or names the rows"),
    "an index of words": (",a,b\nx,1,2\ny,3,4\nz,5,7\n", (3, 2), "the first column numbers or names the rows"),
    "an index saved twice": ("Unnamed: 0,a\n0,2\n1,4\n2,7\n", (3, 1), "the first column 'Unnamed: 0' numbers"),
    "names of columns that are numbers": ("0,1\n.5,2.5\n3.5,4.5\n5.5,7.5\n", (3, 2), "the first line, 0, 1, is taken"),
    "an index and numbers": (",0,1\n0,5,2\n1,3,4\n2,5,7\n", (3, 2), "the first line, 0, 1, is taken for names"),
    "names of rows as R writes them": ('"a" "b"\n"1" 5 6\n"2" 7 9\n"3" 9 1\n', (3, 2), "the first column numbers or"),
    "years for names": ("2019,2020\n.5,2.5\n3.5,4.5\n5.5,7.5\n", (3, 2), "the first line, 2019, 2020, is taken"),
    "a count with the name of an index": (rows(header="id,b"), (12, 1), "the first column 'id' numbers"),
    "a count without a name": (rows(header=""), (12, 1), "name it in a first line to keep it"),
    "a count with a name of its own": (rows(header="time,b"), (12, 2), "column 'time' counts the rows, and is kept"),
    "numbers that only look like a header": ("0,1,2\n3,4,5\n6,7,9\n", (3, 3), None),
    "names of pandas over whole numbers": ("0,1\n" + "5,30\n7,8\n" * 6, (12, 2), "the first line, 0, 1, is taken"),
    "the name of one column of pandas": ("0\n1.5\n2.5\n4.5\n", (3, 1), "the first line, 0, is taken for names"),
    "wavelengths": (
        "9.5,9.7,9.9,10.1\n" + "1,5,2,4\n3,1,1,7\n" * 3,
        (6, 4),
        "the first line, 9.5, 9.7, 9.9 and 1 more,",
    ),
    "numbers of patients": (
        "id,a\n8423,1\n8517,3\n8431,7\n",
        (3, 1),
        "the first column 'id' numbers or names",
    ),
    "a first datum of whole numbers": ("5\n1.5\n2.5\n4.5\n", (4, 1), None),
    "zeros and ones": ("0,1\n1,1\n0,0\n1,0\n", (4, 2), None),
    "a separator at the end": ("a,b\n1,2,\n3,4,\n5,7,\n", (3, 2), "1 column without any number left out: column 3"),
    "separators at all ends": ("a,b,\n1,2,\n3,4,\n5,7,\n", (3, 2), "1 column without any number left out: column 3"),
    "rows of nothing": ("a,b\n1,2\n3,5\n8,7\n,\n,\n", (3, 2), "2 rows of 5 with gaps, the first in line 5"),
    "truths": ("a,b\nTrue,2\nFalse,5\nTrue,7\n", (3, 2), "1 column of true and false, read as 1 and 0: column 'a'"),
    "thousands": ('a,b\n"1,234",2\n"12,345.5",4\n5,7\n', (3, 2), "2 numbers in another spelling, such as '1,234' for"),
    "a minus of typographers": ("a,b\n−1,2\n3,4\n5,7\n", (3, 2), "1 number in another spelling"),
    "one name twice": ("a,a\n1,2\n3,5\n5,7\n", (3, 2), "names of more than one column: a"),
    "a constant": ("a,b\n1,2\n1,4\n1,7\n", (3, 2), "1 column with one value only: column 'a'"),
    "times in seconds": (rows(*(str(1_700_000_000 + i) for i in range(12))), (12, 2), "column 'a': 12 values become 1"),
    "ids": (rows(*(str(20_000_001 + i) for i in range(0, 24, 2))), (12, 2), "column 'a': 12 values become"),
    "an outlier": (rows(*map(str, [*range(400), "1e12"])), (401, 2), "column 'a': 1e+12 in line 402 lies"),
    "names in a comment": ("# a,b\n1,2\n3,4\n5,7\n", (3, 2), None),
    "comments": ("a,b\n# all\n1,2 # one\n3,4# two\n\n5,7\n", (3, 2), None),
    "what tells Excel the separator": ("sep=;\na;b\n1;2\n3;4\n5;7\n", (3, 2), None),
    "quotes": ('"a","b"\n"1","2"\n"3","4"\n"5","7"\n', (3, 2), None),
    "one column": ("a\n1\n2\n4\n", (3, 1), None),
}


@pytest.mark.parametrize("case", list(READ))
def test_what_is_left_out_or_read_otherwise_is_said(case: str, tmp_path: Path) -> None:
    content, shape, note = READ[case]
    data = load(tmp_path, content)
    assert tuple(data.images.shape) == shape
    assert (note is None and data.notes == ()) or any(note in line for line in data.notes)


BAD = {
    "line 3: 3 numbers, where the lines before have 2": ("txt", "1 2\n3 4\n5 6 7\n8 9\n"),
    "line 4: 1 numbers, where the lines before have 2": ("txt", "# x\n1 2\n\n3\n"),
    "line 2: 1 numbers, where the lines before have 2": ("csv", "1,2\n3\n4,5\n"),
    "line 2: 'b' is not a number": ("txt", "1 2\na b\n".replace("a", "3")),
    r"line 3: 'x' is not a number \(column 'k'\)": ("csv", "h,k\n1,2\n3,x\n"),
    "line 1: 'bad' is not a number": ("csv", "1.5,bad\n1.5,2\n3.5,4\n"),
    r"'setosa' is not a number \(column 'species', like 1 other of 2 there\); leave the column out": (
        "csv",
        "h,species\n1,setosa\n2,setosa\n",
    ),
    r"'setosa' is not a number \(column 2, like 1 other of 2 there\)": ("csv", "1.5,setosa\n2.5,setosa\n"),
    "line 2: '2020-01-31' is not a number .*days since a first date": ("csv", "h,k\n2020-01-31,5\n2020-02-01,7\n"),
    "line 2: '1_000' is not a number": ("csv", "h,k\n1_000,5\n2,7\n"),
    "column 'h' holds true or false in 1 of 2 rows": ("csv", "h,k\nTrue,5\n7,7\n"),
    "line 3: 3 numbers, where": ("csv", "h,k\n1,2\n3,4,5\n"),
    "the first line names 1 column, and the lines below have 3": ("csv", "a table\n1,2,3\n4,5,6\n7,8,9\n"),
    "holds no numbers": ("txt", "\n"),
    "at least 2 vectors": ("csv", "h,k\n1,2\n"),
    "1 row of 2 with gaps, the first in line 2, in column 2: leave out the columns": ("csv", "1,2\n3,nan\n"),
    r"1 value is NaN or infinite, the first \(inf\) in line 2, column 2": ("csv", "1,2\n3,inf\n4,5\n"),
    r"1e\+300 in line 3, column 'k' is too large: numbers end at 3.4e\+38": ("csv", "h,k\n1,2\n3,1e300\n4,5\n"),
    "holds bytes that are no text": ("csv", "1\0,2\n"),
}


@pytest.mark.parametrize("message", list(BAD))
def test_what_is_wrong_is_named_with_its_line(message: str, tmp_path: Path) -> None:
    kind, content = BAD[message]
    with pytest.raises(ValueError, match=message):
        load(tmp_path, content, kind)


def workbook() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("[Content_Types].xml", "")
    return file.getvalue()


def two_tables() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.csv", "1,2\n")
        archive.writestr("b.csv", "1,2\n")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (workbook(), "is a workbook of Excel: save its sheet as csv"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is a workbook of Excel"),
        (two_tables(), "is a zip of 2 files, not of one table"),
        (gzip.compress(b"1,2\n" * 1000, mtime=0)[:-9], "is damaged and cannot be unpacked"),
        (gzip.compress(b"1,2\n" * 1000, mtime=0)[:20] + b"xxxxxxxxxxxx", "is damaged and cannot be unpacked"),
        (bz2.compress(b"1,2\n" * 1000)[:-9] + b"xxxxxxxxx", "is damaged and cannot be unpacked"),
        (lzma.compress(b"1,2\n" * 1000)[:-30], "is damaged and cannot be unpacked"),
        (b"PK\3\4", "is damaged and cannot be unpacked"),
    ],
)
def test_files_that_are_no_table_are_refused(content: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        load(tmp_path, content)


def test_what_unpacks_to_far_more_than_its_size_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MOST_UNPACKED", 10_000)
    monkeypatch.setattr(lines, "LONGEST_LINE", 5_000)
    with pytest.raises(ValueError, match="unpacks to more than [0-9,]+ characters, far more than a file of its size"):
        load(tmp_path, gzip.compress(b"1,2\n" * 100_000, mtime=0))
    with pytest.raises(ValueError, match="line 1: more than 5,000 characters"):
        load(tmp_path, gzip.compress(b"1," * 100_000, mtime=0))


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.TSV", "a.txt.zip"])
def test_a_file_without_its_kind_is_answered_with_it(cli: Cli, name: str) -> None:
    kind = "txt" if "txt" in name else "csv"
    assert f"looks like a file: write {kind}:{name}" in cli("fit", "--dataset", name).output


@pytest.mark.parametrize("kind", ["csv", "txt"])
def test_clean_tables_are_read_as_numpy_reads_them(kind: str, tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(5000, 3))
    path = tmp_path / "a"
    np.savetxt(path, vectors, delimiter={"csv": ",", "txt": " "}[kind])
    expected = np.loadtxt(path, np.float32, delimiter={"csv": ",", "txt": None}[kind])
    assert np.array_equal(datasets.load(f"{kind}:{path}").images.numpy(), expected)


@pytest.mark.parametrize("kind", ["int64", "uint16", "int8", "uint8", "bool", "float16", "float64"])
def test_arrays_of_any_numbers_are_vectors(kind: str, tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 2 if kind == "bool" else 2000, (20, 3)).astype(kind)
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "a.npz", images=array)
    for ending in ("npy", "npz"):
        data = datasets.load(f"{ending}:{tmp_path / 'a.'}{ending}")
        assert (data.images.dtype, data.notes) == (torch.float32, ())
        assert np.array_equal(data.images.numpy(), array.astype(np.float32))


def test_columns_without_names_are_counted_in_the_file_also_after_one_is_left_out(tmp_path: Path) -> None:
    content = "".join(f"{row},{row % 3},7\n" for row in range(12))
    left_out, constant = load(tmp_path, content).notes
    assert left_out.startswith("the first column numbers or names the rows and is left out")
    assert constant == "1 column with one value only: column 3"
    with pytest.raises(ValueError, match="line 13, column 2;"):
        load(tmp_path, f"{content}12,inf,7\n")


def test_notes_on_arrays_name_columns_as_numpy_does(tmp_path: Path) -> None:
    array = np.random.default_rng(0).normal(size=(500, 3))
    array[:, 1], array[7, 2] = 4, 1e12
    np.save(tmp_path / "a.npy", array)
    constant, outlier = datasets.load(f"npy:{tmp_path / 'a.npy'}").notes
    assert constant == "1 column with one value only: column [:, 1]"
    assert outlier.startswith("column [:, 2]: 1e+12 in row 7 (from 0) lies 9.2e+11 deviations from the others")


def test_large_tables_have_the_notes_of_small_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = np.random.default_rng(0).normal(size=(2000, 3))
    table[:, 1] = 1_700_000_000 + np.arange(2000)
    np.save(tmp_path / "a.npy", table)
    before = datasets.load(f"npy:{tmp_path / 'a.npy'}").notes
    monkeypatch.setattr("pyro_bvae.datasets.vectors.FEW_CELLS", 10)
    assert datasets.load(f"npy:{tmp_path / 'a.npy'}").notes == before
    assert len(before) == 1


def test_notes_of_one_kind_are_few(tmp_path: Path) -> None:
    table = np.random.default_rng(0).normal(size=(100, 40))
    table[3] = 1e12
    np.save(tmp_path / "a.npy", table)
    notes = datasets.load(f"npy:{tmp_path / 'a.npy'}").notes
    assert (len(notes), notes[-1]) == (4, "and so in 37 more columns")
    truths = load(tmp_path, ",".join("abcde") + "\n" + ("True," * 4 + "False\n") * 5)
    assert "5 columns of true and false, read as 1 and 0: column 'a', column 'b', column 'c' and 2 more" in truths.notes
