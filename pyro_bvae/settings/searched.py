"""How a search is written: each setting that it varies, with the values that it may take; free of torch.

    NAME=LOW..HIGH [log] [step S]    beta=1..32 log    latent-dim=4..16 step 2
    NAME=VALUE|VALUE|...             likelihood=gaussian|laplace    hidden=400|1200,1200

Commas or semicolons stand between them: semicolons where a value holds commas and an equals sign of its own, as in
``objective=tc|factor:gamma=35,lr=1e-4; lr=1e-4..1e-3 log``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

from .declared import Option, Parsed
from .names import check
from .options import LENGTH, MODEL, OPTIONS, REPEATS, TRAINING
from .spelling import option_words
from .words import brief, number

__all__ = ["SEARCHABLE", "Span", "Values", "as_text", "as_typed", "searched", "written"]

# a trial has the data, the budget and the seeds of all others
SEARCHABLE = tuple(name for name in (*MODEL, "beta", *TRAINING) if name not in {*REPEATS, *LENGTH})
FORM = "NAME=LOW..HIGH [log] [step S], or NAME=VALUE|VALUE"
DIGITS = 4  # of a number that a search proposes, so that it can be read and typed
FLAGS = {"true": True, "false": False}


def as_typed(name: str) -> str:
    """A setting as it is written in a search: as its option is, without dashes in front.

    >>> as_typed("latent_dim"), as_typed("match_rate"), as_typed("standardise")
    ('latent-dim', 'match', 'standardise')
    """
    return option_words(name).partition("/")[0].removeprefix("--")


def as_text(value: Any) -> str:
    """A value as it is written in a search.

    >>> as_text((1200, 1200)), as_text(()), as_text(0.5), as_text(True)
    ('1200,1200', 'none', '0.5', 'true')
    """
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return str(value).lower()
    return number(value) if isinstance(value, float) else str(value)


NAMES = {as_typed(name): name for name in SEARCHABLE}


@dataclass(frozen=True)
class Span:
    """All numbers from one to another, both included.

    Attributes:
        name: Of the setting.
        low: The smallest.
        high: The largest; with a step, the largest that can be reached.
        is_log: Whether the logarithm is spread evenly.
        step: Distance between two values; None for no raster.
    """

    name: str
    low: float
    high: float
    is_log: bool = False
    step: float | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the numbers are whole ones."""
        return OPTIONS[self.name].kind is int

    @property
    def text(self) -> str:
        """How it is written."""
        step = "" if self.step is None else f" step {number(self.step)}"
        return f"{as_typed(self.name)}={number(self.low)}..{number(self.high)}{' log' * self.is_log}{step}"

    def value(self, proposed: float) -> float:
        """A proposed number as a setting has it: of four digits, and within the span.

        >>> Span("beta", 1.0, 32.0).value(3.78123456), Span("latent_dim", 4, 16).value(7)
        (3.781, 7)
        """
        if self.is_whole:
            return int(proposed)
        digits = DIGITS if self.step is None else 12  # which leave a raster as it is
        return min(max(float(f"{proposed:.{digits}g}"), self.low), self.high)


@dataclass(frozen=True)
class Values:
    """A few values.

    Attributes:
        name: Of the setting.
        texts: How each is written.
    """

    name: str
    texts: tuple[str, ...]

    @property
    def text(self) -> str:
        """How it is written."""
        return f"{as_typed(self.name)}={'|'.join(self.texts)}"

    @property
    def values(self) -> tuple[Any, ...]:
        """What each is as a setting."""
        return tuple(_read(OPTIONS[self.name], text) for text in self.texts)

    def value(self, proposed: str) -> Any:
        """A proposed text as a setting has it.

        >>> Values("hidden", ("none", "1200,1200")).value("1200,1200")
        (1200, 1200)
        """
        return self.values[self.texts.index(proposed)]


def searched(text: str) -> tuple[Span | Values, ...]:
    """Read a search.

    Args:
        text: As the module says.

    Raises:
        ValueError: A name is unknown or given twice, a setting is not for a search, or values are out of its range.

    >>> searched("beta=1..32 log, likelihood=gaussian|laplace")
    (Span(name='beta', low=1.0, high=32.0, is_log=True, step=None), Values(name='likelihood', texts=('gaussian', 'laplace')))
    """  # noqa: E501
    between = ";" if ";" in text else r",(?=\s*[\w-]+\s*=)"
    parts = [part for part in (each.strip(" ,") for each in re.split(between, text)) if part]
    if not parts:
        raise ValueError(f"a search names at least one setting: {FORM}")
    spans = tuple(_entry(part) for part in parts)
    names = [span.name for span in spans]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{as_typed(name)} is given twice in the search")
    return spans


