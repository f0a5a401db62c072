"""Text that came with data is one line of plain text, a short quotation, and the name of a file."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from pyro_bvae.comparison.choices import choices_of
from pyro_bvae.settings.words import brief, number, plain, slug

ODD = [
    "", ".", "..", "../a", "a/b", "a\\b", "/etc/passwd", "a b", "a-b", "ab", "a:b", "a=b", "a,b", "-a", "--out", "~",
    "$HOME", "a\nb", "a\tb", "a\x1b[31m", "\x1b]0;title\x07", "a\u202eb", "a\udcffb", "\x00", "*", "?",
    "con", "NUL.txt", "a.", "a" * 300, "a" * 301, "é" * 200, "β 4", "数据", "<b>", "`id`", "'", '"', "| rm",
    "%n", "{x}", "a\u2028b", "\u200b",
]  # fmt: skip


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_any_text_becomes_a_name_that_stays_where_it_is_put(text: str, tmp_path: Path) -> None:
    name = slug(text)
    (tmp_path / f"{name}-seed0").mkdir()
    assert [path.name for path in tmp_path.iterdir()] == [f"{name}-seed0"]
    assert plain(name) == name
    assert name[0] not in ".-"


def test_names_are_other_ones_for_other_texts_and_stay_for_plain_ones() -> None:
    assert len({slug(text).casefold() for text in ODD}) == len(ODD)
    assert all(slug(text) == text for text in ("beta4-hidden400x400", "tc-beta6", "a.npz", "größe", "1e+06"))


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_any_text_is_one_line_that_no_terminal_obeys(text: str) -> None:
    assert plain(text).isprintable()
    assert len(brief(text)) <= 80
    assert brief({"key": [text] * 1000}).isprintable()


@pytest.mark.parametrize("value", [0.0, 4.0, 1e-5, 0.1, 0.1234567, 0.1234568, 1e6, 1 / 3, 2.5e300])
def test_a_number_is_told_from_all_others(value: float) -> None:
    assert float(number(value)) == value


def test_choices_differ_in_label_and_folder_and_stay_in_theirs(tmp_path: Path) -> None:
    paths = [f"npz:{text}" for text in ODD if text and "\x00" not in text]
    for name, values in (("dataset", paths), ("beta", [0.1234567, 0.1234568, 1.0, 1e6])):
        choices = choices_of({name: values, "likelihood": ["bernoulli"]}, [0], tmp_path / "out")
        for one, other in combinations(choices, 2):
            assert (one.label, one.folder) != (other.label, other.folder)
        assert {choice.folder.parent for choice in choices} == {tmp_path / "out"}
        assert len({choice.folder.name for choice in choices}) == len(choices)
