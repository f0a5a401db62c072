"""Words for what happened while data were read: counts, and a few of the names."""

from __future__ import annotations

from collections.abc import Sequence

from ..settings.shown import short

__all__ = ["counted", "named", "shortened"]

MOST_NAMES = 3  # that one line holds
MOST_LETTERS = 60  # of a name


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """A count with its noun.

    >>> counted(1, "picture"), counted(1200, "picture"), counted(2, "copy", "copies")
    ('1 picture', '1,200 pictures', '2 copies')
    """
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def named(names: Sequence[str]) -> str:
    """The first names, and how many more there are.

    >>> named(["a", "b"]), named(["a", "b", "c", "d", "e"])
    ('a, b', 'a, b, c and 2 more')
    """
    shown = ", ".join(map(shortened, names[:MOST_NAMES]))
    return shown if len(names) <= MOST_NAMES else f"{shown} and {len(names) - MOST_NAMES:,} more"


def shortened(text: str) -> str:
    r"""Text from data on one line, without its middle where it is long.

    >>> shortened("a\nb\x1b[1m") == "a\\nb\\x1b[1m"
    True
    """
    return short(text, MOST_LETTERS)
