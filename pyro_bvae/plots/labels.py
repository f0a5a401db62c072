"""What stands beside things in a figure: names as plain text, latents with their KL, what is left out.

Names come from data. They are drawn as they are, and no sign in them starts a formula: matplotlib would read what
stands between two dollar signs as TeX, and end in an error where it is none.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from functools import lru_cache, wraps
from textwrap import fill
from typing import Any, ParamSpec, TypeVar

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font

from ..settings.shown import MOST_CHARACTERS, short_names
from ..settings.words import plain
from ..terms import ACTIVE_ABOVE
from ..traversal import Traversal

__all__ = ["FADED_GREY", "draws_plain_text", "is_active", "label", "label_latents", "labels", "row_labels", "say_below"]

FADED_GREY = "0.6"
PLAIN_TEXT: dict[Any, Any] = {"text.parse_math": False, "text.usetex": False, "axes.formatter.use_mathtext": False}
LETTERS_AN_INCH = 18  # of a note
NO_GLYPH = "□"
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def draws_plain_text(draw: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Make all text that a function draws plain, whatever signs are in it and whatever matplotlib is set to."""

    @wraps(draw)
    def drawn(*args: Arguments.args, **options: Arguments.kwargs) -> Result:
        with rc_context(PLAIN_TEXT):
            return draw(*args, **options)

    return drawn


def labels(names: Sequence[str], most: int = MOST_CHARACTERS) -> list[str]:
    """Names as they are drawn: on one line, short, all different, and with a box for what the font does not have."""
    font = _letters(findfont(FontProperties()))
    return short_names([_boxed(plain(name), font) for name in names], most)


def _boxed(name: str, font: Container[int]) -> str:
    return "".join(letter if ord(letter) in font else NO_GLYPH for letter in name)


@lru_cache
def _letters(font_file: str) -> frozenset[int]:
    return frozenset(get_font(font_file).get_charmap())


def say_below(figure: Figure, *notes: str) -> None:
    """Write notes below a figure, those that are not empty; on several lines where they are wider than it."""
    text = "; ".join(filter(None, notes))
    if text:
        figure.supxlabel(fill(text, max(30, int(LETTERS_AN_INCH * figure.get_figwidth()))), fontsize=7)


def label(sweep: Traversal, row: int, separator: str) -> str:
    """The latent of a row, after its name, with its KL in nats where it is known."""
    named = "" if sweep.names is None else sweep.names[row]
    unit = sweep.unit(row)
    name = f"{labels([named])[0]}{separator}{unit}" if named else unit
    if sweep.kl is None:
        return name
    digits = 2 if sweep.kl[row] >= 0.1 else 3
    return f"{name}{separator}{sweep.kl[row]:.{digits}f}" + ("" if is_active(sweep, row) else f"{separator}inactive")


def is_active(sweep: Traversal, row: int) -> bool:
    """Whether the latent of a row is active; also true if its KL is not known."""
    return sweep.kl is None or sweep.kl[row] > ACTIVE_ABOVE


def row_labels(sweep: Traversal, notes: Sequence[str] = ()) -> list[str]:
    """The label of each row of a traversal, after its note, unless that is its name."""
    notes = ["" if sweep.names is not None and note == sweep.names[row] else note for row, note in enumerate(notes)]
    named = [*dict.fromkeys(filter(None, notes))]  # one may stand beside several latents
    drawn = {"": ""} | dict(zip(named, labels(named), strict=True))
    front = [drawn[note] for note in notes] or [""] * len(sweep.latents)
    return [f"{front[row]}  {label(sweep, row, '  ')}".strip() for row in range(len(sweep.latents))]


def label_latents(panel: Axes, sweep: Traversal, texts: Sequence[str]) -> None:
    """Write labels, of `row_labels`, beside the rows of a panel, those of inactive latents in grey."""
    panel.set_yticks(range(len(texts)), texts)
    for row, text in enumerate(panel.get_yticklabels()):
        text.set_color("black" if is_active(sweep, row) else FADED_GREY)
    if sweep.kl is not None and len(texts) > 2:  # there is room for it
        panel.set_ylabel("latent, KL in nats", fontsize=7)
