"""Whether plain data, as a JSON file has them, are of a type that a setting is declared with."""

from __future__ import annotations

import sys
from typing import Any, get_args, get_origin

__all__ = ["is_of", "kind_in_words"]


def is_of(kind: Any, value: Any) -> bool:
    """Whether plain data, as JSON has them, are of a type.

    Whole numbers are numbers too, unless they are larger than a float can be, and booleans are none.

    >>> is_of(float, 1), is_of(int, True), is_of(tuple[int, ...], [1, 2]), is_of(int | str, "all")
    (True, False, True, True)
    """
    origin, parts = get_origin(kind), get_args(kind)
    if kind is Any:
        return True
    if origin in (tuple, list):
        size = None if len(parts) == 1 or parts[-1] is Ellipsis else len(parts)
        fits = isinstance(value, list | tuple) and size in (None, len(value))
        return fits and all(is_of(parts[0], each) for each in value)
    if origin is dict:
        return isinstance(value, dict) and all(is_of(parts[1], each) for each in value.values())
    if parts:  # a union
        return any(is_of(part, value) for part in parts)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return abs(value) <= sys.float_info.max
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def kind_in_words(kind: Any) -> str:
    """What is wanted of plain data of a type.

    >>> kind_in_words(int), kind_in_words(tuple[float, float]), kind_in_words(int | str)
    ('a whole number', 'a list of 2 numbers', 'a whole number or a text')
    """
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (tuple, list):
        size = "" if len(parts) == 1 or parts[-1] is Ellipsis else f"{len(parts)} "
        return f"a list of {size}{kind_in_words(parts[0]).removeprefix('a ')}s"
    if parts and origin is not dict:
        return " or ".join(map(kind_in_words, parts))
    words = {int: "a whole number", float: "a number", str: "a text", bool: "true or false", type(None): "null"}
    return words.get(kind, "an object")
