"""Figures as files: a PNG to look at, a PDF or an SVG to print. A figure is the same bytes whenever it is written.

Text in a PDF is text, in TrueType fonts, as publishers ask for; in an SVG it is drawn, and looks the same everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from ..files import atomic_write
from ..settings.parsing import inches
from .labels import draws_plain_text
from .pictures import optional
from .typesetting import DOTS_PER_INCH, typeset

__all__ = ["save_as", "save_figure", "save_figures"]

FOR_PRINT = {".pdf", ".svg"}
AS_FILES: dict[Any, Any] = {"pdf.fonttype": 42, "svg.fonttype": "path", "svg.hashsalt": "pyro_bvae"}
UNDATED: dict[str, dict[str, Any]] = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}


@draws_plain_text
def save_figure(figure: Figure, file: Path, figure_width: str | float | None = None) -> None:
    """Write a figure atomically, in the format that the file's ending names.

    Args:
        figure: The figure, which stays as it is.
        file: Ends in .png, .pdf or .svg.
        figure_width: "column" (3.25 inches), "page" (6.75) or a number of inches, at which the figure is laid out anew,
            with text of 7 or 8 points. By default a PDF and an SVG are as wide as a column, and a PNG as it is drawn.

    Raises:
        ValueError: The width is none.
        WriteError: The file cannot be written.
    """
    ending = file.suffix.lower()
    width = "column" if figure_width is None and ending in FOR_PRINT else figure_width
    with rc_context(AS_FILES), atomic_write(file) as partial:
        if width is None:
            figure.savefig(partial)
        else:
            page = typeset(figure, inches(width))
            page.savefig(partial, dpi=DOTS_PER_INCH, metadata=UNDATED.get(ending))


def save_as(
    figure: Figure, stem: Path, figure_format: str = "png", figure_width: str | float | None = None
) -> list[Path]:
    """Write a figure as a PNG, and beside it in another format if asked for.

    The PNG is always there, to look at and for the report; it has the width that is asked for if it is all.

    Args:
        figure: The figure.
        stem: The files without their ending.
        figure_format: One of `names.FIGURE_FORMATS`.
        figure_width: See `save_figure`.

    Returns:
        The files.
    """
    files = {ending: stem.with_name(f"{stem.name}.{ending}") for ending in dict.fromkeys(("png", figure_format))}
    for ending, file in files.items():
        save_figure(figure, file, figure_width if ending == figure_format else None)
    return [*files.values()]


def save_figures(
    figures: Mapping[str, Figure], folder: Path, figure_format: str = "png", figure_width: str | float | None = None
) -> list[Path]:
    """Write figures atomically into a folder, each under its name, see `save_as`.

    Returns:
        The files; a figure that cannot be written is left out, with a warning that names it.
    """
    files = []
    for name, figure in figures.items():
        with optional(folder / f"{name}.png"):
            files += save_as(figure, folder / name, figure_format, figure_width)
    return files
