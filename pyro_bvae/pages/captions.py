"""Figures and tables with captions, numbered in the order in which a report makes them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..plots import png_of
from .markup import Content, Markup, element, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Captions", "embedded"]


class Captions:
    """Counts the figures and tables of one report."""

    def __init__(self) -> None:
        self.figures = self.tables = 0

    def figure(self, picture: Figure | bytes, caption: Content, alternative: str) -> Markup:
        """A figure of matplotlib, or a PNG, with its caption.

        Args:
            picture: What is shown.
            caption: What it shows, and how to read it.
            alternative: The same in a few words, for those who cannot see it.
        """
        self.figures += 1
        image = embedded(picture if isinstance(picture, bytes) else png_of(picture), alternative)
        return element("figure", image, _caption(f"Figure {self.figures}.", caption))

    def table(
        self, caption: Content, heads: Iterable[Content], rows: Iterable[Iterable[Content]], **attributes: Any
    ) -> Markup:
        """A table, with its caption above it."""
        self.tables += 1
        return element(
            "figure", _caption(f"Table {self.tables}.", caption), table(heads, rows, **attributes), class_="table"
        )


def embedded(png: bytes, alternative: str) -> Markup:
    """A PNG as an image that needs no file."""
    return element("img", src=f"data:image/png;base64,{b64encode(png).decode()}", alt=alternative)


def _caption(number: str, caption: Content) -> Markup:
    return element("figcaption", element("b", number), " ", caption)
