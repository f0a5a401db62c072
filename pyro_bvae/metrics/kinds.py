"""Kinds of factors: which have an order, which go in a circle, and which are classes without either.

    ordered       a position or a size: near values make pictures alike
    cyclic        an angle, or a hue: the last value is next to the first
    categorical   a shape or an identity: values have numbers, and no order

Where data do not say, names do: most sets of the field call these factors alike.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..settings.names import check

__all__ = ["KINDS", "check_kinds", "kinds_of"]

KINDS = ("ordered", "cyclic", "categorical")
CATEGORICAL = {"shape", "category", "class", "identity", "type", "model", "instance", "colour", "color", "lighting"}
CYCLIC = {"orientation", "azimuth", "rotation", "angle", "hue"}
NOT_CYCLIC = ("shapes3d",)  # whose orientation goes from −30 to 30 degrees


def kinds_of(names: Sequence[str], data: str = "") -> tuple[str, ...]:
    """The kind of each factor, by the words in its name; "ordered" where none is known.

    Args:
        names: The factors' names, F of them.
        data: The name of the data set; the orientation of shapes3d is no whole circle.

    >>> kinds_of(["shape", "scale", "orientation", "object_hue", "posX"])
    ('categorical', 'ordered', 'cyclic', 'cyclic', 'ordered')
    """
    return tuple(_kind(name, data.partition(":")[0]) for name in names)


def check_kinds(kinds: Sequence[str] | None, factors: int) -> tuple[str, ...]:
    """The kinds of so many factors, all ordered where none are given.

    Raises:
        ValueError: An unknown kind, or another number of them.
    """
    known = ("ordered",) * factors if kinds is None else tuple(check("kind", kind, KINDS) for kind in kinds)
    if len(known) != factors:
        raise ValueError(f"kinds must name one of {', '.join(KINDS)} for each of {factors} factors, got {len(known)}")
    return known


def _kind(name: str, data: str) -> str:
    words = {word.lower() for word in re.findall("[A-Z]?[a-z]+|[A-Z]+", name)}  # of object_hue, objectHue, OBJECT HUE
    if words & CATEGORICAL:
        return "categorical"
    is_part_of_circle = data in NOT_CYCLIC and "orientation" in words
    return "cyclic" if words & CYCLIC and not is_part_of_circle else "ordered"