def written(spans: Sequence[Span | Values]) -> str:
    """A search in one spelling: equal for equal searches, whatever their order.

    >>> written(searched("lr=1e-4..0.001  log,beta=1.0..2"))
    'beta=1..2, lr=0.0001..0.001 log'
    """
    texts = sorted(span.text for span in spans)
    return ("; " if any("," in text for text in texts) else ", ").join(texts)


def _entry(part: str) -> Span | Values:
    """One setting with its values."""
    typed, equals, rest = (each.strip() for each in part.partition("="))
    if not (typed and equals and rest):
        raise ValueError(f"{brief(part)} in the search is not of the form {FORM}")
    name = NAMES[_known(typed)]
    if "|" in rest:
        return _values(name, [each.strip() for each in rest.split("|")])
    if ".." in rest:
        return _span(name, part, rest)
    raise ValueError(
        f"{brief(part)} is one value: leave it out of the search, or write {FORM}, with ; between settings"
    )


def _known(typed: str) -> str:
    """The name as an option is typed; underscores will do.

    Raises:
        ValueError: No setting has that name, or it is not for a search.
    """
    dashed = typed.replace("_", "-").removeprefix("--")
    name = {as_typed(each): each for each in OPTIONS}.get(dashed, dashed.replace("-", "_"))
    if name in OPTIONS and name not in SEARCHABLE:
        raise ValueError(f"{dashed} is not for a search: all trials have the same data, budget, seeds and machine")
    return as_typed(name) if name in SEARCHABLE else check("setting in the search", dashed, NAMES)


def _span(name: str, part: str, rest: str) -> Span:
    option = OPTIONS[name]
    if option.kind not in (int, float):
        raise ValueError(f"{as_typed(name)} is no number: write its values with | between them")
    match = re.fullmatch(r"(\S+?)\.\.(\S+)((?:\s+log)?)(?:\s+step\s+(\S+))?", rest)
    if match is None:
        raise ValueError(f"{brief(part)} in the search is not of the form NAME=LOW..HIGH [log] [step S]")
    low, high = (_number(option, end) for end in match.groups()[:2])
    step, is_log = None if match[4] is None else _number(option, match[4], is_step=True), bool(match[3])
    if not low < high:
        raise ValueError(f"{brief(part)}: the first number must be smaller than the second")
    if is_log and step is not None:
        raise ValueError(f"{brief(part)}: a search takes log or a step, not both")
    if is_log and low <= 0:
        raise ValueError(f"{brief(part)}: log wants numbers above 0")
    if step is not None:
        if step > high - low:
            raise ValueError(f"{brief(part)}: the step is larger than the span")
        high = option.kind(f"{low + int((high - low) / step + 1e-9) * step:.12g}")
    return Span(name, low, high, is_log, step)


def _number(option: Option, text: str, is_step: bool = False) -> float:
    """A number that the option takes, or a step between two."""
    what = f"{as_typed(option.name)}{' step' * is_step}"
    try:
        value = option.kind(text)
    except ValueError as error:
        kind = "whole number" if option.kind is int else "number"
        raise ValueError(f"{what} in the search wants a {kind}, got {brief(text)}") from error
    if not is_step:
        option.check(value)
    elif not 0 < value < float("inf"):
        raise ValueError(f"{what} in the search must be a positive number, got {brief(text)}")
    return value


def _values(name: str, texts: Sequence[str]) -> Values:
    option = OPTIONS[name]
    values = [_read(option, text) for text in texts]
    for value, text in zip(values, texts, strict=True):
        option.check(value)
        if values.count(value) > 1:
            raise ValueError(f"{as_typed(name)} has {text} twice in the search")
    return Values(name, tuple(as_text(value) for value in values))


def _read(option: Option, text: str) -> Any:
    """A text as the value that it stands for."""
    try:
        if get_args(option.kind) == (int, ...):
            return () if text == "none" else tuple(int(part) for part in text.split(","))
        if option.kind is bool:
            return FLAGS[text]
        if isinstance(option.limits, Parsed):
            return getattr(option.limits.read(text), "text", text)
        return option.kind(text)
    except KeyError as error:
        raise ValueError(f"{as_typed(option.name)} in the search is true or false, got {brief(text)}") from error
    except ValueError as error:
        if isinstance(option.limits, Parsed):
            raise
        raise ValueError(f"{as_typed(option.name)} in the search does not take {brief(text)}") from error
