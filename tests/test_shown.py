"""What stands in a line of a table or picture is plain, short and finite, whatever it came from."""

from __future__ import annotations

import json
import re

import pytest
from conftest import Cli

from pyro_bvae import Run
from pyro_bvae.files import as_json
from pyro_bvae.settings.shown import finite, in_words, restored, short, short_names
from pyro_bvae.settings.words import plain

TEXTS = [
    "plain",
    "",
    "a\nb\r\nc",
    "\x1b[31mred\x1b[0m",
    "tab\there",
    "\u202eback",
    "\ud800",
    "x" * 5000,
    "é β 形状",
    "\u2028",
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_one_line_that_is_seen(text: str) -> None:
    line = plain(text)
    assert line.isprintable()
    assert len(short(text, 9)) <= 9
    assert short(line, max(1, len(line))) == line


def test_short_names_differ_and_keep_their_order() -> None:
    names = short_names([*TEXTS, *TEXTS, "x" * 5001])
    assert len(set(names)) == len(names) == 2 * len(TEXTS) + 1
    assert short_names(["posX", "posY", "scale"]) == ["posX", "posY", "scale"]


@pytest.mark.parametrize("value", [float("inf"), -float("inf"), float("nan")])
def test_what_is_not_finite_is_a_word_and_null(value: float) -> None:
    said = in_words(value)
    assert said.strip("−").replace(" ", "").isalpha()
    content = finite({"a": value, "b": [1.0, {"c": value}], "d": (2, "inf"), "e": None})
    assert json.loads(as_json(content)) == {
        "a": None, "b": [1.0, {"c": None}], "d": [2, "inf"], "e": None, "not_finite": {"a": said, "b.1.c": said},
    }  # fmt: skip
    assert finite({"a": 1.0}) == {"a": 1.0}
    assert repr(restored(content)) == repr({"a": value, "b": [1.0, {"c": value}], "d": [2, "inf"], "e": None})
    assert (
        restored({"a": None, "not_finite": "damaged"}) == restored({"a": None, "not_finite": {"a": 1}}) == {"a": None}
    )


def test_evaluate_says_what_is_not_finite(cli: Cli, digits_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyro_bvae.evaluation.evaluation.psnr", lambda _: float("inf"))
    monkeypatch.setattr("pyro_bvae.evaluation.evaluation.bound_and_error", lambda *_, **__: (float("nan"), None))
    said = cli("evaluate", digits_run.path, "--particles", 1)
    assert said.exit_code == 0, said.stderr
    assert "PSNR                infinite dB" in said.stdout
    assert "IW bound (1)    not a number nats" in said.stdout
    stored = json.loads(cli("evaluate", digits_run.path, "--particles", 1, "--json").stdout)
    assert (stored["psnr"], stored["iw_bound"]) == (None, None)
    assert stored["not_finite"] == {"iw_bound": "not a number", "psnr": "infinite"}


def test_info_is_for_people(cli: Cli, digits_run: Run) -> None:
    text = cli("info", digits_run.path).stdout
    assert not set("{}") & {*text}
    assert "[" not in text
    assert re.search(r"^hidden +400$", text, re.MULTILINE)
    assert re.search(r"^versions +python .*, torch \d", text, re.MULTILINE)
