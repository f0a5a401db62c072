"""How a search is written: what is read is written again, and what cannot be read is said in a line."""

from __future__ import annotations

import random
import re

import pytest

from pyro_bvae.settings.declared import OneOf, Range
from pyro_bvae.settings.options import OPTIONS
from pyro_bvae.settings.searched import SEARCHABLE, Span, Values, as_typed, searched, written

WORDS = {
    "hidden": "none|400|1200,1200",
    "decoder_hidden": "32|16,8",
    "standardise": "true|false",
    "objective": "beta|factor:gamma=35,lr=1e-4|tc:beta=6",
    "beta_schedule": "linear:100|cosine:50",
    "program": "joint:classes=4|hierarchical",
    "prior": "normal|mixture:10",
    "posterior": "iaf:2|full",
}


def entry(name: str) -> str:
    """Some values of a setting, as one would type them."""
    option = OPTIONS[name]
    if name in WORDS:
        return f"{as_typed(name)}={WORDS[name]}"
    if isinstance(option.limits, OneOf):
        return f"{as_typed(name)}={'|'.join(option.limits.names[:2])}"
    low = option.limits.least if isinstance(option.limits, Range) and option.limits.least else 1
    return f"{as_typed(name)}={low}..{low + 7}"


@pytest.mark.parametrize("name", SEARCHABLE)
def test_every_setting_is_read_and_written_again(name: str) -> None:
    (span,) = spans = searched(f"{entry(name)};")
    assert span.name == name
    assert searched(f"{written(spans)};") == spans
    proposed = span.texts if isinstance(span, Values) else (span.low, span.high)
    for value in proposed:
        OPTIONS[name].check(span.value(value))


def test_a_search_is_one_in_any_order_and_spelling() -> None:
    entries = [entry(name) for name in SEARCHABLE]
    random.Random(0).shuffle(entries)
    spans = searched("; ".join(entries))
    assert [span.name for span in spans] == [
        next(name for name in SEARCHABLE if each.startswith(f"{as_typed(name)}=")) for each in entries
    ]
    assert {*searched(written(spans))} == {*spans}
    assert written(spans) == written(spans[::-1])
    assert written(searched(" latent_dim = 4..16 ")) == "latent-dim=4..16"
    assert searched("objective=tc|beta") == searched("objective=tc:beta=6|beta")


def test_what_the_issue_asks_for() -> None:
    assert searched("beta=1..32 log, latent-dim=4..16, lr=1e-4..1e-3 log") == (
        Span("beta", 1.0, 32.0, is_log=True),
        Span("latent_dim", 4, 16),
        Span("lr", 1e-4, 1e-3, is_log=True),
    )
    assert searched("hidden=400|1200,1200, likelihood=gaussian|laplace") == (
        Values("hidden", ("400", "1200,1200")),
        Values("likelihood", ("gaussian", "laplace")),
    )
    assert searched("beta=1..10 step 2, latent-dim=4..16 step 5") == (
        Span("beta", 1.0, 9.0, step=2.0),
        Span("latent_dim", 4, 14, step=5),
    )


def test_proposed_numbers_have_few_digits_and_stay_within_the_span() -> None:
    (span,) = searched("lr=0.000123456..0.00987654 log")
    assert [span.value(each) for each in (span.low, 0.00123456789, span.high)] == [0.0001235, 0.001235, span.high]
    (raster,) = searched("beta=0.1..0.7 step 0.2")
    assert raster.value(0.1 + 0.2) == 0.3
    assert raster.high == 0.7


WRONG = {
    "": "names at least one setting",
    " , ": "names at least one setting",
    "beta": "'beta' in the search is not of the form NAME=LOW..HIGH",
    "beta=": "not of the form",
    "=1..2": "not of the form",
    "beta=4": "is one value: leave it out of the search",
    "betta=1..2": "did you mean 'beta'?",
    "seed=1..5": "seed is not for a search: all trials have the same data, budget, seeds and machine",
    "--epochs=1..5": "epochs is not for a search",
    "dataset=digits|mnist": "dataset is not for a search",
    "threads=1|2": "threads is not for a search",
    "beta=1..2, beta=3..4": "beta is given twice in the search",
    "match=5..9, match_rate=1..2": "match is given twice",
    "beta=2..1": "the first number must be smaller",
    "beta=1..1": "the first number must be smaller",
    "beta=1..x": "beta in the search wants a number, got 'x'",
    "beta=-1..2": "beta must be at least 0",
    "beta=1..inf": "got inf",
    "beta=nan..2": "got nan",
    "beta=0..2 log": "log wants numbers above 0",
    "beta=1..2 step 0": "beta step in the search must be a positive number",
    "beta=1..2 step 3": "the step is larger than the span",
    "beta=1..2 log step 1": "takes log or a step, not both",
    "beta=1..2 logarithmic": "not of the form NAME=LOW..HIGH [log] [step S]",
    "latent-dim=1.5..4": "latent-dim in the search wants a whole number, got '1.5'",
    "latent-dim=0..4": "latent_dim must be at least 1",
    "likelihood=gaussian..laplace": "likelihood is no number: write its values with | between them",
    "likelihood=gausian|laplace": "did you mean 'gaussian'?",
    "likelihood=laplace|laplace": "likelihood has laplace twice",
    "objective=tc|tc:beta=6": "objective has tc twice",
    "objective=tc|tv": "unknown objective 'tv'",
    "hidden=400|x": "hidden in the search does not take 'x'",
    "hidden=0|4": "hidden must be at least 1",
    "standardise=yes|no": "standardise in the search is true or false, got 'yes'",
    "beta=1||2": "beta in the search does not take ''",
    "beta_schedule=5|6": "unknown schedule",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_cannot_be_read_is_said_in_a_line(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(WRONG[text])) as raised:
        searched(text)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("seed", range(20))
def test_odd_texts_end_in_an_error_of_a_line(seed: int) -> None:
    draw = random.Random(seed)
    pieces = [
        "beta",
        "=",
        "1",
        "..",
        "|",
        ",",
        ";",
        " log",
        " step ",
        "-",
        "1e999",
        "hidden",
        "\n",
        "\0",
        "β",
        "a" * 200,
    ]
    for _ in range(50):
        text = "".join(draw.choices(pieces, k=draw.randint(1, 9)))
        try:
            spans = searched(text)
        except ValueError as error:
            assert str(error).isprintable(), repr(text)  # noqa: PT017
        else:
            assert searched(written(spans)) == tuple(sorted(spans, key=lambda span: span.text))
