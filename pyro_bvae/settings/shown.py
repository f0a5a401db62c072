"""Text that comes from data, and numbers that are none, made fit for one line of a table or picture, and for JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import inf, isfinite, isnan, nan
from typing import Any

from .words import plain

__all__ = ["finite", "in_words", "restored", "short", "short_names"]

MOST_CHARACTERS = 24  # of a name beside a row or above a column


def in_words(value: float, form: str = ".4f") -> str:
    """A number, in words where it is infinite or NaN.

    >>> in_words(0.5, ".2f"), in_words(float("inf")), in_words(float("nan"))
    ('0.50', 'infinite', 'not a number')
    """
    if isfinite(value):
        return format(value, form)
    return "not a number" if isnan(value) else "infinite" if value > 0 else "−infinite"


def finite(content: Mapping[str, Any]) -> dict[str, Any]:
    """Content that JSON can hold: None in the place of what is NaN or infinite, and a word for each below "not_finite".

    >>> finite({"elbo": -2.0, "psnr": float("inf"), "kl": [0.5, float("nan")]})
    {'elbo': -2.0, 'psnr': None, 'kl': [0.5, None], 'not_finite': {'psnr': 'infinite', 'kl.1': 'not a number'}}
    """
    words: dict[str, str] = {}
    known = {name: _finite(value, name, words) for name, value in content.items()}
    return known | ({"not_finite": words} if words else {})


def _finite(content: Any, place: str, words: dict[str, str]) -> Any:
    if isinstance(content, float) and not isfinite(content):
        words[place] = in_words(content)
        return None
    if isinstance(content, Mapping):
        return {name: _finite(value, f"{place}.{name}", words) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value, f"{place}.{position}", words) for position, value in enumerate(content)]
    return content


def restored(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content that `finite` was given.

    >>> restored({"elbo": -2.0, "psnr": None, "not_finite": {"psnr": "infinite"}})
    {'elbo': -2.0, 'psnr': inf}
    """
    words = content.get("not_finite")
    known = words if isinstance(words, Mapping) else {}
    return {name: _restored(value, name, known) for name, value in content.items() if name != "not_finite"}


def _restored(content: Any, place: str, words: Mapping[str, Any]) -> Any:
    if content is None:
        return next((number for number in (inf, -inf, nan) if in_words(number) == words.get(place)), None)
    if isinstance(content, Mapping):
        return {name: _restored(value, f"{place}.{name}", words) for name, value in content.items()}
    if isinstance(content, list):
        return [_restored(value, f"{place}.{position}", words) for position, value in enumerate(content)]
    return content


def short(text: object, most: int = MOST_CHARACTERS) -> str:
    """Text on one line, and without its middle where it has more than ``most`` characters.

    >>> short("shoulder_width_left_male", 11)
    'shoul…_male'
    """
    line = plain(text)
    if len(line) <= most:
        return line
    front = most // 2
    return f"{line[:front]}…{line[len(line) - (most - front - 1) :]}"


def short_names(names: Sequence[object], most: int = MOST_CHARACTERS) -> list[str]:
    r"""Names, each as `short` has it, and with its number where another is as short or nothing is left.

    >>> short_names(["posX", "left arm, upper part", "left leg, upper part", "\n"], 9)
    ['posX', '1: left…part', '2: left…part', '\\n']
    """
    cut = [short(name, most) for name in names]
    counts = Counter(cut)
    return [
        name if name and counts[name] == 1 else f"{number}: {name}".removesuffix(": ")
        for number, name in enumerate(cut)
    ]
