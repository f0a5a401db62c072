"""Text that came with data, as one line of plain text, as part of a message, and as the name of a file."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Any

__all__ = ["brief", "number", "one_line", "plain", "slug"]

MOST_CHARACTERS = 80  # of a value in a message: a line of a terminal
LONGEST_WORD = 200  # of a message: a path may have that many, a value has fewer by `brief`
LONGEST_MESSAGE = 600
LONGEST_NAME = 120  # bytes of a file's name, of the 255 that file systems take, so that more can be added to it
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # Windows has devices of these names


def plain(text: Any) -> str:
    r"""A text on one line, in which everything that a terminal would obey is spelled out.

    That is control characters, line breaks, marks of direction, and halves of characters.

    >>> plain("a\nb\x1b[31mc")
    'a\\nb\\x1b[31mc'
    """
    said = str(text)
    return said if said.isprintable() else "".join(map(_spelled, said))


def _spelled(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape", "surrogatepass").decode()


def brief(value: Any) -> str:
    """A value as a message quotes it, at most a line of it.

    >>> brief("a"), brief([1, 2]), len(brief("a" * 1000))
    ("'a'", '[1, 2]', 80)
    """
    said = plain(repr(value))
    return said if len(said) <= MOST_CHARACTERS else _cut(said)


def one_line(text: str) -> str:
    r"""A message on one line, and not too long a one, whatever it quotes.

    >>> one_line("no such\n  file"), len(one_line("x" * 10_000))
    ('no such file', 80)
    """
    words = map(plain, text.split())
    return " ".join(word if len(word) <= LONGEST_WORD else _cut(word) for word in words)[:LONGEST_MESSAGE]


def _cut(text: str) -> str:
    return f"{text[: MOST_CHARACTERS - 3]}..."


def number(value: float) -> str:
    """A number in as few digits as tell it from all others: six where those are enough, as for 4 and 1e-05.

    >>> number(4.0), number(0.1234567), number(1e-5)
    ('4', '0.1234567', '1e-05')
    """
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


def slug(text: str) -> str:
    """A text as the name of a file or folder, other ones for other texts.

    Letters and digits of any language stay, and so do ``.``, ``_``, ``+`` and ``-`` but at the start. Where anything
    else has to go, or the text is too long, eight digits of its SHA-256 tell it from those alike.

    >>> slug("beta4-hidden400x400")
    'beta4-hidden400x400'
    >>> slug("../a b.npz")
    'a-b.npz-b1769a15'
    """
    name = re.sub(r"[^\w.+-]+", "-", text).lstrip(".-")
    name = name.encode()[:LONGEST_NAME].decode(errors="ignore")
    if name == text and text and not RESERVED.fullmatch(text) and not text.endswith("."):
        return name
    return f"{name or 'x'}-{sha256(text.encode(errors='surrogatepass')).hexdigest()[:8]}"
