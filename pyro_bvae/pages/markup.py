"""HTML from Python, in which text is escaped and nothing else can be written.

    element("p", "a < b", element("em", name), class_="aside")

What is no `Markup` is text, and is escaped: names of data sets, labels, factors and runs can hold anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from typing import Any

__all__ = ["Content", "Markup", "element", "joined", "sentence", "table", "with_minus"]

NUMBER = re.compile(r"[-−+]?\d|–$")  # the beginning of one
WITHOUT_END = {"br", "hr", "img", "input"}


class Markup(str):
    """HTML as it is."""

    __slots__ = ()


Content = str | None | Iterable["Content"]


def element(name: str, *content: Content, **attributes: str | float | bool | None) -> Markup:
    """An element.

    Args:
        name: Of the element.
        content: Markup, text, None for nothing, or several of them.
        attributes: By name, with ``_`` for ``-`` and an underscore at the end of Python's own words; True for one
            without a value, None and False for none.

    >>> element("a", "a<b", href="#x", class_="link", hidden=True, data_run=0)
    '<a href="#x" class="link" hidden data-run="0">a&lt;b</a>'
    """
    start = f"<{name}{''.join(_attribute(key, value) for key, value in attributes.items())}>"
    return Markup(start if name in WITHOUT_END else f"{start}{joined(*content)}</{name}>")


def joined(*content: Content) -> Markup:
    """Markup and text, one after another, as one piece of markup."""
    return Markup("".join(map(_written, content)))


def sentence(*parts: str | None) -> str:
    """The parts that are there as one text, with a space between.

    >>> sentence("One.", None, "", "Two.")
    'One. Two.'
    """
    return " ".join(filter(None, parts))


def with_minus(text: str) -> str:
    """A text whose negative numbers have a minus in place of a hyphen.

    >>> with_minus("held-out ELBO -1.5, -3 to 3")
    'held-out ELBO −1.5, −3 to 3'
    """
    return re.sub(r"(?<![\w-])-(?=\d)", "−", text)


def table(heads: Iterable[Content], rows: Iterable[Iterable[Content]], **attributes: Any) -> Markup:
    """A table of a head, where there is one, and rows; numbers, and columns of them, have the class ``number``."""
    lines = [list(row) for row in rows]
    names = [
        element("th", cell, scope="col", class_=_kind(*(line[column] for line in lines)))
        for column, cell in enumerate(heads)
    ]
    head = element("thead", element("tr", names)) if names else None
    body = element(
        "tbody", [element("tr", [element("td", cell, class_=_kind(cell)) for cell in line]) for line in lines]
    )
    return element("div", element("table", head, body, **attributes), class_="scrolled")


def _kind(*cells: Content) -> str | None:
    """The class of cells that all hold numbers, or a dash where there is none."""
    is_number = all(isinstance(cell, str) and not isinstance(cell, Markup) and NUMBER.match(cell) for cell in cells)
    return "number" if is_number and cells else None


def _attribute(name: str, value: str | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    name = name.removesuffix("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{_escaped(str(value))}"'


def _written(content: Content) -> str:
    if content is None or isinstance(content, Markup):
        return content or ""
    return _escaped(content) if isinstance(content, str) else "".join(map(_written, content))


def _escaped(text: str) -> str:
    """Text in which nothing is markup; a byte of a file's name that is no letter is spelled out."""
    return escape(text.encode("utf-8", "backslashreplace").decode())
